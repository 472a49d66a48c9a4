"""A canonical folder by `load_program`, as a person starts it, against COPY of the same rows."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection

from partners.models import Program
from plum_site.bench.copying import Copying
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import write_catalog
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median
from plum_site.bench.site import database_url
from plum_site.bench.traffic import MEMBERS_EACH, list_traffic, write_events
from plum_site.bench.usage import KILOBYTE
from plum_site.local.door import door
from plum_site.local.servers import start_postgres

GOALS = {"postgresql": (0.20, 0.10), "sqlite": (0.10, 0.05)}
MEMORY_MB = 500
WHOLE, EVENTS = "whole folder", "events"


@benchmark("load", title="A canonical folder by load_program", events=1_000_000, rounds=3)
def measure_load(lab: Lab) -> list[Result]:
    """
    Each round loads the same folder into a new program: first partners, offers and members, then all of it.

    The second load is what is held against COPY: its events are new, what else is in the folder is looked at and found
    unchanged. The first one, and both together, stand beside it.
    """
    folder = lab.folder / "folder"
    members = max(lab.events // MEMBERS_EACH, 24)
    write_catalog(folder, members)
    empty = (folder / "events.csv").read_bytes()
    full = lab.folder / "events.csv"
    write_events(full, list_traffic(lab.events, members))
    lab.say(f"{lab.events:,} events and {members:,} members written as a folder")
    times: dict[str, list[float]] = {"people": [], EVENTS: [], "COPY": [], "COPY, narrow": []}
    spent: list[float] = []
    peak = 0.0
    with ExitStack() as stack:
        url = reference_server(lab, stack)
        copying: Copying | None = None
        for number in range(lab.rounds):
            code = f"bench{number}"
            (folder / "events.csv").write_bytes(empty)
            times["people"].append(load(folder, code)["seconds"])
            (folder / "events.csv").unlink()
            os.link(full, folder / "events.csv")
            done = load(folder, code)
            lab.programs[code] = lab.events
            times[EVENTS].append(done["seconds"])
            spent.append(done["cpu"])
            peak = max(peak, done["peak"])
            (folder / "events.csv").unlink()
            if copying is None:
                copying = stack.enter_context(closing(Copying(lab.folder, url)))
                copying.prepare(Program.objects.get(code=code).pk, lab.events)
                for table in ("whole", "narrow"):  # once for nothing, as every other way has had its caches filled
                    copying.run(table)
                    copying.empty(table)
            for name, table in (("COPY", "whole"), ("COPY, narrow", "narrow")):
                times[name].append(lab.time(partial(copying.run, table)))
                copying.empty(table)
            said = ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in times.items())
            lab.say(f"{said} (round {number + 1} of {lab.rounds})")
    return results_of(lab, times, spent, peak)


def reference_server(lab: Lab, stack: ExitStack) -> str:
    """The PostgreSQL that COPY writes to: this database, or one beside it where this one is SQLite."""
    if connection.vendor == "postgresql":
        return database_url()
    url, stop = start_postgres(lab.folder, durable=True)
    stack.callback(stop)
    return url


def load(folder: Path, code: str) -> dict[str, Any]:
    """
    One `manage.py load_program` from its start to its end, with what the kernel says of it.

    seconds: by the clock, the start of the interpreter included. cpu: of the loader alone. peak: its memory in MB.
    """
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "load_program", str(folder), "--program", code]
    wishes = ["--time-zone", "UTC", "--currency", "EUR", "--report-by", "business_unit,region", "--minimum-group", "1"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "PLUM_VAR": str(settings.VAR)}
    environment["DJANGO_SETTINGS_MODULE"] = "plum_site.settings.dev"
    began = monotonic()
    child = subprocess.Popen(
        [*command, *wishes, "--format", "json"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=door.die_with_parent(),
    )
    if child.stdout is None or child.stderr is None:
        raise RuntimeError("The loader was started without pipes")
    printed, said = child.stdout.read(), child.stderr.read()
    _pid, status, usage = os.wait4(child.pid, 0)
    seconds = monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    child.stderr.close()
    if child.returncode:
        raise RuntimeError(f"load_program ended with status {child.returncode}: {said[-2000:]}{printed[-1000:]}")
    report = json.loads(printed)
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / KILOBYTE, "report": report}


def results_of(lab: Lab, times: dict[str, list[float]], spent: list[float], peak: float) -> list[Result]:
    """The ratio of this engine and the loader's memory."""
    goal, floor = GOALS[connection.vendor]
    middle = {name: median(seconds) for name, seconds in times.items()}
    both = middle["people"] + middle[EVENTS]
    details = {
        "seconds": {name: [round(each, 3) for each in seconds] for name, seconds in times.items()},
        "events_per_second": round(lab.events / middle[EVENTS]),
        "loader_cpu_us_per_event": round(median(spent) / lab.events * 1_000_000, 2),
        "ratio_with_people": round(middle["COPY"] / both, 4),
        "ratio_to_narrow_copy": round(middle["COPY, narrow"] / middle[EVENTS], 4),
    }
    names = {
        "people": "partners, offers, members",
        EVENTS: "the folder with its events",
        "COPY": "COPY",
        "COPY, narrow": "COPY, narrow",
    }
    rows = [
        [names[name], f"{seconds:,.2f}", f"{lab.events / seconds:,.0f}" if name != "people" else ""]
        for name, seconds in middle.items()
    ]
    lab.tables.append({"columns": ["way", "seconds", "events/s"], "rows": rows})
    return [
        Result("events of a CSV folder, until sealed", middle["COPY"] / middle[EVENTS], "× COPY", goal, floor, details=details),
        Result("memory of the loader, peak", peak, "MB", MEMORY_MB, MEMORY_MB, "lower"),
    ]
