"""
One running Plum of its own for a fault test: broker, worker, beat and web as real processes that are killed for real.

Everything lies in one folder and listens on unix sockets and loopback; only processes started here are signalled.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from plum_site.local.door import door
from plum_site.local.processes import process_facts
from plum_site.local.servers import Postgres
from plum_site.local.services import valkey_answers, valkey_command, web_command

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 4
TOKEN = "token"  # the file of a state folder that holds the token of its program
QUIET = ["-W", "ignore:You're running the worker with superuser privileges"]
# In front of PostgreSQL's own, which is why `travel` names the schema `public` first.
DATABASE_CLOCK = (
    "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
    "$$ SELECT pg_catalog.clock_timestamp() + interval '{0} seconds' $$"
)


class Lab:
    """
    Processes by name, each in a session of its own; `close` ends what is left.

    postgres: a server of this lab's own, running; without it the lab works on SQLite. settings: further variables.
    """

    def __init__(self, folder: Path, migrated: Path, postgres: Postgres | None = None) -> None:
        self.folder, self.home = folder, Path(tempfile.mkdtemp(prefix="plum-lab-"))  # sockets need a short path
        self.var, self.points = folder / "var", folder / "points"
        shutil.copytree(migrated, self.var)
        self.points.mkdir()
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port()
        self.postgres, self.settings = postgres, dict[str, str]()

    @property
    def token(self) -> str:
        """The token of the stocked program."""
        return (self.var / TOKEN).read_text(encoding="ascii")

    @property
    def engine(self) -> str:
        """sqlite or postgresql."""
        return "postgresql" if self.postgres else "sqlite"

    @property
    def environment(self) -> dict[str, str]:
        """What every process here is given."""
        database = {"DATABASE_URL": self.postgres.url} if self.postgres else {}
        return base_environment() | {
            "PLUM_VAR": str(self.var),
            "DJANGO_SETTINGS_MODULE": "plum_site.settings.dev",
            "REDIS_URL": f"redis+socket://{self.home / 'valkey.sock'}",
            "PLUM_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
            "PLUM_LAB": str(self.folder),
            "PLUM_CRASH_POINTS": str(self.points),
            **database,
            **self.settings,
        }

    def start(self, name: str, command: list[str]) -> None:
        """Start one process; it dies with this one."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.children[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=door.die_with_parent(signal.SIGKILL),
            )

    def start_broker(self) -> None:
        """A Valkey that keeps nothing, on the lab's socket."""
        path = self.home / "valkey.sock"
        path.unlink(missing_ok=True)
        self.start("valkey", valkey_command(path, self.home))
        wait_for(lambda: valkey_answers(path), "Valkey")

    def start_worker(self, name: str = "worker") -> None:
        """A worker with two processes that also knows the handlers of the tests."""
        options = [
            "--pool",
            "prefork",
            "-c",
            "2",
            "--without-gossip",
            "--without-mingle",
            "--loglevel",
            "INFO",
            "-n",
            f"{name}@lab",
        ]
        self.start(name, [*self._celery(), "worker", *options, "-I", "tests.faults.handlers"])

    def start_beat(self, name: str = "beat") -> None:
        """A beat."""
        self.start(name, [*self._celery(), "beat", "--loglevel", "INFO", "--pidfile", ""])

    def start_all(self) -> None:
        """Broker, worker, beat and web server; returns when all of them are ready."""
        self.start_broker()
        self.start_worker()
        self.start_beat()
        self.start_web()
        wait_for(lambda: "ready." in self.log("worker"), lambda: f"the worker: {self.log('worker')[-1000:]}", 90)

    def start_web(self) -> None:
        """The web server, as `./plum up` starts it; returns when it answers."""
        size = {"PLUM_WEB_PROCESSES": "2", "PLUM_WEB_THREADS": "4"}
        command = web_command(f"127.0.0.1:{self.port}", size, sys.executable)
        self.start("web", command)
        wait_for(self._web_answers, lambda: f"the web server: {self.log('web')[-1000:]}", 60)

    def _web_answers(self) -> bool:
        """Whether it serves; a connection alone may still be with the process that was just killed."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            line.request("GET", "/healthz")
            return line.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def _celery(self) -> list[str]:
        return [sys.executable, *QUIET, "-m", "celery", "-A", "plum_site.celery"]

    def kill(self, name: str) -> None:
        """kill -9 the whole group of one process, as a machine that runs out of memory would, and worse."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def kill_one(self, name: str, choose: Callable[[list[int]], int]) -> int:
        """kill -9 one of the processes that a server has forked; its number. The server starts another by itself."""
        victim = choose(offspring(self.children[name].pid))
        os.kill(victim, signal.SIGKILL)
        return victim

    def arm(self, point: str, may_pass: int = 0) -> None:
        """Have the next process that comes by a crash point die there, after so many that may pass."""
        (self.points / f"{point}.died").unlink(missing_ok=True)
        (self.points / point).write_text(str(may_pass or ""), encoding="ascii")

    def has_died(self, point: str) -> bool:
        """Whether a process has died there since it was armed."""
        return (self.points / f"{point}.died").exists()

    def travel(self, to: datetime) -> None:
        """
        Let it be another time for every process of the lab, and for its database. The clock runs on from there.

        The first time before anything is started: processes learn of it by their settings, connections by their search path.
        """
        seconds = (to - datetime.now(UTC)).total_seconds()
        if self.postgres:
            if "DJANGO_SETTINGS_MODULE" not in self.settings:
                self.postgres.psql("ALTER DATABASE plum SET search_path = public, pg_catalog")
            self.postgres.psql(DATABASE_CLOCK.format(seconds))
        self.settings["DJANGO_SETTINGS_MODULE"] = "tests.faults.another_time"
        draft = self.folder / "clock.new"
        draft.write_text(str(seconds), encoding="ascii")
        draft.replace(self.folder / "clock")

    def close(self) -> None:
        """Kill what is left."""
        for name in list(self.children):
            try:
                self.kill(name)
            except ProcessLookupError:
                continue
        shutil.rmtree(self.home, ignore_errors=True)
        if self.postgres:
            self.postgres.remove()

    def start_command(self, name: str, *arguments: str) -> None:
        """Start one command and do not wait for it."""
        self.start(name, [sys.executable, str(ROOT / "manage.py"), *arguments])

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{arguments[0]} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        return done

    def manage_json(self, *arguments: str, check: bool = True) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.manage(*arguments, "--format", "json", check=check).stdout)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Read the database from outside, as another process."""
        if self.postgres:
            with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=10) as line:
                return line.execute(sql).fetchall()
        with contextlib.closing(sqlite3.connect(f"file:{self.var / 'plum.sqlite3'}?mode=ro", uri=True, timeout=30)) as file:
            return file.execute(sql).fetchall()

    def count(self, sql: str) -> int:
        """The number that a query gives."""
        return int(self.query(sql)[0][0])

    def log(self, name: str) -> str:
        """What a process has said."""
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def effects(self) -> list[str]:
        """The keys of jobs whose effect took place, in order, one line an effect (tests.faults.handlers)."""
        path = self.folder / "effects"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def starts(self) -> list[str]:
        """The keys of jobs that were begun, one line a beginning."""
        path = self.folder / "starts"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def plan(self, count: int, seconds: float) -> None:
        """Plan jobs that take so long each, in a process of its own."""
        self._call(f"plan_effects({count}, {seconds})")

    def plan_poison(self) -> None:
        """Plan a job that kills its worker."""
        self._call("plan_poison()")

    def _call(self, expression: str) -> None:
        code = f"import django; django.setup(); from tests.faults import handlers; handlers.{expression}"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=self.environment, check=True)

    def flush_broker(self) -> None:
        """Empty the broker, as FLUSHALL does."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self.home / "valkey.sock"))
            line.sendall(b"FLUSHALL\r\n")
            assert line.recv(16).startswith(b"+OK")

    def wait_until_done(self, seconds: float) -> float:
        """Wait until no test job is left undone; how long that took."""
        began = time.monotonic()
        undone = "SELECT COUNT(*) FROM plum_job WHERE name = 'test.effect' AND state <> 'done'"
        wait_for(lambda: self.count(undone) == 0, lambda: self._report(), seconds)
        return time.monotonic() - began

    def _report(self) -> str:
        rows = self.query("SELECT key, state, attempts, due_at, lease_until, error FROM plum_job WHERE state <> 'done'")
        return f"the end of {rows}; worker: {self.log('worker')[-1500:]}"


def base_environment() -> dict[str, str]:
    """The variables of this process, without those that say where a database or a state folder is."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PLUM_TEST_VAR"}}
    return kept | {"PYTHONPATH": str(ROOT)}


def offspring(parent: int) -> list[int]:
    """The processes that one process has forked and that live."""
    numbers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    facts = {number: process_facts(str(number)) for number in numbers}
    return sorted(number for number, fact in facts.items() if fact and fact.parent == parent and fact.line)


def wait_for(answers: Callable[[], bool], what: str | Callable[[], str], seconds: float = 30) -> None:
    """Wait until it is so; AssertionError with what was waited for otherwise."""
    until = time.monotonic() + seconds
    while not answers():
        if time.monotonic() > until:
            raise AssertionError(f"After {seconds:.0f} s still waiting for {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


def free_port() -> int:
    """A port on loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
