"""`manage.py bench NAME`: how fast something is, as a ratio to a limit of this machine."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection

from activity.models import Event
from partners.models import Program
from plum_site.bench.lab import Lab, describe_machine
from plum_site.bench.launch import run_apart
from plum_site.bench.registry import Benchmark, load_benchmarks
from plum_site.bench.results import MISSED
from plum_site.lib import verify
from plum_site.lib.commands import COULD_NOT, PlumCommand
from plum_site.verify import load_checks

SIGNS = {"higher": "≥", "lower": "≤"}


class Command(PlumCommand):
    help = (
        "Measure one thing as a ratio to a limit of this machine, both in the same run and in turns, on a durable PostgreSQL "
        "that is started for it and removed afterwards (./plum setup --dev brings it). Then check that what was stored is what "
        "was sent, and verify everything. Exit status 0 if every floor is reached and everything holds, 1 if not."
    )
    example = """
        ./plum manage bench export
        ./plum manage bench export --events 100000 --rounds 3 --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        known = "; ".join(f"{row.name}: {row.title}" for row in load_benchmarks().values())
        parser.add_argument("name", help=f"what to measure ({known})")
        parser.add_argument("--events", type=int, help="size of the ledger (default: the benchmark's own)")
        parser.add_argument("--rounds", type=int, help="how often everything is measured; medians count (default: 5, load 3)")
        parser.add_argument("--sqlite", action="store_true", help="on a new SQLite file instead of PostgreSQL")
        parser.add_argument(
            "--here", action="store_true", help="on the configured database instead of one of its own; it must hold no program"
        )

    def handle(self, *, name: str, events: int | None, rounds: int | None, sqlite: bool, here: bool, **options: Any) -> None:
        known = load_benchmarks()
        if name not in known:
            self.fail(f"There is no benchmark {name!r}. Nothing was measured. Choose one of: {', '.join(known)}.", COULD_NOT)
        row = known[name]
        size = row.events if events is None else events
        rounds = row.rounds if rounds is None else rounds
        if size < 1 or rounds < 1:
            self.fail("Events and rounds are numbers from 1. Nothing was measured.", COULD_NOT)
        if here:
            report = self.measure(row, size, rounds)
        else:
            report = run_apart(name=name, events=size, rounds=rounds, engine="sqlite" if sqlite else "postgresql")
        if self.as_json:
            self.print_json(report)
        else:
            self.show(report)
        faults = [result["what"] for result in report["results"] if result["verdict"] == MISSED]
        faults += [check["check"] for check in report["checks"] if not check["ok"]]
        if faults and self.as_json:
            sys.exit(1)  # the JSON says which
        if faults:
            self.fail(f"Not reached: {'; '.join(faults)}.")

    def measure(self, row: Benchmark, events: int, rounds: int) -> dict[str, Any]:
        """Run it on the configured database, then check everything."""
        if Program.objects.exists():
            self.fail("The configured database holds programs. Nothing was measured. Leave --here out, or empty it.", COULD_NOT)
        machine = describe_machine()
        with tempfile.TemporaryDirectory(prefix="plum-bench-") as folder:
            lab = Lab(events=events, rounds=rounds, folder=Path(folder), say=self.stderr.write)
            results = row.run(lab)
        return {
            "bench": row.name,
            "title": row.title,
            "engine": connection.vendor,
            "events": events,
            "rounds": rounds,
            "machine": machine,
            **{key: value for key, value in results[0].as_json().items() if key in ("ratio", "goal", "floor")},
            "results": [result.as_json() for result in results],
            "tables": lab.tables,
            "notes": lab.notes,
            "checks": self.verify(lab),
        }

    def verify(self, lab: Lab) -> list[dict[str, Any]]:
        """As many events are stored as were sent, and everything that must hold, holds."""
        checks: list[dict[str, Any]] = []
        for code, sent in lab.programs.items():
            stored = Event.objects.filter(program__code=code).count()
            checks.append({"check": f"{code}: rows stored = rows sent", "ok": stored == sent, "detail": f"{stored} of {sent}"})
        for area in lab.areas or load_checks():
            for finding in verify.run(area):
                detail = "; ".join(finding.violations[:3]) or f"{finding.checked} checked"
                checks.append({"check": finding.check, "ok": not finding.violations, "detail": detail})
        return checks

    def show(self, report: dict[str, Any]) -> None:
        """The report as two tables."""
        self.say(f"{report['title']}: {report['events']:,} events, {report['engine']}, median of {report['rounds']} rounds.\n")
        rows = [
            [
                result["what"],
                f"{result['ratio']:.3g} {result['unit']}",
                f"{SIGNS[result['better']]} {result['goal']:g}",
                f"{SIGNS[result['better']]} {result['floor']:g}",
                result["verdict"],
            ]
            for result in report["results"]
        ]
        self.print_table(["measured", "ratio", "goal", "floor", "reached"], rows)
        for table in report["tables"]:
            self.say("")
            self.print_table(table["columns"], table["rows"])
        broken = [check for check in report["checks"] if not check["ok"]]
        self.say(f"Checked afterwards: {len(report['checks'])} checks, {len(broken)} broken.")
        for check in broken:
            self.say(f"  {check['check']}: {check['detail']}")
