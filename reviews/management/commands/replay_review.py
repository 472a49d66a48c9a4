from typing import Any

from django.core.management.base import CommandParser

from partners.models import Program
from partners.selectors import get_program
from plum_site.lib.commands import PlumCommand, month
from plum_site.lib.errors import InvalidInput
from reviews.rules import canonical_json
from reviews.selectors import get_cycle, list_closed_revisions
from reviews.services import Replay, replay

SHOWN = 50


class Command(PlumCommand):
    """Computes a review again and holds what is stored against it."""

    help = (
        "Compute a review again from its sealed part of the ledger and its frozen rules, and compare. Exit status 1 if a "
        "digest or any stored field differs; each is named. With --all every closed review of the program, revision by revision."
    )
    example = """
    ./plum manage replay_review --program acme --month 2026-03
    ./plum manage replay_review --program acme --all --format json
    ./plum manage replay_review --program acme --month 2026-03 --canonical | sha256sum
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--program", required=True, help="code of the program")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--month", type=month, help="the month, as YYYY-MM: its newest revision")
        which.add_argument("--all", action="store_true", help="every closed review, the revisions that were restated included")
        parser.add_argument(
            "--canonical", action="store_true", help="print only what the digest is the SHA-256 of, byte for byte"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        program = get_program(options["program"])
        if options["all"]:
            if options["canonical"]:
                raise InvalidInput("one_month", "--canonical prints one review: name it with --month. Nothing was computed.")
            self.replay_all(program)
            return
        found = replay(cycle_id=get_cycle(program.pk, options["month"]).pk)
        if options["canonical"]:
            self.stdout.write(canonical_json(found.content), ending="")
        elif self.as_json:
            self.print_json(found.as_json())
        else:
            self.print_one(found)
        if not found.is_equal:
            self.fail("The stored review is not what its ledger and rules give. Nothing was changed.")

    def replay_all(self, program: Program) -> None:
        """Every closed review, one after another; each is told, and the ones that differ are named."""
        cycles = list_closed_revisions(program.pk)
        told = []
        with self.progress(len(cycles), "Replaying") as steps:
            for number, cycle in enumerate(cycles):
                steps.note(f"{cycle.month_start_date:%Y-%m}")
                found = replay(cycle_id=cycle.pk)
                told.append(found.as_line())
                steps.reach(number + 1, len(cycles))
        equal = sum(line["equal"] for line in told)
        if self.as_json:
            report = {"program": program.code, "cycles": len(told), "equal": equal, "all_equal": equal == len(told)}
            self.print_json({**report, "reviews": told})
        else:
            rows = [[line["month"], line["revision"], line["digest"], "yes" if line["equal"] else "NO"] for line in told]
            self.print_table(["month", "revision", "digest", "computed again: equal"], rows)
            self.say(f"{program.code}: {equal} of {len(told)} closed reviews are the same, computed again.")
        if equal < len(told):
            named = ", ".join(f"{line['month']} (revision {line['revision']})" for line in told if not line["equal"])
            self.fail(f"Not what their ledger and rules give: {named}. Nothing was changed; see each with --month.")

    def print_one(self, found: Replay) -> None:
        """The digests side by side, and the fields that differ."""
        self.print_table(
            ["digest", "value"],
            [["of the review", found.digest], ["computed again", found.recomputed], ["of what is stored", found.stored]],
        )
        if found.differences:
            rows = [[entry.partner, entry.field, entry.stored, entry.recomputed] for entry in found.differences[:SHOWN]]
            self.print_table(["partner", "field", "stored", "computed"], rows, title=f"{len(found.differences)} fields differ")
        self.say(f"{found.month} of {found.program}: {'the same' if found.is_equal else 'NOT the same'}.")
        if not found.is_equal and found.code_version != found.code_version_now:
            self.say(f"It was computed by {found.code_version}; this is {found.code_version_now}.")
