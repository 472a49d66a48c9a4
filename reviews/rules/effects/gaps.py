"""Days of a comparison on which a source was silent: which weeks are left out, and whether enough is left."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reviews.rules.effects.design import EVENTS_PER_MEMBER, MEMBER_SHARES
from reviews.rules.effects.matched import FEWEST_PERIODS
from reviews.rules.gaps import say_silence
from reviews.rules.measures import RATES

Span = tuple[date, date]  # program days, the second one exclusive
WEEK = timedelta(days=7)
ONE_DAY = timedelta(days=1)
COUNT_OF_STAGE = {stage: count for count, stage in EVENTS_PER_MEMBER.items()}


@dataclass(frozen=True)
class Silence:
    """Program days `[first_date, end_date)` (None: it lasts) on which a source that feeds these offers and counts was silent."""

    source: str
    first_date: date
    end_date: date | None
    offers: frozenset[str]
    counts: frozenset[str]

    @property
    def sentence(self) -> str:
        """A clause without its full stop."""
        return f"the source {say_silence(self.source, self.first_date, self.end_date - ONE_DAY if self.end_date else None)}"


@dataclass(frozen=True)
class Kept:
    """
    What is left of the periods of a comparison.

    baseline: of each of its periods that still counts, the days that do, the oldest first. window: the same of the window.
    left_out: the days that do not. silences: why. fault: why too little is left to compare; "" where enough is.
    """

    baseline: tuple[tuple[Span, ...], ...]
    window: tuple[Span, ...]
    silences: tuple[Silence, ...] = ()
    left_out: tuple[Span, ...] = ()
    fault: str = ""


def counts_behind(metric: str) -> frozenset[str]:
    """The counts of the metric layer that a metric of a design is made of."""
    if metric in MEMBER_SHARES:
        return frozenset({COUNT_OF_STAGE[MEMBER_SHARES[metric]]})
    rate = RATES.get(metric)
    return frozenset({rate.numerator, rate.denominator} if rate else {metric})


def silences_about(silences: Iterable[Silence], metric: str, offers: Collection[str]) -> list[Silence]:
    """Those that a metric of some offers lacks something for."""
    counts = counts_behind(metric)
    return [one for one in silences if one.counts & counts and not one.offers.isdisjoint(offers)]


def keep_days(starts_date: date, window_days: int, periods: int, silences: Sequence[Silence]) -> Kept:
    """
    What is left of a window that begins on `starts_date`, and of so many periods of its length before it, without the weeks
    that a silence touches.

    Weeks are left out whole, so that what is left has its weekdays as often as before, and of everything that is compared. A
    period of which less than half is left does not count.
    Source: docs/rules/effects.md
    """
    length = timedelta(days=window_days)
    all_weeks = [_weeks(starts_date + number * length, length) for number in range(-periods, 1)]
    kept = [tuple(week for week in weeks if not any(_touches(one, week) for one in silences)) for weeks in all_weeks]
    gone = tuple(week for weeks, left in zip(all_weeks, kept, strict=True) for week in weeks if week not in left)
    touching = tuple(one for one in silences if any(_touches(one, week) for week in gone))
    baseline = tuple(left for left in kept[:-1] if _is_enough(left, window_days))
    fault = ""
    if not _is_enough(kept[-1], window_days):
        fault = f"{_say_all(touching)}: less than half of the window is left."
    elif periods and len(baseline) < FEWEST_PERIODS:
        fault = (
            f"{_say_all(touching)}: {len(baseline)} periods of the baseline are left, and {FEWEST_PERIODS} are the fewest that "
            "show what is usual."
        )
    return Kept(tuple(_join(left) for left in baseline), _join(kept[-1]), touching, gone, fault)


def say_left_out(kept: Kept) -> str:
    """What was left out and why, as a sentence with a space before it; "" where nothing was."""
    if not kept.left_out:
        return ""
    weeks = len(kept.left_out)
    return f" Left out of everything compared: {weeks} {'week' if weeks == 1 else 'weeks'}, because {_say_all(kept.silences)}."


def days_of(spans: Iterable[Span]) -> int:
    """How many days some spans have."""
    return sum((end - first).days for first, end in spans)


def _weeks(first: date, length: timedelta) -> list[Span]:
    """A period in weeks from its first day on; the last may be shorter."""
    end = first + length
    return [(day, min(day + WEEK, end)) for day in (first + WEEK * number for number in range(-(-length.days // WEEK.days)))]


def _join(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same days, those that follow each other as one span."""
    joined: list[Span] = []
    for first, end in spans:
        if joined and joined[-1][1] == first:
            first = joined.pop()[0]
        joined.append((first, end))
    return tuple(joined)


def _touches(silence: Silence, span: Span) -> bool:
    return silence.first_date < span[1] and (silence.end_date is None or silence.end_date > span[0])


def _is_enough(spans: Sequence[Span], window_days: int) -> bool:
    return days_of(spans) * 2 >= window_days


def _say_all(silences: Sequence[Silence]) -> str:
    return "; ".join(one.sentence for one in silences)
