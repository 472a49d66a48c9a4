from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand, month
from reviews.selectors import get_cycle
from reviews.services import diff_review

SHOWN = 50


class Command(PlumCommand):
    """Shows what arrived after a review and what it moved."""

    help = "Compare a review as known when it was frozen with the same month as known now: late events and what they moved."
    example = "./plum manage diff_review --program acme --month 2026-03 --format json"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument("--month", required=True, type=month, help="the month, as YYYY-MM")

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        found = diff_review(cycle_id=get_cycle(program.pk, options["month"]).pk)
        if self.as_json:
            self.print_json(found.as_json())
            return
        events = [
            [event.occurred_at.isoformat(), event.partner, event.offer, event.kind, event.status, event.event_id]
            for event in found.late_events[:SHOWN]
        ]
        if events:
            self.print_table(["occurred at", "partner", "offer", "kind", "status", "event"], events, title="Late events")
        if found.moved:
            moved = [[entry.partner, entry.figure, entry.then, entry.now] for entry in found.moved[:SHOWN]]
            self.print_table(["partner", "figure", "as known then", "as known now"], moved, title="Moved")
        self.say(
            f"{found.month} of {found.program}: {found.late_count} late events since batch {found.cutoff} "
            f"(now {found.as_of}), {len(found.moved)} figures moved."
        )
