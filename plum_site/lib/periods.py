"""
Program months: `[first instant of the local month, first instant of the next)`, as UTC instants.

A boundary is never built by adding 24 hours: in some zones a month's first midnight does not exist or happens twice.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from plum_site.lib.errors import InvalidInput

MONTH = re.compile(r"((?:19|20|21)[0-9]{2})-(0[1-9]|1[0-2])")


@cache
def time_zones() -> frozenset[str]:
    """The IANA names that this machine knows; looked up once, because it takes some fifty milliseconds."""
    return frozenset(available_timezones())


@lru_cache(maxsize=4096)
def first_instant(day: date, time_zone: str) -> datetime:
    """The first UTC instant whose local date in `time_zone` is `day` (or, where that day is skipped, a later one)."""
    zone = ZoneInfo(time_zone)
    low = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    high = low + timedelta(hours=54)
    # Local dates never run backwards by more than an hour at a boundary, so the first instant is found by bisection.
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).date() >= day:
            high = middle
        else:
            low = middle
    # A clock that falls back over midnight shows the new day twice; the first showing is up to an hour earlier.
    probe = high - timedelta(hours=3)
    while probe < high:
        if probe.astimezone(zone).date() >= day:
            return probe
        probe += timedelta(minutes=1)
    return high


def local_date(instant: datetime, time_zone: str) -> date:
    """
    The program day of an instant: the day `d` with first_instant(d) <= instant < first_instant(d + 1).

    Not always the wall-clock date: where a clock falls back over midnight, the second showing of the old
    date already belongs to the new day, so that days tile time.
    """
    day = instant.astimezone(ZoneInfo(time_zone)).date()
    following = day + timedelta(days=1)
    return following if first_instant(following, time_zone) <= instant else day


def month_start(day: date) -> date:
    """The first day of the month of `day`."""
    return day.replace(day=1)


def next_month(start_date: date, count: int = 1) -> date:
    """The first day of the month `count` months after (negative: before) that of `start_date`."""
    months = start_date.year * 12 + start_date.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def parse_month(text: str) -> date:
    """`YYYY-MM` as the first day of that month; InvalidInput otherwise."""
    match = MONTH.fullmatch(text)
    if not match:
        raise InvalidInput("invalid_month", f"{text!r} is not a month. Write it as YYYY-MM, for example 2026-03.")
    return date(int(match[1]), int(match[2]), 1)


def month_text(start_date: date) -> str:
    """`YYYY-MM` of a date."""
    return f"{start_date:%Y-%m}"


def month_bounds(start_date: date, time_zone: str) -> tuple[datetime, datetime]:
    """The half-open period `[starts_at, ends_at)` in UTC of one program month."""
    return first_instant(start_date, time_zone), first_instant(next_month(start_date), time_zone)


def months_between(first: date, last: date) -> list[date]:
    """Every month start from `first` to `last`, both included; empty where `last` is earlier."""
    months = []
    month = month_start(first)
    while month <= last:
        months.append(month)
        month = next_month(month)
    return months
