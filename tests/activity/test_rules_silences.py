"""Silences of a source, by the worked table of docs/rules/data-gaps.md and by what must never be one."""

import random
from datetime import date, timedelta

import pytest

from activity.rules.silences import ENDED_DAYS, FEWEST_EVENTS, Silence, find_silences
from tests.reviews.figures import read_table

FIRST = date(2026, 3, 2)  # a Monday
UNTIL = date(2026, 6, 1)


def days(first: date, end: date, count: int = 100, weekdays: int = 7) -> dict[date, int]:
    """So many events a day, on the first days of the week."""
    all_days = [first + timedelta(days=number) for number in range((end - first).days)]
    return {day: count for day in all_days if day.weekday() < weekdays}


def without(counts: dict[date, int], *removed: date) -> dict[date, int]:
    return {day: count for day, count in counts.items() if day not in removed}


@pytest.mark.parametrize("row", read_table("data-gaps.md", "Worked table"), ids=lambda row: row["what came"])
def test_the_worked_table(row: dict[str, str]) -> None:
    """Every line of the document: a source from 2 March on, looked at on the given day."""
    first, last = (date.fromisoformat(part) for part in row["sends from … to"].split(" … "))
    counts = days(first, last + timedelta(days=1), int(row["events a day"]), int(row["days a week"]))
    for part in filter(None, row["silent"].replace("–", "").split(", ")):
        begins, _, ends = part.partition(" … ")
        day = date.fromisoformat(begins)
        while day <= date.fromisoformat(ends or begins):
            counts.pop(day, None)
            day += timedelta(days=1)
    stated = None if row["complete until"] == "–" else date.fromisoformat(row["complete until"])
    found = find_silences(counts, row["rhythm"], date.fromisoformat(row["looked at"]), stated)
    said = [f"{one.first_date} … {one.end_date - timedelta(days=1) if one.end_date else 'lasts'}" for one in found]
    assert (", ".join(said) or "none") == row["gaps"]


def test_the_order_of_arrival_is_of_no_matter() -> None:
    counts = without(days(FIRST, UNTIL), date(2026, 5, 5), date(2026, 5, 6))
    shuffled = list(counts.items())
    random.Random(1).shuffle(shuffled)
    assert find_silences(dict(shuffled), "none", UNTIL) == [Silence(date(2026, 5, 5), date(2026, 5, 7))]


def test_every_month_sees_the_same_gap() -> None:
    """A gap over the end of a month is one, whatever has come since."""
    counts = without(days(FIRST, UNTIL), date(2026, 4, 30), date(2026, 5, 1))
    found = {
        tuple(find_silences({day: n for day, n in counts.items() if day < until}, "none", until))
        for until in (date(2026, 5, 3), date(2026, 5, 20), UNTIL)
    }
    assert found == {(Silence(date(2026, 4, 30), date(2026, 5, 2)),)}


def test_a_silence_is_no_longer_usual_after_it_was_one() -> None:
    """Days that were missing teach nothing: the same weekdays are expected again."""
    counts = without(days(FIRST, UNTIL), *[date(2026, 4, day) for day in (14, 21, 28)], date(2026, 5, 5))
    assert [one.first_date for one in find_silences(counts, "none", UNTIL)] == [
        date(2026, 4, 14),
        date(2026, 4, 21),
        date(2026, 4, 28),
        date(2026, 5, 5),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_chance_makes_no_gap(seed: int) -> None:
    """Sources of any volume whose days are many times more uneven than chance: a day without events is none of theirs."""
    chance = random.Random(seed)
    mean = chance.choice([0.5, 2, 5, 10, 20, 40, 80])
    counts = {}
    for number in range(365):
        # A negative binomial of variance 5 x its mean: uneven days, and members that come in groups.
        level = chance.gammavariate(mean / 4, 4)
        counts[FIRST + timedelta(days=number)] = sum(chance.random() < 0.01 for _ in range(round(level * 100)))
    assert find_silences(counts, "none", FIRST + timedelta(days=365)) == []


def test_a_source_that_ended_is_no_gap_after_two_months() -> None:
    counts = days(FIRST, date(2026, 5, 1))
    lasting = date(2026, 5, 1) + timedelta(days=ENDED_DAYS)
    assert find_silences(counts, "none", lasting) == [Silence(date(2026, 5, 1), None)]
    assert find_silences(counts, "none", lasting + timedelta(days=1)) == []
    assert find_silences(counts, "daily", lasting + timedelta(days=1)) == [Silence(date(2026, 5, 1), None)]


def test_a_day_of_too_few_events_is_not_expected() -> None:
    for number, found in ((FEWEST_EVENTS, 1), (FEWEST_EVENTS - 1, 0)):
        counts = without(days(FIRST, UNTIL, number), date(2026, 5, 5))
        assert len(find_silences(counts, "none", UNTIL)) == found
