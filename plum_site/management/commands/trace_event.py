"""`manage.py trace_event`: where one event came from and what became of it."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand
from plum_site.trace import find_event, list_steps


class Command(PlumCommand):
    help = "Follow one event: identity, ledger row, batch, seal, rollup cells, review and audit. Shows no outside id of a member."
    example = """
        ./plum manage trace_event 8193
        ./plum manage trace_event 0198c2f2-7b5e-7d2a-9a52-3f6f0f2f9a11 --program harbour --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event", help="the event's row number, or the id that its source gave it")
        parser.add_argument("--program", metavar="CODE", help="look in this program alone")

    def handle(self, *, event: str, program: str | None, **options: Any) -> None:
        found = find_event(event, get_program(program) if program else None)
        steps = list(list_steps(found))
        if self.as_json:
            self.print_json({"program": found.program.code, "event": found.pk, "steps": [asdict(step) for step in steps]})
        else:
            self.print_table(["step", "what became of it"], [[step.name, step.sentence] for step in steps])
