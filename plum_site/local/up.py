"""`./plum up`: ten steps to a running Plum, then the console until it is stopped."""

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, Any

from plum_site.local.done import Done
from plum_site.local.door import door
from plum_site.local.mails import describe_mails, list_mails
from plum_site.local.processes import read_pid, stop_services, write_pid
from plum_site.local.services import (
    Services,
    free_port,
    mailbox_answers,
    port_owner,
    valkey_answers,
    valkey_command,
    web_command,
    worker_command,
)

KEPT_TRANSCRIPTS = 20


def raise_interrupted(number: int, frame: FrameType | None) -> None:
    """Signal handler: leave whatever is being done, so that everything is stopped in order."""
    raise door.Interrupted(number)


def hold_state(var: Path) -> IO[str]:
    """Lock the state folder for one `up`; the lock ends with the process, however that ends."""
    lock = open(var / "run" / "up.lock", "a", encoding="utf-8")  # noqa: SIM115 - held until the end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        entry = read_pid(var, "plum")
        who = f"pid {entry.pid}, {entry.url}" if entry else "it is just starting"
        raise door.Stop(
            f"Plum already runs on {var} ({who}). Nothing was changed.\n"
            "Look at it: ./plum status    Stop it: ./plum down\n"
            "Another one beside it: PLUM_VAR=/other/folder ./plum up --port 8001"
        ) from None
    return lock


