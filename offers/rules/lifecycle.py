"""When an offer is live. Pure."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta

from offers.choices import OfferState, PresentState
from plum_site.lib.periods import local_date

Days = tuple[date | None, date | None]  # [first day, day after the last); None is open
Instants = tuple[datetime | None, datetime | None]  # [start, end); None is open


def present_state(
    state: str, starts_date: date | None, ends_date: date | None, on: date, *, supplied: bool = True
) -> PresentState:
    """
    The lifecycle as people see it on one program day.

    supplied: whether the partner supplies offers in its state; if not, a published offer counts as paused.
    """
    if state != OfferState.PUBLISHED:
        return PresentState(state)
    if ends_date and on > ends_date:
        return PresentState.EXPIRED
    if not supplied:
        return PresentState.PAUSED
    return PresentState.SCHEDULED if starts_date and on < starts_date else PresentState.LIVE


def held_periods(log: Iterable[tuple[datetime, str]], states: AbstractSet[str]) -> list[Instants]:
    """
    When an object was in one of `states`, from its transitions (instant, new state) in time order.

    The first state reaches back for ever: a catalog that is loaded today describes offers that ran before.
    """
    periods: list[Instants] = []
    since: datetime | None = None
    holds = False
    for index, (at, state) in enumerate(log):
        if state in states and not holds:
            since, holds = (at if index else None), True
        elif state not in states and holds:
            periods.append((since, at))
            holds = False
    return [*periods, (since, None)] if holds else periods


def days_of(periods: Iterable[Instants], time_zone: str) -> list[Days]:
    """The program days that periods touch, at any instant, as half-open ranges, those that meet put together."""
    days: list[Days] = []
    for starts_at, ends_at in periods:
        first = local_date(starts_at, time_zone) if starts_at else None
        end = local_date(ends_at - timedelta(microseconds=1), time_zone) + timedelta(days=1) if ends_at else None
        if days and first is not None and days[-1][1] is not None and first <= days[-1][1]:
            days[-1] = (days[-1][0], end)
        else:
            days.append((first, end))
    return days


def is_within(periods: Iterable[Instants], at: datetime) -> bool:
    """Whether an instant lies in any of some half-open ranges."""
    return any((start is None or start <= at) and (end is None or at < end) for start, end in periods)


def common_days(left: Iterable[Days], right: Sequence[Days]) -> tuple[Days, ...]:
    """The days that are in both lists of half-open ranges, in order."""
    ranges = []
    for left_first, left_end in left:
        for right_first, right_end in right:
            first = max((day for day in (left_first, right_first) if day), default=None)
            end = min((day for day in (left_end, right_end) if day), default=None)
            if first is None or end is None or first < end:
                ranges.append((first, end))
    return tuple(ranges)


def leave_out(periods: Iterable[Instants], others: Iterable[tuple[datetime, datetime | None]]) -> list[Instants]:
    """What is left of some half-open ranges of instants, in order, without some others."""
    left = list(periods)
    for since, until in others:
        before = [(start, min(end or since, since)) for start, end in left if start is None or start < since]
        after = [(max(start or until, until), end) for start, end in left if until and (end is None or until < end)]
        left = [*before, *after]
    return left


def is_live(live: Iterable[Days], first: date, last: date) -> bool:
    """Whether ranges of live days hold any day from `first` to `last`, both included."""
    return any((start is None or start <= last) and (end is None or first < end) for start, end in live)
