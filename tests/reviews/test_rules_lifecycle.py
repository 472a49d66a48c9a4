"""Where a flag belongs: to a new stretch, to the one that goes on, or to one that a later month has ended already."""

from datetime import date

import pytest

from reviews.choices import FlagState, Resolution
from reviews.rules import Later, Placement, Step, Stretch, ends_with, place_flag

MAY, JUNE, JULY, AUGUST, SEPTEMBER = (date(2026, month, 1) for month in (5, 6, 7, 8, 9))


def active(first: date, newest: date | None = None, state: str = FlagState.OPEN) -> Stretch:
    return Stretch(state, "", first, newest or first)


def resolved(first: date, ended: date, resolution: str = Resolution.DATA) -> Stretch:
    return Stretch(FlagState.RESOLVED, resolution, first, first, ended)


def dismissed(first: date, newest: date | None = None) -> Stretch:
    return Stretch(FlagState.DISMISSED, "", first, newest or first, first)


@pytest.mark.parametrize(
    ("why", "month", "known", "later", "placed"),
    [
        ("nothing is known", JULY, [], [], Placement(Step.OPEN)),
        ("an open one goes on", JULY, [active(JUNE)], [], Placement(Step.CONTINUE, 0)),
        ("an acknowledged one too", JULY, [active(JUNE, state=FlagState.ACKNOWLEDGED)], [], Placement(Step.CONTINUE, 0)),
        ("after a clear month it is a new one", AUGUST, [resolved(JUNE, JULY)], [], Placement(Step.OPEN)),
        ("the month that ended it shows it again", JULY, [resolved(JUNE, JULY)], [], Placement(Step.REOPEN, 0)),
        ("an old month is consolidated again", JUNE, [resolved(JUNE, JULY)], [Later(JULY, False)], Placement(Step.CONTINUE, 0)),
        (
            "the month that ended it, when a later one is clear",
            JULY,
            [resolved(JUNE, JULY)],
            [Later(AUGUST, False)],
            Placement(Step.CONTINUE, 0),
        ),
        ("something was done this month", JULY, [resolved(JUNE, JULY, Resolution.ACTION)], [], Placement(Step.CONTINUE, 0)),
        ("it did not help", AUGUST, [resolved(JUNE, JULY, Resolution.ACTION)], [], Placement(Step.OPEN)),
        ("dismissed while it goes on", JULY, [dismissed(MAY, JUNE)], [], Placement(Step.CONTINUE, 0)),
        ("dismissed, then a month without", AUGUST, [dismissed(MAY, JUNE)], [], Placement(Step.OPEN)),
        ("back-filled, clear since", MAY, [], [Later(JUNE, False)], Placement(Step.OPEN_ENDED, ended_month=JUNE)),
        (
            "back-filled, clear later",
            MAY,
            [],
            [Later(JUNE, True), Later(JULY, False)],
            Placement(Step.OPEN_ENDED, ended_month=JULY),
        ),
        ("back-filled, it goes on to now", MAY, [active(JUNE)], [Later(JUNE, True)], Placement(Step.EXTEND, 0)),
        ("the running month was first", JUNE, [active(JULY)], [], Placement(Step.EXTEND, 0)),
        (
            "back-filled, another one is open now",
            MAY,
            [active(AUGUST)],
            [Later(JUNE, False), Later(JULY, False)],
            Placement(Step.OPEN_ENDED, ended_month=JUNE),
        ),
        (
            "between an ended one and an open one",
            JULY,
            [resolved(MAY, JUNE), active(SEPTEMBER)],
            [Later(AUGUST, False)],
            Placement(Step.OPEN_ENDED, ended_month=AUGUST),
        ),
    ],
)
def test_where_a_flag_belongs(why: str, month: date, known: list[Stretch], later: list[Later], placed: Placement) -> None:
    assert place_flag(month, known, later) == placed, why


@pytest.mark.parametrize(
    ("one", "ends"),
    [
        (active(MAY, JULY), True),
        (active(MAY, state=FlagState.ACKNOWLEDGED), True),
        (active(MAY, AUGUST), False),  # a newer month has seen it
        (dismissed(MAY), False),
        (resolved(MAY, JUNE), False),
    ],
)
def test_which_ones_a_clear_month_ends(one: Stretch, ends: bool) -> None:
    assert ends_with(JULY, one) is ends
