"""Load a canonical folder: partners, offers, members and events."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from activity.services.loading import LoadReport, NewProgram, load_folder
from activity.services.statements import check_complete_through, state_complete_through
from partners.selectors import get_program
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, names

PROCESSES, MOST_PROCESSES = 4, 16  # by default, where there are as many cores; and at all: each has a connection


class Command(PlumCommand):
    help = (
        "Load partners.csv, offers.csv, members.csv and one events file (.csv, .jsonl, gzip or Parquet) into a program, "
        "which is made if its code is new. Loading again changes nothing that is there already, so an interrupted load is "
        "resumed by repeating it. Exit status: 0 all taken, 1 some rows rejected or in conflict (see the rejects file), "
        "2 nothing was loaded, 3 a process of the load was killed and 130 Ctrl-C: what was recorded by then stays."
    )
    example = "./plum manage load_program data/acme --program acme --name 'Acme Rewards' --time-zone Europe/Paris --currency EUR"
    interrupted = "Interrupted. What was recorded so far stays: load the folder again to go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="the canonical folder")
        parser.add_argument("--program", required=True, metavar="CODE", help="short name of the program, made if new")
        parser.add_argument("--name", default="", help="name of a new program (default: its code)")
        parser.add_argument("--time-zone", default="", metavar="ZONE", help="IANA zone of a new program's months (default: UTC)")
        parser.add_argument("--currency", default="", help="reporting currency of a new program, ISO 4217 (default: USD)")
        parser.add_argument("--attributes", type=names, metavar="A,B", help="columns of members.csv to keep (default: all)")
        parser.add_argument(
            "--report-by",
            type=names,
            metavar="A,B",
            help="kept attributes that figures are broken down by fast (default: the first two, up to 64 combinations)",
        )
        parser.add_argument(
            "--minimum-group", type=_positive, metavar="N", help="smaller groups are suppressed; 1 switches it off"
        )
        parser.add_argument("--source", default="file", help="the source of events that name none (default: file)")
        parser.add_argument(
            "--complete-through",
            type=_instant,
            metavar="INSTANT",
            help="state that everything of --source from before this instant is in the folder, such as 2026-07-15T00:00:00Z",
        )
        parser.add_argument(
            "--processes",
            type=_processes,
            default=min(os.cpu_count() or 1, PROCESSES),
            metavar="N",
            help=f"record events with so many processes beside each other, 1 to {MOST_PROCESSES} (default: one for each core, at "
            f"most {PROCESSES}; on SQLite always one). What is stored is the same with any number",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, then report; the exit status says whether every row was taken."""
        wanted = NewProgram(
            code=options["program"],
            name=options["name"],
            time_zone=options["time_zone"],
            currency=options["currency"],
            attributes=options["attributes"],
            report_by=options["report_by"],
            minimum_group=options["minimum_group"],
        )
        at, complete_through = now(), options["complete_through"]
        check_complete_through(complete_through=complete_through, at=at)
        with self.progress(None, "Loading") as steps:

            def show(step: str, done: int, total: int) -> None:
                steps.note(step)
                steps.reach(done, total)

            report = load_folder(
                folder=options["folder"],
                new_program=wanted,
                actor="system",
                at=at,
                source=options["source"],
                progress=show,
                processes=options["processes"],
            )
        if complete_through is not None:
            program = get_program(options["program"])
            state_complete_through(
                program=program, code=options["source"], complete_through=complete_through, actor="system", at=at
            )
        self._print(report)
        if report.rejected_rows:
            self.fail(f"{report.rejected_rows} rows were not taken; each with its reason in {report.rejects_file}")

    def _print(self, report: LoadReport) -> None:
        for name in report.ignored:
            self.stderr.write(f"ignored: {name}", self.style.WARNING)
        for warning, count in report.warnings.items():
            self.stderr.write(f"warning: {count} events {WARNINGS.get(warning, warning)}", self.style.WARNING)
        outcomes = {name: getattr(report, name) for name in ("received", "accepted", "duplicate", "conflict", "rejected")}
        speed = round(report.received / report.seconds) if report.seconds else 0
        if self.as_json:
            self.print_json(
                {
                    "program": report.program,
                    "partners": report.partners,
                    "offers": report.offers,
                    "members": report.members,
                    "events": outcomes,
                    "rejects_file": report.rejects_file,
                    "seconds": round(report.seconds, 3),
                    "events_per_second": speed,
                }
            )
            return
        nouns = [("partners", report.partners), ("offers", report.offers), ("members", report.members)]
        self.print_table(["what", "rows"], [*nouns, *((f"events {name}", count) for name, count in outcomes.items())])
        self.say(f"{report.program}: {report.received} events in {report.seconds:.1f} s ({speed} a second).")


WARNINGS = {
    "outside_offer_dates": "happened while their offer was not live; they count all the same",
    "after_withdrawal": "are unlocks of offers that were paused or retired by then; they count all the same",
}


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an instant with its zone; write it like 2026-07-15T00:00:00Z")
    return instant.astimezone(UTC)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _processes(text: str) -> int:
    if _positive(text) > MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!r} is more than the {MOST_PROCESSES} processes that a load may have")
    return int(text)
