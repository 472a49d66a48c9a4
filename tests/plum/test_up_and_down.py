"""`up`, `status` and `down` with real processes, in a toy checkout whose commands answer at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plum_site.local.door import door
from plum_site.local.processes import process_facts, read_pid, running, stop_services, write_pid
from plum_site.local.services import free_port

MANAGE = """
import json, pathlib, sqlite3, sys, time
command, *rest = sys.argv[1:]
here = pathlib.Path(__file__).parent
with open(here / "ran", "a") as ran:
    ran.write(command + "\\n")
database = sqlite3.connect(here / "var" / "plum.sqlite3")
if command == "migrate":
    if (here / "broken").exists():
        sys.exit("the disk is full")
    database.execute("create table if not exists django_migrations (id integer primary key, app, name, applied)")
    database.execute("create table if not exists plum_auditevent (id integer primary key, object_ref, at, action)")
    if not database.execute("select 1 from django_migrations").fetchone():
        database.execute("insert into django_migrations (app, name, applied) values ('toy', '0001', ?)", [str(time.time())])
elif command == "collectstatic":
    (here / "var" / "static").mkdir(exist_ok=True)
    (here / "var" / "static" / "staticfiles.json").write_text("{}")
elif command == "seed_demo":
    if not database.execute("select 1 from plum_auditevent").fetchone():
        row = ["partners.Program:1", str(time.time()), "demo.finish_seeding"]
        database.execute("insert into plum_auditevent (object_ref, at, action) values (?, ?, ?)", row)
    print(json.dumps({"programs": ["toy"]}))
elif command == "review_progress":
    print("toy: 1 of 1 months", file=sys.stderr)
    time.sleep(60 if (here / "slow").exists() else 0)
    if (here / "dead").exists():
        sys.exit("1 months are not consolidated yet.")
    print(json.dumps({"programs": [{"program": "toy"}]}))
elif command == "welcome":
    print(json.dumps({
        "programs": [{"program": "toy", "months_due": 1, "months_done": 1, "latest": "2026-06"}],
        "waiting": ["toy 2026-06"] if (here / "dead").exists() else [],
        "reviews": [{"program": "toy", "month": "2026-06"}],
        "text": "1  Acme  excellent\\n",
        "users": [{"username": "admin", "role": "program_admin", "program": "toy"}],
        "sign_in_link": "http://127.0.0.1/sign-in/once" if "--sign-in" in rest else None,
    }))
