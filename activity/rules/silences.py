"""
On which program days a source was silent that should have sent something. docs/rules/data-gaps.md.

A function of how many events of the source there are on each day, and of what is said about it; never of the order in
which they came.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from activity.choices import Rhythm

WEEKS_LEARNT = 8  # how far back a source shows what is usual
FEWEST_SAMPLES = 4  # the same weekday so often, before anything is expected on it
FEWEST_EVENTS = 56  # on such a day; e^(-56 / 4) is less than one in a million: see the document
ENDED_DAYS = 62  # a silence so long is no gap any more: the source has ended
ALWAYS_SILENT = 2  # so many of the same weekday without any event, and nothing is expected on it of a declared source
DECLARED = {Rhythm.HOURLY: (1, 0), Rhythm.DAILY: (1, 0), Rhythm.WEEKLY: (7, 2), Rhythm.MONTHLY: (31, 7)}  # every, grace: days
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Silence:
    """Program days `[first_date, end_date)` of which events are missing; end_date is None while it lasts."""

    first_date: date
    end_date: date | None


def find_silences(counts: Mapping[date, int], rhythm: str, until: date, complete_until: date | None = None) -> list[Silence]:
    """
    The silences of one source, oldest first.

    counts: events by program day, for all time. until: the first day that is not known yet (today, or yesterday while its
    events may still come). complete_until: before this day nothing is missing, as the sender itself says.
    Source: docs/rules/data-gaps.md
    """
    active = sorted(day for day, count in counts.items() if count > 0)
    found: list[Silence] = []
    if not active:
        return found
    began, missing = active[0], set[date]()
    following = [*active[1:], None]
    for before, after in zip(active, following, strict=True):
        first, end = before + ONE_DAY, after or max(until, before + ONE_DAY)
        length = (end - first).days
        if length <= 0:
            continue
        if rhythm not in DECLARED and length > ENDED_DAYS:
            began = after or began  # it ended, and began anew
            continue
        silent = _silent_days(counts, rhythm, began, first, end, missing, complete_until)
        if silent:
            lasts = after is None and (complete_until is None or complete_until < until)
            found.append(Silence(silent[0], None if lasts else silent[-1] + ONE_DAY))
            missing.update(silent)
    return found


def _silent_days(
    counts: Mapping[date, int],
    rhythm: str,
    began: date,
    first: date,
    end: date,
    missing: Collection[date],
    complete_until: date | None,
) -> list[date]:
    """Of the days `[first, end)`, which have no event: those on which something was expected."""
    every, grace = DECLARED.get(Rhythm(rhythm), (1, 0))
    start = max(first, complete_until) if complete_until else first
    if every > 1:
        due = start - ONE_DAY + timedelta(days=every)
        return _days(due, end) if (end - start).days >= every + grace else []
    # What was missing teaches nothing; but a declared source whose weekday never has an event never had one to miss.
    taught = () if rhythm in DECLARED else missing
    known = [day for day in _days(max(began, first - timedelta(weeks=WEEKS_LEARNT)), first) if day not in taught]
    usual = {weekday: sorted(counts.get(day, 0) for day in known if day.weekday() == weekday) for weekday in range(7)}
    is_expected = is_never_left_out if rhythm in DECLARED else is_surely_sent
    expected = {weekday for weekday, samples in usual.items() if is_expected(samples)}
    return [day for day in _days(start, end) if day.weekday() in expected]


def is_surely_sent(samples: list[int]) -> bool:
    """
    Whether a day without any event is next to impossible after these counts of the same weekday, smallest first.

    Source: docs/rules/data-gaps.md
    """
    return len(samples) >= FEWEST_SAMPLES and samples[0] > 0 and samples[len(samples) // 4] >= FEWEST_EVENTS


def is_never_left_out(samples: list[int]) -> bool:
    """
    Whether a source that is said to send every day also does so on this weekday, by counts of it, smallest first.

    Source: docs/rules/data-gaps.md
    """
    return len(samples) < ALWAYS_SILENT or samples[-1] > 0


def _days(first: date, end: date) -> list[date]:
    """The days `[first, end)`."""
    return [first + timedelta(days=number) for number in range((end - first).days)]
