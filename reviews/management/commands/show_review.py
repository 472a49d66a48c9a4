from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand, month
from plum_site.lib.errors import NotFound
from reviews.management.commands._tables import print_review
from reviews.selectors import describe_review, find_latest_cycle, get_cycle, summarise_progress


class Command(PlumCommand):
    """Prints a stored review; reads only."""

    help = "Print the review of a month as it is stored: the latest one that was frozen, unless --month names another."
    example = """
    ./plum manage show_review --program acme --month 2026-03
    ./plum manage show_review --program acme --most 25
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument("--month", type=month, help="the month, as YYYY-MM")
        parser.add_argument(
            "--most", type=int, metavar="N", help="in the table at most so many partners: the flagged ones, then the top"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        cycle = get_cycle(program.pk, options["month"]) if options["month"] else find_latest_cycle(program.pk)
        if cycle is None:
            raise NotFound("review in", program.code)
        review = describe_review(cycle, program)
        if self.as_json:
            self.print_json(review)
        else:
            print_review(self, review, summarise_progress(cycle.pk), options["most"])
