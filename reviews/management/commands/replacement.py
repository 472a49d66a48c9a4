"""`manage.py replacement`: what a replacement left, looked at anew."""

from typing import Any

from django.core.management.base import CommandParser

from plum_site.lib.clock import now
from plum_site.lib.commands import PlumCommand
from plum_site.lib.errors import NotFound
from reviews.selectors.replacements import check_replacement, find_replacement


class Command(PlumCommand):
    """Reads only."""

    help = (
        "Check what must hold after the cutover of a replacement: nobody stranded, ranks continuous, the way back intact. "
        "Changes nothing. Exit status 0 if all of it holds, 1 if not."
    )
    example = """
        ./plum manage replacement verify 3
        ./plum manage replacement verify 3 --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["verify"], help="verify: check it")
        parser.add_argument("id", type=int, help="number of the replacement")

    def handle(self, *, id: int, **options: Any) -> None:
        replacement = find_replacement(id)
        if replacement is None:
            raise NotFound("replacement", id)
        checks = check_replacement(replacement, now())
        if self.as_json:
            holds = all(check.holds for check in checks)
            found = {"replacement": id, "program": replacement.program.code, "partner": replacement.partner.external_id}
            self.print_json(found | {"state": replacement.state, "holds": holds, "checks": [one.as_json() for one in checks]})
        else:
            self.print_table(["check", "checked", "holds"], [[one.name, one.counted, one.holds] for one in checks])
        faults = [f"{check.name}: {fault}" for check in checks for fault in check.faults]
        if faults:
            shown = "" if self.as_json else "\n".join(faults) + "\n"
            self.fail(f"{shown}{len(faults)} things do not hold in {replacement}.")
        self.say(f"Everything holds: {len(checks)} checks.")
