"""`manage.py review_progress`: how far the reviews are that worker and beat make."""

import time
from typing import Any

from django.core.management.base import CommandParser

from plum_site.health import find_health
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand
from plum_site.progress import ProgramProgress, count_unsent, list_given_up, list_notes, list_progress

EVERY_SECONDS = 0.5
MAIL_SECONDS = 60  # for the reports of the months to leave, or to be tried once
PATIENCE_SECONDS = 30  # a worker that has just been started needs some before it shows life


class Command(PlumCommand):
    help = (
        "Show how many months of every program are due and how many have been consolidated; with --wait, until all are "
        "and the mails about them have left. "
        "Exit status 0 if all are, 1 if some are not."
    )
    example = """
        ./plum manage review_progress
        ./plum manage review_progress --wait --timeout 600 --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="until every due month is consolidated")
        parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="wait at most so long (default 1800 s)")

    def handle(self, *, wait: bool, timeout: float, **options: Any) -> None:
        programs = list_progress(now())
        if wait:
            programs = self._wait(programs, timeout)
        missing = sum(len(row.waiting) for row in programs)
        if self.as_json:
            rows = [
                {"program": row.program, "months_due": row.months_due, "months_done": row.months_done, "latest": row.latest}
                for row in programs
            ]
            self.print_json({"programs": rows})
        else:
            table = [[row.program, row.months_due, row.months_done, row.latest] for row in programs]
            self.print_table(["program", "months due", "months done", "latest complete month"], table)
        if missing:
            self.fail(f"{missing} months are not consolidated yet.{self._reasons(programs)}")

    def _wait(self, programs: list[ProgramProgress], timeout: float) -> list[ProgramProgress]:
        began, warned = time.monotonic(), False
        with self.progress(sum(row.months_due for row in programs), "Reviewing months") as steps:
            while any(row.waiting for row in programs) and not list_given_up(programs):
                passed = time.monotonic() - began
                if passed > timeout:
                    break
                if passed > PATIENCE_SECONDS and not warned and (idle := self._idle_parts()):
                    warned = True
                    self.stderr.write(f"{idle}: nothing will happen until they run (./plum up). Waiting on.")
                time.sleep(EVERY_SECONDS)
                programs = list_progress(now())
                steps.reach(sum(row.months_done for row in programs), sum(row.months_due for row in programs))
                steps.note("; ".join(list_notes()))
            until = time.monotonic() + min(MAIL_SECONDS, timeout)
            while count_unsent(now()) and time.monotonic() < until and not any(row.waiting for row in programs):
                steps.note("sending mail")
                time.sleep(EVERY_SECONDS)
        return programs

    def _idle_parts(self) -> str:
        """The parts that show no life, as the start of a sentence; empty where all do."""
        idle = [name for name in ("worker", "beat") if not find_health().figures.get(name)]
        return f"No {' and no '.join(idle)} shows life" if idle else ""

    def _reasons(self, programs: list[ProgramProgress]) -> str:
        lines = list_given_up(programs)
        if idle := self._idle_parts():
            lines.append(f"{idle}. Start everything: ./plum up")
        if list_given_up(programs):
            lines.append("After the cause is mended: ./plum manage retry_jobs")
        return "".join(f"\n  {line}" for line in lines)
