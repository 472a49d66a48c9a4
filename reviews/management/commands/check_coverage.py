from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand, month
from plum_site.lib.periods import local_date
from reviews.selectors import check_months, list_reviewed_months


class Command(PlumCommand):
    """The coverage certificate."""

    help = (
        "Check that every partner that had a live offer or an event has exactly one outcome: in one month, or in every month "
        "of the program. Exit status 1 if there is a gap; each is named."
    )
    example = """
    ./plum manage check_coverage --program acme --month 2026-03
    ./plum manage check_coverage --program acme
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument(
            "--month", type=month, help="the month, as YYYY-MM; without it every month up to the last complete one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        today = local_date(now(), program.time_zone)
        months = [options["month"]] if options["month"] else list_reviewed_months(program, today)
        found = check_months(program, months)
        gaps = [{"month": gap.month, "partner": gap.partner or None, "problem": gap.problem} for gap in found.gaps]
        if self.as_json:
            covered = {"months": found.months, "partners": found.partners}
            self.print_json({"program": program.code, **covered, "complete": not gaps, "gaps": gaps})
        else:
            if gaps:
                self.print_table(["month", "partner", "problem"], [list(gap.values()) for gap in gaps])
            self.say(f"{program.code}: {found.months} months, {found.partners} partners to review, {len(gaps)} gaps.")
        if gaps:
            self.fail(f"{len(gaps)} gaps: not everybody who had to be reviewed was.")
