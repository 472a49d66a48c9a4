"""Print everything that one member did."""

from typing import Any

from django.core.management.base import CommandParser

from activity.services.timelines import open_timeline
from partners.selectors import get_program
from plum_site.lib.audit import SYSTEM
from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand

COLUMNS = (
    "occurred_at",
    "kind",
    "status",
    "partner",
    "offer",
    "spend_amount",
    "spend_currency",
    "reason_code",
    "event_id",
    "source",
)


class Command(PlumCommand):
    help = (
        "Print every event of one member in time order, by the id that the organisation's own systems use. Each reading is "
        "noted in the audit log, with its reason. The table shows the main fields, --format json every field."
    )
    example = "./plum manage member_timeline --program acme --member E1001 --reason 'asked for by the member'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, metavar="CODE", help="the program")
        parser.add_argument("--member", required=True, metavar="ID", help="the member's outside id")
        parser.add_argument(
            "--reason", default="command line", help="why it is read; kept in the audit log (default: command line)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Log the reading, then show what was read."""
        events = open_timeline(
            program=get_program(options["program"]),
            external_id=options["member"],
            reason=options["reason"],
            actor=SYSTEM,
            at=now(),
        )
        if self.as_json:
            self.print_json({"member": options["member"], "events": events})
            return
        self.print_table(COLUMNS, [[event[name] for name in COLUMNS] for event in events])
        self.say(f"{len(events)} events")
