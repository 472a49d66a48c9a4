"""What the positions explain at which a partner's offers were shown. docs/rules/diagnosis.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reviews.rules.measures import DECIMALS

FEWEST_OFFER_DAYS = 10  # of a partner, at known positions, in the reviewed month and before
BY_POSITION = ("views", "members_viewed", "members_any", "unlock_rate")  # what the position has a say in
FEWEST_VIEWS = 100  # at a position, by other partners, before its rate says anything


@dataclass(frozen=True)
class ShownAt:
    """What happened at one position of a partner. offer_days: pairs of offer and day with a view."""

    position: int
    offer_days: int
    views: int
    unlocks: int


@dataclass(frozen=True)
class Shift:
    """What a change of positions lets expect: views, and unlocks per view, as shares of what they were."""

    views: float
    unlock_rate: float

    def of(self, metric: str) -> float:
        """The share of a metric's expected level that is left; 1 where positions have no say."""
        if metric in ("views", "members_viewed", "members_any"):
            return self.views
        return self.unlock_rate if metric == "unlock_rate" else 1.0


def find_shifts(now: Mapping[str, Sequence[ShownAt]], before: Mapping[str, Sequence[ShownAt]]) -> dict[str, Shift]:
    """
    For each partner whose offers were shown at other positions than before, what that lets expect.

    A position's yield is what other partners have there: views per offer and day, unlocks per view, in the months before.
    Source: docs/rules/diagnosis.md
    """
    everybody = _totals(before)
    shifts = {}
    for partner in sorted(now.keys() & before.keys()):
        own = _totals({partner: before[partner]})
        others = {
            position: tuple(all_ - mine for all_, mine in zip(total, own.get(position, (0, 0, 0)), strict=True))
            for position, total in everybody.items()
        }
        shift = _shift(now[partner], before[partner], others)
        if shift is not None:
            shifts[partner] = shift
    return shifts


def _totals(shown: Mapping[str, Sequence[ShownAt]]) -> dict[int, tuple[int, int, int]]:
    totals: dict[int, tuple[int, int, int]] = {}
    for rows in shown.values():
        for row in rows:
            days, views, unlocks = totals.get(row.position, (0, 0, 0))
            totals[row.position] = (days + row.offer_days, views + row.views, unlocks + row.unlocks)
    return totals


def _shift(now: Sequence[ShownAt], before: Sequence[ShownAt], others: Mapping[int, tuple[int, ...]]) -> Shift | None:
    known = {position for position, (days, views, _) in others.items() if days and views >= FEWEST_VIEWS}
    mixes = [[row for row in rows if row.position in known] for rows in (now, before)]
    if any(sum(row.offer_days for row in rows) < FEWEST_OFFER_DAYS for rows in mixes):
        return None
    yields, rates = [], []
    for rows in mixes:
        days, views = sum(row.offer_days for row in rows), sum(row.views for row in rows)
        yields.append(sum(row.offer_days * others[row.position][1] / others[row.position][0] for row in rows) / days)
        rates.append(sum(row.views * others[row.position][2] / others[row.position][1] for row in rows) / views if views else 0.0)
    if not yields[1] or not rates[1]:
        return None
    return Shift(round(min(1.0, yields[0] / yields[1]), DECIMALS), round(min(1.0, rates[0] / rates[1]), DECIMALS))
