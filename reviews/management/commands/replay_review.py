from typing import Any

from django.core.management.base import CommandParser

from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand, month
from reviews.rules import canonical_json
from reviews.selectors import get_cycle
from reviews.services import replay

SHOWN = 50


class Command(PlumCommand):
    """Computes a review again and holds what is stored against it."""

    help = (
        "Compute a review again from its sealed part of the ledger and its frozen rules, and compare. Exit status 1 if a "
        "digest or any stored field differs; each is named."
    )
    example = """
    ./plum manage replay_review --program acme --month 2026-03
    ./plum manage replay_review --program acme --month 2026-03 --canonical | sha256sum
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        parser.add_argument("--month", required=True, type=month, help="the month, as YYYY-MM")
        parser.add_argument(
            "--canonical", action="store_true", help="print only what the digest is the SHA-256 of, byte for byte"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        found = replay(cycle_id=get_cycle(program.pk, options["month"]).pk)
        if options["canonical"]:
            self.stdout.write(canonical_json(found.content), ending="")
        elif self.as_json:
            self.print_json(found.as_json())
        else:
            self.print_table(
                ["digest", "value"],
                [["of the review", found.digest], ["computed again", found.recomputed], ["of what is stored", found.stored]],
            )
            if found.differences:
                rows = [[entry.partner, entry.field, entry.stored, entry.recomputed] for entry in found.differences[:SHOWN]]
                self.print_table(
                    ["partner", "field", "stored", "computed"], rows, title=f"{len(found.differences)} fields differ"
                )
            self.say(f"{found.month} of {found.program}: {'the same' if found.is_equal else 'NOT the same'}.")
            if not found.is_equal and found.code_version != found.code_version_now:
                self.say(f"It was computed by {found.code_version}; this is {found.code_version_now}.")
        if not found.is_equal:
            self.fail("The stored review is not what its ledger and rules give. Nothing was changed.")