def web_answers(port: int) -> bool:
    """True if the web server says that it is well."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(line):
        line.request("GET", "/healthz")
        return line.getresponse().status == 200
    return False


def up(options: argparse.Namespace) -> None:
    """Check, start everything, serve until stopped, stop everything. Raises Stop with the reason if it cannot."""
    steps = door.Steps(sys.stderr if options.json else sys.stdout, total=10)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_interrupted)
    with steps.step("Checks"):
        problems = [] if door.environment_ready("runtime") else door.machine_problems("runtime")
        if problems:
            raise door.Stop("Plum cannot run here; nothing was changed.\n" + "\n".join(f"  - {line}" for line in problems))
        var = door.state_folder()
        lock = hold_state(var)
        leftovers = stop_services(var, steps.say)
        port = choose_port(options)
        steps.note = f"stopped what a killed run had left: {', '.join(leftovers)}" if leftovers else ""
    with steps.step("Environment"):
        steps.note = "installed" if door.ensure_environment("runtime", steps) else "unchanged"
    url = f"http://127.0.0.1:{port}"
    env = door.environment()
    env["PLUM_BASE_URL"] = env.get("PLUM_BASE_URL") or url
    env["COLUMNS"] = str(max(100, shutil.get_terminal_size().columns))
    services = Services(var, env)
    write_pid(var, "plum", os.getpid(), url)
    serving = False
    try:
        result = Start(options, steps, services, port, url).everything()
        serving = True
        if options.json:
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()
        else:
            show_welcome(steps, result, options.once)
        while not options.once:
            services.watch()
            time.sleep(0.5)
    except door.Interrupted as request:
        if not serving:
            steps.say("Interrupted: what was started is stopped; running ./plum up again goes on from here.")
            raise SystemExit(128 + request.args[0]) from None
    finally:
        stopped = services.stop(steps.say)
        (var / "run" / "plum.pid").unlink(missing_ok=True)
        steps.say(f"Stopped: {', '.join(stopped)}.")
        steps.close()
        lock.close()


def choose_port(options: argparse.Namespace) -> int:
    """The console's port. Raises Stop with a free one's number if the wanted one is taken."""
    wanted = 8000 if options.port is None else options.port
    owner = port_owner(wanted) if wanted else ""
    if owner and options.once and options.port is None:
        return free_port()  # nobody opens the console of a run that ends by itself
    if owner:
        raise door.Stop(
            f"Port {wanted} is taken by {owner}. Nothing was started. Use another one: ./plum up --port {free_port()}"
        )
    return wanted or free_port()


class Start:
    """Steps 3 to 10 of one `up`."""

    def __init__(self, options: argparse.Namespace, steps: Any, services: Services, port: int, url: str) -> None:
        self.options, self.steps, self.services, self.port, self.url = options, steps, services, port, url
        self.var, self.done = services.var, Done(services.var, services.env)

    def manage(self, *arguments: str, live: bool = False, secret: bool = False) -> str:
        """Standard output of one management command, while the services are watched."""
        command = [door.PYTHON, str(door.ROOT / "manage.py"), *arguments]
        return str(self.steps.run(command, self.services.env, live=live, watch=self.services.watch, secret=secret))

    def manage_once(self, name: str, mark: Callable[[], str], *arguments: str, live: bool = False) -> bool:
        """Run one management command unless an earlier start did and nothing has changed since; whether it ran."""
        if self.done.has(name, mark()):
            return False
        self.manage(*arguments, live=live)
        self.done.remember(name, mark())
        return True

    def everything(self) -> dict[str, Any]:
        """Start all; what there is to show at the end, as one object."""
        steps, options = self.steps, self.options
        with steps.step("State folder"):
            log = self.open_transcript()
            steps.note = str(self.var)
        with steps.step("Valkey and mailbox"):
            steps.note = f"{self.start_valkey()}; {self.start_mailbox()}"
        with steps.step("Database"):
            migrated = self.manage_once("database", self.done.migrations, "migrate", "--no-input", "--skip-checks")
            steps.note = "migrated" if migrated else "unchanged"
        with steps.step("Static files"):
            collected = self.manage_once("static", self.done.static, "collectstatic", "--no-input", "--skip-checks")
            steps.note = "collected" if collected else "unchanged"
        with steps.step("Demo programs"):
            seeded = not options.no_demo and self.manage_once("demo", self.done.demo, "seed_demo", "--format", "json", live=True)
            steps.note = "left out" if options.no_demo else "complete" if seeded else "unchanged"
        with steps.step("Services"):
            self.start_web()
            if seeded:
                self.start_workers()  # there is work for them
        with steps.step("Monthly reviews"):
            shown = self.review(seeded)
            steps.note = ", ".join(f"{review['program']} {review['month']}" for review in shown["reviews"]) or "none yet"
        if not options.json and shown["text"]:
            steps.say(f"\n{shown['text'].rstrip()}\n")
        with steps.step("Console"):
            self.services.wait_for(lambda: web_answers(self.port), "The web server")
            self.start_workers()
            steps.note = self.url
        return {
            "url": self.url,
            "sign_in_link": shown["sign_in_link"],
            "state_folder": str(self.var),
            "log": str(log),
            "programs": [row["program"] for row in shown["programs"]],
            "users": shown["users"],
            "progress": {"programs": shown["programs"]},
            "reviews": shown["reviews"],
            "mail": self.read_mails(),
            "steps": steps.times,
        }

    def open_transcript(self) -> Path:
        """Begin this run's transcript; the oldest ones go."""
        log = self.var / "log" / time.strftime("plum-%Y%m%dT%H%M%SZ.log", time.gmtime())
        self.steps.transcript(log)
        for old in sorted((self.var / "log").glob("plum-*.log"))[:-KEPT_TRANSCRIPTS]:
            old.unlink()
        return log

    def start_valkey(self) -> str:
        """Start the embedded broker unless REDIS_URL names another one; where it is."""
        if os.environ.get("REDIS_URL"):
            return "not needed, REDIS_URL is set"
        path = door.socket_folder(self.var) / "valkey.sock"
        path.unlink(missing_ok=True)
        self.services.start("valkey", valkey_command(path, self.var / "run"), death=signal.SIGKILL)
        self.services.wait_for(lambda: valkey_answers(path), "Valkey")
        return str(path)

    def start_mailbox(self) -> str:
        """Start the mailbox that keeps all mail as files, unless PLUM_SMTP_HOST names a mail server; where mail goes."""
        if os.environ.get("PLUM_SMTP_HOST"):
            return "mail goes to PLUM_SMTP_HOST"
        path, folder = door.socket_folder(self.var) / "mail.sock", self.var / "mail"
        self.services.start("mailbox", [door.PYTHON, "-m", "plum_site.local.mailbox", str(path), str(folder)])
        self.services.wait_for(lambda: mailbox_answers(path), "The mailbox")
        return f"mail is kept in {folder}"

    def read_mails(self) -> dict[str, Any]:
        """Where mails lie and which; none where a mail server takes them."""
        if os.environ.get("PLUM_SMTP_HOST"):
            return {"folder": None, "messages": []}
        return {"folder": str(self.var / "mail"), "messages": list_mails(self.var / "mail")}

    def start_web(self) -> None:
        """Start the console; it loads while the reviews are read or made."""
        web = web_command(f"127.0.0.1:{self.port}", self.services.env, str(door.PYTHON))
        self.services.start("web", [*web, "--access-logfile", "-"], self.url)
        self.services.watch()

    def start_workers(self) -> None:
        """Start worker and beat, unless they have been started: last, where nothing waits for them."""
        if "worker" in self.services.children:
            return
        quiet = ["-W", "ignore:You're running the worker with superuser privileges"]  # loopback only, its own broker
        celery = [door.PYTHON, *quiet, "-m", "celery", "-A", "plum_site.celery"]
        self.services.start("worker", worker_command(self.services.env, str(door.PYTHON)))
        self.services.start(
            "beat", [*celery, "beat", "--schedule", str(self.var / "run" / "beat-schedule"), "--loglevel", "INFO"]
        )
        self.services.watch()

    def review(self, seeded: bool) -> dict[str, Any]:
        """What there is to show, once the worker has made the review of every month that is over."""
        if seeded:
            self.wait_for_reviews()
        shown = self.read_reviews()
        if shown["waiting"] and not seeded:
            self.start_workers()
            self.wait_for_reviews()
            shown = self.read_reviews()
        return shown

    def wait_for_reviews(self) -> None:
        """Show what worker and beat do until every month is reviewed. Where one cannot be, the console is there to see why."""
        try:
            self.manage("review_progress", "--wait", "--format", "json", live=True)
        except door.Stop as fault:
            self.services.watch()
            if self.options.once:
                raise
            self.steps.say(str(fault))

    def read_reviews(self) -> dict[str, Any]:
        """The answer of `welcome`."""
        who = ["--sign-in", "admin", "--base-url", self.url] if not (self.options.once or self.options.no_demo) else []
        found: dict[str, Any] = json.loads(self.manage("welcome", "--format", "json", *who, secret=True))
        return found


