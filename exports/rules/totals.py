"""What the rows of an export add up to: integers, per currency, never across currencies."""

from collections import defaultdict
from dataclasses import dataclass, field

from plum_site.lib.money import format_minor

# status to the name of its sum: reversed amounts are never taken off silently.
SUMMED = {"confirmed": "", "failed": "failed_", "reversed": "reversed_"}


@dataclass
class Totals:
    """Rows, events of each kind and status, and minor units by sum and currency."""

    rows: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    minor: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def count(self, kind: str, status: str, number: int = 1) -> None:
        """So many more events of a kind and status."""
        self.rows += number
        self.counts[kind][status] += number

    def add(self, name: str, status: str, currency: str, minor: int) -> None:
        """An amount: name is "spend" or "reward_cost"."""
        self.minor[f"{SUMMED[status]}{name}"][currency] += minor

    def plain(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts and sums as plain dicts, in alphabetical order."""
        both = {"counts": self.counts, "minor": self.minor}
        return {
            title: {name: dict(sorted(values.items())) for name, values in sorted(group.items())} for title, group in both.items()
        }

    def sums(self) -> dict[str, dict[str, str]]:
        """The sums as decimal texts, by name and currency."""
        amounts = self.plain()["minor"]
        return {name: {code: format_minor(minor, code) for code, minor in group.items()} for name, group in amounts.items()}
