"""Which weeks of a comparison are left out for a silent source, and when too little is left."""

from datetime import date, timedelta

import pytest

from reviews.rules.effects import Silence, keep_days, say_left_out, silences_about
from reviews.rules.effects.gaps import counts_behind, days_of

STARTS = date(2026, 6, 1)
DAY = timedelta(days=1)


def silence(first: int, end: int | None, offers: tuple[str, ...] = ("O1",), counts: tuple[str, ...] = ("views",)) -> Silence:
    ends = None if end is None else STARTS + end * DAY
    return Silence("till", STARTS + first * DAY, ends, frozenset(offers), frozenset(counts))


def test_nothing_is_left_out_where_nothing_was_silent() -> None:
    kept = keep_days(STARTS, 28, 6, [])

    assert [days_of(spans) for spans in (*kept.baseline, kept.window)] == [28] * 7
    assert [len(spans) for spans in kept.baseline] == [1] * 6, "days that follow each other are one span"
    assert (kept.left_out, kept.fault, say_left_out(kept)) == ((), "", "")


@pytest.mark.parametrize(
    ("first", "end", "of_window", "periods"),
    [
        (0, 1, 21, 6),
        (6, 8, 14, 6),  # two weeks
        (27, None, 21, 6),
        (28, None, 28, 6),  # after the window
        (-1, 0, 28, 6),
        (-15, 0, 28, 5),  # three weeks of the last period: less than half is left of it
        (-28, -14, 28, 6),
        (-200, -168, 28, 6),  # before the baseline
    ],
)
def test_whole_weeks_are_left_out(first: int, end: int | None, of_window: int, periods: int) -> None:
    kept = keep_days(STARTS, 28, 6, [silence(first, end)])

    assert (days_of(kept.window), len(kept.baseline), kept.fault) == (of_window, periods, "")
    for start, stop in kept.left_out:
        assert (stop - start).days == 7
        assert (start - STARTS).days % 7 == 0
    weekdays = [sum((start - STARTS).days + 7 == (stop - STARTS).days for start, stop in kept.left_out)]
    assert weekdays == [len(kept.left_out)], "every weekday as often as before"


def test_too_little_of_the_window() -> None:
    assert keep_days(STARTS, 28, 6, [silence(0, 15)]).fault == (
        "the source till was silent from 2026-06-01 to 2026-06-15: less than half of the window is left."
    )


def test_too_little_of_the_baseline() -> None:
    assert keep_days(STARTS, 28, 6, [silence(-84, 0)]).fault == (
        "the source till was silent from 2026-03-09 to 2026-05-31: 3 periods of the baseline are left, and 4 are the fewest "
        "that show what is usual."
    )


def test_a_period_that_is_no_whole_weeks_ends_with_a_shorter_one() -> None:
    kept = keep_days(STARTS, 10, 4, [silence(9, 10)])

    assert kept.window == ((STARTS, STARTS + 7 * DAY),)
    assert kept.left_out == ((STARTS + 7 * DAY, STARTS + 10 * DAY),)


@pytest.mark.parametrize(
    ("metric", "offers", "is_about"),
    [
        ("views", ["O1", "O9"], True),
        ("unlock_rate", ["O1"], True),
        ("members_viewed", ["O1"], True),
        ("redemptions", ["O1"], False),
        ("views", ["O2"], False),
        ("views", [], False),
    ],
)
def test_only_what_the_source_feeds_lacks_anything(metric: str, offers: list[str], is_about: bool) -> None:
    assert bool(silences_about([silence(0, 3)], metric, offers)) is is_about


def test_the_counts_behind_a_metric() -> None:
    assert counts_behind("failure_rate") == {"failures", "attempts"}
    assert counts_behind("members_redeemed") == counts_behind("redemptions") == {"redemptions"}
