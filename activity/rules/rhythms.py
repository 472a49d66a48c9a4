"""When something from a source is expected again, and when its silence is one."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Expectation:
    """How often something is expected, and how much later than that it may come."""

    every: timedelta
    grace: timedelta


# The grace is what a load that runs once per rhythm takes to run again: a file of yesterday that comes at six in the
# morning leaves yesterday's end 30 hours behind just before the next one, and a month's file a week more than a month.
EXPECTATIONS = {
    "hourly": Expectation(timedelta(hours=1), timedelta(hours=1)),
    "daily": Expectation(timedelta(days=1), timedelta(hours=12)),
    "weekly": Expectation(timedelta(days=7), timedelta(days=2)),
    "monthly": Expectation(timedelta(days=31), timedelta(days=7)),
}


def find_silence(rhythm: str, complete_through: datetime, at: datetime) -> datetime | None:
    """
    Since when a source is silent at an instant: since something more was expected of it; None where it is not.

    complete_through: up to when nothing of it is missing. A source of which nothing is expected is never silent.
    """
    expected = EXPECTATIONS.get(rhythm)
    if expected is None or at <= complete_through + expected.every + expected.grace:
        return None
    return complete_through + expected.every
