"""What becomes of a flag when a month was consolidated: which stretch of time it belongs to, and when one ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from plum_site.lib.periods import next_month
from reviews.choices import FlagState, Resolution

ACTIVE = frozenset({FlagState.OPEN, FlagState.ACKNOWLEDGED})


class Step(StrEnum):
    """What a flag in a month's review does to the stretches that are known."""

    OPEN = "open"  # a new one, which is told
    OPEN_ENDED = "open_ended"  # a new one that a later month has ended already: history, told to nobody
    CONTINUE = "continue"  # it belongs to a known one
    EXTEND = "extend"  # a known one began earlier than was known
    REOPEN = "reopen"  # the month that had ended it shows it again


@dataclass(frozen=True)
class Stretch:
    """One stretch of time over which a rule flags one target: first days of months. ended_month: empty while it is active."""

    state: str
    resolution: str
    first_month: date
    newest_month: date
    ended_month: date | None = None


@dataclass(frozen=True)
class Later:
    """A later month that was over when it was consolidated, and whether its review still shows the rule crossed."""

    month: date
    stands: bool


@dataclass(frozen=True)
class Placement:
    """Which step; index: of the stretch that it is about; ended_month: which month ended it already."""

    step: Step
    index: int | None = None
    ended_month: date | None = None


def place_flag(month: date, known: Sequence[Stretch], later: Sequence[Later] = ()) -> Placement:
    """
    Where a flag of one month belongs.

    known: all stretches of the same rule, partner and target, in any order. later: the later months that count, oldest
    first; the running month is none of them, because only a month that is over says that something has passed.
    Source: docs/rules/flag-lifecycle.md
    """
    active = next((index for index, one in enumerate(known) if one.state in ACTIVE), None)
    if active is not None and known[active].first_month <= month:
        return Placement(Step.CONTINUE, active)
    clear = next((one.month for one in later if not one.stands), None)
    before = [index for index, one in enumerate(known) if one.first_month <= month]
    if before:
        newest = max(before, key=lambda index: (known[index].first_month, index))
        one = known[newest]
        if _covers(one, month):
            is_back = one.resolution == Resolution.DATA and one.ended_month == month
            return Placement(Step.REOPEN if is_back and clear is None and active is None else Step.CONTINUE, newest)
    after = [index for index, one in enumerate(known) if one.first_month > month]
    if after:
        next_one = min(after, key=lambda index: (known[index].first_month, index))
        if clear is None or clear >= known[next_one].first_month:
            return Placement(Step.EXTEND, next_one)
    return Placement(Step.OPEN) if clear is None else Placement(Step.OPEN_ENDED, ended_month=clear)


def ends_with(month: date, one: Stretch) -> bool:
    """
    Whether a month that is over, and does not show the rule crossed any more, ends a stretch.

    Source: docs/rules/flag-lifecycle.md
    """
    return one.state in ACTIVE and one.newest_month <= month


def _covers(one: Stretch, month: date) -> bool:
    """Whether an ended stretch, begun by then, still speaks for a month: what was dismissed stays so while it goes on."""
    if one.state == FlagState.DISMISSED:
        return month <= next_month(one.newest_month)
    return one.ended_month is not None and month <= one.ended_month