database.commit()
"""
CELERY = """
import os
from celery import Celery
app = Celery("toy", broker=os.environ["REDIS_URL"])
"""
SETTINGS = "SECRET_KEY = 'of a toy'"  # Celery looks at Django's settings
WSGI = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.fixture
def toy(checkout, tmp_path):
    """A checkout with the real front door, an environment that leads to the real one, and toy commands."""
    place = tmp_path / "toy"
    shutil.copytree(checkout / "plum_site" / "local", place / "plum_site" / "local")
    shutil.copy(checkout / "plum_site" / "web_worker.py", place / "plum_site")
    shutil.copy(checkout / "plum", place / "plum")
    for lock in door.LOCKS.values():
        shutil.copy(checkout / lock, place / lock)
    (place / "plum_site" / "settings").mkdir()
    files = {"manage.py": MANAGE, "plum_site/celery.py": CELERY, "plum_site/wsgi.py": WSGI, "plum_site/settings/dev.py": SETTINGS}
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    for package in ("plum_site", "plum_site/settings"):
        (place / package / "__init__.py").touch()
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "lib").symlink_to(checkout / ".venv" / "lib")
    python = place / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {checkout / ".venv/bin/python"} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    Toy(place).stamp()
    yield Toy(place)
    Toy(place).run("down")


class Toy:
    """A toy checkout and what can be done with it."""

    def __init__(self, place: Path) -> None:
        self.place, self.var = place, place / "var"
        ours = ("REDIS_URL", "DATABASE_URL", "PLUM_VAR", "DJANGO_SETTINGS_MODULE", "PLUM_SMTP_HOST")
        self.env = {name: value for name, value in os.environ.items() if name not in ours}

    def stamp(self) -> None:
        """Say that the environment is complete for the lock as it is."""
        runtime = door.digest((self.place / "requirements.lock").read_bytes())
        stamp = {**door.wanted_stamp("runtime"), "at": str(self.place / ".venv"), "runtime": runtime}
        (self.place / ".venv" / "plum-stamp.json").write_text(json.dumps(stamp), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run one command of this checkout to its end."""
        command = [self.place / "plum", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start `up` and come back while it runs."""
        command = [self.place / "plum", "up", "--port", str(free_port()), *arguments]
        out = open(self.place / "out", "w", encoding="utf-8")  # noqa: SIM115
        with out:
            return subprocess.Popen(command, env=self.env, stdout=out, stderr=out, start_new_session=True)

    def wait_for(self, text: str, file: str = "out") -> str:
        """What `up`, or the service with that log, said until it said this."""
        until = time.monotonic() + 60
        while text not in (said := (self.place / file).read_text(encoding="utf-8")):
            assert time.monotonic() < until, said
            time.sleep(0.05)
        return said

    def processes(self) -> set[int]:
        """Every process that serves this checkout."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            facts = process_facts(folder.name)
            if facts and facts.state != "Z" and facts.session in self.sessions():
                found.add(int(folder.name))
        return found

    def ran(self) -> list[str]:
        """The management commands that have run, in order, since the last time."""
        path = self.place / "ran"
        names = path.read_text(encoding="utf-8").split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names

    def sessions(self) -> set[int]:
        """The sessions of all services that were ever remembered here."""
        self.seen = getattr(self, "seen", set())
        self.seen |= {entry.pid for name in ("valkey", "mailbox", "worker", "beat", "web") if (entry := read_pid(self.var, name))}
        return self.seen


@pytest.mark.faults
def test_once_does_everything_and_leaves_nothing(toy):
    run = toy.run("up", "--once", "--json", "--port", "0")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["programs"] == ["toy"]
    assert result["reviews"] == [{"program": "toy", "month": "2026-06"}]
    assert len(result["steps"]) == 10
    assert "Stopped: beat, worker, web, mailbox, valkey." in run.stderr
    assert toy.run("status").returncode == 3
    assert "toy: 1 of 1 months" in Path(result["log"]).read_text(encoding="utf-8")


@pytest.mark.faults
def test_up_serves_refuses_a_second_one_and_goes_down_in_order(toy):
    up = toy.start()
    said = toy.wait_for("Ctrl-C stops everything.")
    assert "1  Acme  excellent" in said
    toy.wait_for(" ready.", "var/log/worker.log")
    toy.wait_for("beat: Starting", "var/log/beat.log")
    assert "http://127.0.0.1/sign-in/once" in said
    assert "sign-in/once" not in "".join(path.read_text(encoding="utf-8") for path in (toy.var / "log").glob("plum-*.log"))
    state = json.loads(toy.run("status", "--json").stdout)
    assert {row["name"] for row in state["processes"]} == {"plum", "valkey", "mailbox", "worker", "beat", "web"}
    second = toy.run("up", "--port", "0")
    assert second.returncode == 1
    assert f"already runs on {toy.var} (pid {up.pid}" in second.stderr
    alive = toy.processes()
    assert len(alive) >= 5
    down = toy.run("down")
    assert down.returncode == 0
    assert "Plum is down." in down.stdout
    assert up.wait(10) == 0
    assert not toy.processes()
    assert "Stopped: beat, worker, web, mailbox, valkey." in (toy.place / "out").read_text(encoding="utf-8")


ALL = ["migrate", "collectstatic", "seed_demo", "review_progress", "welcome"]


@pytest.mark.faults
def test_the_second_start_does_nothing_again_that_holds(toy):
    once = ("up", "--once", "--port", "0")
    assert toy.run(*once).returncode == 0
    assert toy.ran() == ALL
    second = toy.run(*once)
    assert toy.ran() == ["welcome"]
    assert second.stdout.count("unchanged") == 4
    assert toy.run(*once, "--no-demo").returncode == 0
    assert toy.ran() == ["welcome"]

    (toy.place / "plum_site" / "migrations").mkdir()
    (toy.place / "plum_site" / "migrations" / "0002_more.py").touch()
    toy.run(*once)
    assert toy.ran() == ["migrate", "welcome"]
    (toy.place / "plum_site" / "static").mkdir()
    (toy.place / "plum_site" / "static" / "new.css").touch()
    toy.run(*once)
    assert toy.ran() == ["collectstatic", "welcome"]
    lock = toy.place / "requirements.lock"
    lock.write_text(lock.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    toy.stamp()
    toy.run(*once)
    assert toy.ran() == ALL

    (toy.var / "plum.sqlite3").unlink()
    toy.run(*once)
    assert toy.ran() == ["migrate", "seed_demo", "review_progress", "welcome"]


@pytest.mark.faults
def test_a_month_that_cannot_be_reviewed_is_said_and_the_console_stays(toy):
    (toy.place / "dead").touch()
    once = toy.run("up", "--once", "--port", "0")
    assert once.returncode == 1
    assert "1 months are not consolidated yet." in once.stderr
    up = toy.start()
    said = toy.wait_for("Ctrl-C stops everything.")
    assert "1 months are not consolidated yet." in said
    assert toy.run("down").returncode == 0
    assert up.wait(10) == 0


@pytest.mark.faults
def test_a_killed_up_takes_its_services_along(toy):
    up = toy.start()
    toy.wait_for("Ctrl-C stops everything.")
    assert toy.processes()
    up.kill()
    up.wait()
    down = toy.run("down")
    assert "Plum is down." in down.stdout or "Nothing of Plum runs" in down.stdout
    assert not toy.processes()


@pytest.mark.faults
@pytest.mark.parametrize("name", ["valkey", "mailbox", "worker", "web"])
def test_the_death_of_one_service_is_named_and_ends_the_rest(toy, name):
    up = toy.start()
    toy.wait_for("Ctrl-C stops everything.")
    toy.sessions()
    os.kill(read_pid(toy.var, name).pid, signal.SIGKILL)
    assert up.wait(90) == 1
    said = toy.wait_for("the rest is stopped")
    assert f"{name} ended by itself with status -9" in said
    assert not toy.processes()


@pytest.mark.faults
def test_an_interruption_half_way_stops_what_was_started(toy):
    (toy.place / "slow").touch()
    up = toy.start()
    toy.wait_for("toy: 1 of 1 months")
    os.killpg(up.pid, signal.SIGINT)
    assert up.wait(60) == 128 + signal.SIGINT
    assert "running ./plum up again goes on from here" in toy.wait_for("Stopped: ")
    assert not toy.processes()


@pytest.mark.faults
def test_a_failed_step_is_explained_and_ends_the_rest(toy):
    (toy.place / "broken").touch()
    run = toy.run("up", "--once", "--port", "0")
    assert run.returncode == 1
    assert "the disk is full" in run.stderr
    assert "Stopped: mailbox, valkey." in run.stdout


def sleeper(*words: str) -> subprocess.Popen:
    """A process that does nothing, under a command line with these words."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words], start_new_session=True)


def test_a_number_that_now_belongs_to_another_process_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    stranger = sleeper("celery")
    try:
        write_pid(tmp_path, "worker", stranger.pid)
        assert running(tmp_path, "worker").pid == stranger.pid
        path = tmp_path / "run" / "worker.pid"
        pid, _, rest = path.read_text(encoding="utf-8").split(" ", 2)
        path.write_text(f"{pid} 1 {rest}", encoding="utf-8")  # the same number, another start
        assert running(tmp_path, "worker") is None
        assert stop_services(tmp_path, print) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_services_stop_in_order(tmp_path):
    (tmp_path / "run").mkdir()
    words = {"valkey": "valkey-server", "web": "gunicorn", "worker": "celery", "beat": "celery"}
    words["mailbox"] = "plum_site.local.mailbox"
    sleepers = {name: sleeper(word) for name, word in words.items()}
    for name, process in sleepers.items():
        write_pid(tmp_path, name, process.pid)
    stopped = stop_services(tmp_path, print, reap=lambda: [process.poll() for process in sleepers.values()])
    assert stopped == ["beat", "worker", "web", "mailbox", "valkey"]
    assert all(process.wait(5) == -signal.SIGTERM for process in sleepers.values())
    assert not list((tmp_path / "run").iterdir())


def test_a_child_dies_with_its_parent(checkout):
    parent = (
        "import subprocess, sys, time; from plum_site.local.door import door;"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=door.die_with_parent());"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        assert process_facts(child)
        process.kill()
    until = time.monotonic() + 10
    while (facts := process_facts(child)) and facts.state != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)
