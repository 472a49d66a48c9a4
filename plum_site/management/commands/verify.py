"""`manage.py verify`: does everything that must hold, hold?"""

from typing import Any

from django.core.management.base import CommandParser

from plum_site.lib import verify
from plum_site.lib.commands import COULD_NOT, PlumCommand
from plum_site.verify import load_checks

ALL = "all"


class Command(PlumCommand):
    help = (
        "Check what must hold at every moment: the ledger against its seals, rollups against the ledger, stored reviews "
        "against their digests, and so on. Changes nothing. Exit status 0 if all of it holds, 1 if not, 2 for an unknown area."
    )
    example = """
        ./plum manage verify
        ./plum manage verify ledger --format json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("area", nargs="?", default=ALL, help="what to check, such as ledger; all of it by default")

    def handle(self, *, area: str, **options: Any) -> None:
        areas = load_checks()
        if area not in (*areas, ALL):
            self.fail(
                f"There is no area {area!r} to verify. Nothing was checked. Choose one of: {', '.join([*areas, ALL])}.", COULD_NOT
            )
        wanted = areas if area == ALL else [area]
        rows: list[list[Any]] = []
        faults: list[str] = []
        with self.progress(len(wanted), "Verifying") as steps:
            for name in wanted:
                steps.note(name)
                for finding in verify.run(name):
                    faults += [f"{finding.check}: {text}" for text in finding.violations]
                    rows.append([finding.check, finding.checked, len(finding.violations)])
                    if self.as_json:
                        line = {"area": name, "check": finding.check, "checked": finding.checked}
                        self.print_json(line | {"ok": not finding.violations, "violations": finding.violations})
                steps.advance()
        if not self.as_json:
            self.print_table(["check", "checked", "violations"], rows)
        if faults:
            shown = "" if self.as_json else "\n".join(faults) + "\n"
            self.fail(f"{shown}{len(faults)} violations in {len(rows)} checks.")
        self.say(f"Everything holds: {len(rows)} checks.")
