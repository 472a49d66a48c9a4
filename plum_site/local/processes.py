"""The processes of one state folder, each remembered in run/NAME.pid, so that any later command can find and stop them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# Stopped in this order: nothing new is planned, what runs is finished, then the doors close, then what all of them use goes.
SERVICES = {
    "beat": "celery",
    "worker": "celery",
    "web": "gunicorn",
    "mailbox": "plum_site.local.mailbox",
    "valkey": "valkey-server",
}
PATIENCE = {"plum": 90, "beat": 10, "worker": 30, "web": 15, "mailbox": 5, "valkey": 10}
SILENT_SECONDS = 3  # then it is said what is being waited for


class Facts(NamedTuple):
    """What the kernel says of a process; `started` tells it from a later one with the same number."""

    started: str
    parent: int
    session: int
    state: str
    line: str


class Entry(NamedTuple):
    """What run/NAME.pid says; `since` in seconds since 1970."""

    pid: int
    started: str
    since: int
    url: str


def process_facts(pid: int | str) -> Facts | None:
    """The facts of a process, or None where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return None
    return Facts(fields[19], int(fields[1]), int(fields[3]), fields[0], line)


def write_pid(var: Path, name: str, pid: int, url: str = "") -> None:
    """Remember a process of this state folder."""
    facts = process_facts(pid)
    line = f"{pid} {facts.started if facts else 0} {int(time.time())} {url}\n"
    (var / "run" / f"{name}.pid").write_text(line, encoding="utf-8")


def read_pid(var: Path, name: str) -> Entry | None:
    """What was remembered, whether it lives or not."""
    try:
        pid, started, since, url = (var / "run" / f"{name}.pid").read_text(encoding="utf-8").rstrip("\n").split(" ", 3)
        return Entry(int(pid), started, int(since), url)
    except (OSError, ValueError):
        return None


def running(var: Path, name: str) -> Entry | None:
    """The entry if that very process still lives, else None."""
    entry = read_pid(var, name)
    facts = process_facts(entry.pid) if entry else None
    if not entry or not facts or facts.started != entry.started or facts.state == "Z":
        return None
    # A program that has just been started has no command line yet.
    return entry if not facts.line or SERVICES.get(name, "plum") in facts.line else None


def end_session(leader: int) -> None:
    """Kill what is left of the session that this process led, for example the pool of a worker that was killed."""
    for folder in Path("/proc").glob("[0-9]*"):
        facts = process_facts(folder.name)
        if facts and facts.session == leader and facts.state != "Z":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(folder.name), signal.SIGKILL)


def stop_services(
    var: Path,
    say: Callable[[str], None],
    hurry: Callable[[], bool] = lambda: False,
    reap: Callable[[], object] = lambda: None,
) -> list[str]:
    """Stop what runs for this state folder, in order, each given its time; the names of what was stopped."""
    stopped = []
    for name in SERVICES:
        entry = read_pid(var, name)
        if entry is None:
            continue
        if running(var, name):
            stopped.append(name)
            os.kill(entry.pid, signal.SIGTERM)
            began, told = time.monotonic(), False
            while running(var, name) and time.monotonic() < began + PATIENCE[name] and not hurry():
                if not told and time.monotonic() > began + SILENT_SECONDS:
                    told = True
                    cost = "; a job that is cut off is done again later" if name == "worker" else ""
                    say(f"waiting up to {PATIENCE[name]} s for {name} to finish what it is doing{cost}")
                reap()
                time.sleep(0.05)
            if running(var, name):
                say(f"{name} (pid {entry.pid}) did not end in time and is killed")
        facts = process_facts(entry.pid)
        if not facts or facts.started == entry.started:  # else the number belongs to another process by now
            end_session(entry.pid)
        (var / "run" / f"{name}.pid").unlink(missing_ok=True)
        reap()
    return stopped
