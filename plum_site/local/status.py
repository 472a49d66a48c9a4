"""`./plum status` and `./plum down`: what runs for this state folder, and its end."""

import argparse
import json
import os
import signal
import sys
import time

from plum_site.local.door import door
from plum_site.local.processes import PATIENCE, SERVICES, running, stop_services


def say(line: str) -> None:
    """One line for the person at the terminal, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def down(options: argparse.Namespace) -> None:
    """Stop what runs for this state folder, whether its `up` lives or was killed."""
    var = door.state_folder()
    entry = running(var, "plum")
    if entry:
        say(f"Stopping Plum (pid {entry.pid}): beat, worker, web, mailbox, Valkey ...")
        os.kill(entry.pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE["plum"]
        while running(var, "plum") and time.monotonic() < until:
            time.sleep(0.1)
        if running(var, "plum"):
            say(f"It did not end within {PATIENCE['plum']} seconds and is killed.")
            os.kill(entry.pid, signal.SIGKILL)
    stopped = stop_services(var, say)
    (var / "run" / "plum.pid").unlink(missing_ok=True)
    if stopped:
        say(f"Stopped what a killed run had left: {', '.join(stopped)}.")
    say("Plum is down." if entry or stopped else f"Nothing of Plum runs for {var}.")


def status(options: argparse.Namespace) -> int:
    """Print what runs; 0 if Plum is up, else 3."""
    var = door.state_folder()
    rows = []
    for name in ("plum", *reversed(SERVICES)):
        entry = running(var, name)
        if entry:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.since))
            rows.append({"name": name, "pid": entry.pid, "since": since, "url": entry.url or None})
    up = next((row for row in rows if row["name"] == "plum"), None)
    if options.json:
        found = {"running": bool(up), "state_folder": str(var), "url": up and up["url"], "processes": rows}
        say(json.dumps(found))
        return 0 if up else 3
    say(f"State folder: {var}")
    if rows:
        head = ("name", "pid", "since", "url")
        say("\n".join(door.table([head, *(tuple(row[key] or "" for key in head) for row in rows)])))
    if up:
        say("Plum is up.")
    else:
        say("The ./plum up of these is gone: ./plum down stops them." if rows else "Plum is not running: ./plum up starts it.")
    return 0 if up else 3
