"""
Workers die at every step of turning a catalog's day, and of the job around it, and two turn the same day at once: what begins
and ends is told once, and so are the owners of what ends soon.

The places are read from the code, so that a new one is tried without a line here. Each has two programs: one is taken up on the
same day, the other only two days later.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from plum_site.lib.crashpoints import STATUS
from tests.faults.checker import call, call_at_once
from tests.faults.figures import Figures
from tests.faults.lab import Lab
from tests.faults.points import list_points

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

NOW, LATER, DAYS_LATER = datetime(2026, 7, 22, 9, 30, tzinfo=UTC), timedelta(hours=3), timedelta(days=2)
IN_JOB = ("job.after_claim", "job.after_effect", "job.after_mark")  # those that the process which turns it comes by
KEPT = {"day.committed", "job.after_effect", "job.after_mark"}  # what was done before stands
NEVER = {"days": 1, "counted": 0, "done": 0}
TOLD = ("offers.start_offer", "offers.end_offer", "offer.started", "offer.ended", "ends-P1", "ends-P2")
STANDS = {**dict.fromkeys(TOLD, 1), "days": 2, "counted": 2, "done": 0}
ONCE = STANDS | {"done": 1}
RACES = 6


def told(lab: Lab, count: int) -> list[dict[str, int]]:
    """What was told of each program's day."""
    found: list[dict[str, int]] = json.loads(call(lab, "report", count, module="days"))
    return found


def left_by(point: str) -> dict[str, int]:
    """What there is of a day after a death."""
    return NEVER if point not in KEPT else ONCE if point == "job.after_mark" else STANDS


def test_a_day_is_told_once_wherever_the_worker_dies(both: Lab, figures: Figures) -> None:
    places = [*(point.name for point in list_points("day")), *IN_JOB]
    assert len(places) >= 8, "too few to speak of every step"
    points = [*places, *places]
    soon, late = list(range(len(places))), list(range(len(places), len(points)))
    call(both, "make", len(points), NOW.isoformat(), module="days")
    figures.tried("crash points", len(points))

    assert json.loads(call(both, "die", points, NOW.isoformat(), module="days")) == [STATUS] * len(points), points
    assert told(both, len(points)) == [left_by(point) for point in points]
    figures.survived(len(points))

    for times in (1, 2):
        call(both, "take_up", soon, (NOW + times * LATER).isoformat(), module="days")
    assert told(both, len(points)) == [ONCE for _ in soon] + [left_by(point) for point in places]

    for times in (0, 1):
        call(both, "take_up", late, (NOW + DAYS_LATER + times * LATER).isoformat(), module="days")
    was_turned_twice = [ONCE | {"days": 3 if point in KEPT else 2} for point in places]
    assert told(both, len(points)) == [ONCE for _ in soon] + was_turned_twice
    checked = both.manage("verify", "audit", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_day_that_two_turn_at_once_is_told_once(both: Lab, figures: Figures) -> None:
    call(both, "make", RACES, NOW.isoformat(), module="days")
    figures.tried("two workers at once", RACES)

    call_at_once(both, "race", NOW.isoformat(), module="days")

    assert told(both, RACES) == [STANDS] * RACES
    figures.survived(RACES)