def show_welcome(steps: Any, result: dict[str, Any], once: bool) -> None:
    """Where the console is, who can sign in, and what to try next."""
    people = sorted((user["role"], user["username"], user["program"]) for user in result["users"])
    if people:
        steps.say("\nPeople of the demo (no passwords: ./plum manage sign_in_link --username NAME signs one in):")
        for line in door.table([("role", "username", "program"), *people]):
            steps.say(line)
    if result["mail"]["messages"]:
        steps.say(f"\nMail that was sent lies in {result['mail']['folder']} (any mail program opens it):")
        for line in door.table(describe_mails(result["mail"]["messages"])):
            steps.say(line)
    if not once:
        steps.say(f"\nConsole:  {result['url']}")
        if result["sign_in_link"]:
            steps.say(f"Sign in:  {result['sign_in_link']}   (works once, for ten minutes)", secret=True)
    code = result["programs"][0] if result["programs"] else "CODE"
    tries = [
        (f"./plum manage show_review --program {code}", "the latest monthly review, partner by partner"),
        ("./plum manage verify all", "prove that ledger, rollups and reviews agree"),
        ("./plum up", "the same, with the console") if once else ("./plum status", "what runs, and since when"),
    ]
    steps.say("\nTry next:" if once else "\nTry next, in another terminal:")
    for line in door.table(tries):
        steps.say(line)
    steps.say(f"\nTranscript: {result['log']}")
    if not once:
        steps.say("Ctrl-C stops everything.")
