"""A program's own season, learnt from its last year: docs/rules/season.md, and what must not become a season."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.rules import Card, ReviewInput, make_cards
from reviews.rules.cards import exposures, own_seasons
from reviews.rules.report import write_evidence
from reviews.rules.seasons import FEWEST_TELLERS, History, OwnSeason, days_of, find_own_seasons, year_before
from reviews.rules.simulation import Fault, Maker, play
from reviews.rules.trials import count_false_flags
from tests.reviews.figures import read_table

pytestmark = pytest.mark.slow

MONTHS = [month_text(next_month(parse_month("2026-07"), -back)) for back in range(7)]
WORKED = read_table("season.md", "Worked table")
JULY_OF_THE_SECOND_YEAR = 18  # months after the first
JULY_IS_LOW = {7: 0.6}


def of_days(per_day: Sequence[float], months: Sequence[str]) -> list[int]:
    """Numbers of events from so many a day."""
    return [round(number * days_of(month)) for number, month in zip(per_day, months, strict=True)]


def history(name: str, last_year: Sequence[float], recent: Sequence[float], category: str = "food", begun: int = 1) -> History:
    """A partner with so many events a day in the same months of last year and in those before the reviewed one."""
    then = [year_before(month) for month in MONTHS[: len(last_year)]]
    return History(name, category, of_days(recent, MONTHS[1 : len(recent) + 1]), [*of_days(last_year, then), begun])


def alike(count: int, last_year: Sequence[float], recent: Sequence[float], category: str = "food") -> list[History]:
    return [history(f"{category}-{number:02d}", last_year, recent, category) for number in range(count)]


def season(histories: Sequence[History], category: str = "food") -> OwnSeason | None:
    found = find_own_seasons(MONTHS, histories)
    return found.get(category, found.get(""))


def against_before(found: OwnSeason | None) -> float:
    """The reviewed month against the one before it."""
    assert found is not None
    return found.factors["07"] / found.factors["06"]


@pytest.mark.parametrize("row", WORKED, ids=lambda row: f"{row['partners']}: {row['last year, newest first']}")
def test_worked_table(row: dict[str, str]) -> None:
    last_year, this_year = (
        [float(number) for number in row[name].split()] for name in ("last year, newest first", "this year, newest first")
    )

    found = season(alike(int(row["partners"]), last_year, this_year))

    if row["July against June"] == "no season":
        assert found is None
    else:
        assert found is not None
        assert (f"{against_before(found):.3f}", f"{found.worth:.0f}") == (row["July against June"], row["worth"])


LOW, FLAT = [60.0, 100, 100, 100, 100, 100, 100], [100.0] * 6


def test_four_partners_tell_nothing_and_five_do() -> None:
    assert season(alike(FEWEST_TELLERS - 1, LOW, FLAT)) is None
    assert against_before(season(alike(FEWEST_TELLERS, LOW, FLAT))) == pytest.approx(0.6, abs=0.02)


def test_a_fault_of_a_few_last_year_is_not_their_season() -> None:
    healthy = alike(8, [100.0] * 7, FLAT)
    fallen = [history(f"fallen-{number}", [20.0, 20, 20, 100, 100, 100, 100], FLAT) for number in range(3)]

    assert season([*healthy, *fallen]) is None


def test_whoever_began_within_those_months_tells_nothing() -> None:
    began = [replace(one, last_year=[*one.last_year[:-1], 0]) for one in alike(9, LOW, FLAT)]

    found, whole = season(began), season([*began[:4], *alike(5, LOW, FLAT)])

    assert found is not None
    assert whole is not None
    assert (len(found.factors), len(whole.factors)) == (6, 7), "the month in which somebody begins is not a whole one"


def test_fewer_months_of_last_year_are_compared_where_most_have_no_more() -> None:
    short = [replace(one, last_year=[*one.last_year[:5], 9, 0, 0]) for one in alike(9, LOW, FLAT)]

    found = season(short)

    assert found is not None
    assert sorted(found.factors) == ["03", "04", "05", "06", "07"]
    assert season([replace(one, last_year=[*one.last_year[:4], 0, 0, 0, 0]) for one in short]) is None, "three months are too few"


@pytest.mark.parametrize(
    ("last_year", "recent", "what"),
    [
        ([100, 90, 75, 60, 45, 30, 15], [100] * 6, "a program that grew in its first months"),
        ([100, 40, 100, 100, 100, 100, 100], [100] * 6, "one bad month of last year that did not come again"),
    ],
)
def test_what_did_not_come_again_is_no_season(last_year: list[float], recent: list[float], what: str) -> None:
    assert season(alike(20, last_year, recent)) is None, what


def test_what_came_again_is_one() -> None:
    rising = [100.0, 90, 80, 70, 60, 50, 40]

    assert against_before(season(alike(20, rising, rising[1:]))) == pytest.approx(100 / 90, abs=0.02)


def test_a_category_has_its_own_season_and_a_small_one_the_programs() -> None:
    made = [*alike(12, LOW, FLAT, "food"), *alike(8, [100.0] * 7, FLAT, "travel"), *alike(2, [100.0] * 7, FLAT, "small")]

    found = find_own_seasons(MONTHS, made)

    assert against_before(found["food"]) == pytest.approx(0.6, abs=0.02)
    assert found["travel"] is None
    assert "small" not in found
    everybody, food = found[""], found["food"]
    assert everybody is not None
    assert food is not None
    assert everybody.worth < food.worth, "what partners differ in makes it less sure for those who cannot tell"


def test_few_events_are_less_sure_than_many() -> None:
    many, few = season(alike(8, LOW, FLAT)), season(alike(8, [one / 20 for one in LOW], [5.0] * 6))

    assert many is not None
    assert few is not None
    assert few.worth < many.worth


@given(seed=st.integers(0, 10_000))
def test_the_order_of_partners_does_not_matter(seed: int) -> None:
    random = Random(seed)
    made = [
        history(f"P{number}", [random.randrange(1, 90) for _ in range(7)], [random.randrange(1, 90) for _ in range(6)], category)
        for number, category in enumerate(random.choice(["a", "b"]) for _ in range(random.randrange(0, 16)))
    ]

    assert find_own_seasons(MONTHS, made) == find_own_seasons(MONTHS, random.sample(made, len(made)))


# --- through the scorecards ---


def months_of(maker: Maker, months: int) -> dict[int, ReviewInput]:
    return dict(play(maker, months, by_day=False))


def blind(given: ReviewInput) -> ReviewInput:
    return replace(given, partners=[replace(entry, last_year=()) for entry in given.partners])


def crossed(cards: Sequence[Card], metric: str = "views") -> list[str]:
    return sorted({one["why_no_flag"] for card in cards for one in card.evidence["crossed"] if one["metric"] == metric})


def flagged(cards: Sequence[Card]) -> list[tuple[str, str]]:
    return [(card.partner, flag.metric) for card in cards for flag in card.flags]


@pytest.fixture(scope="module")
def second_july() -> ReviewInput:
    return months_of(Maker(40, 300, 3, 0.1, season=JULY_IS_LOW), JULY_OF_THE_SECOND_YEAR + 1)[JULY_OF_THE_SECOND_YEAR]


def test_nobody_crosses_anything_in_the_second_july(second_july: ReviewInput) -> None:
    cards = make_cards(second_july)

    assert flagged(cards) == []
    assert crossed(cards) == []
    assert crossed(make_cards(blind(second_july))) == ["market_wide"], "without last year only the market explains it"
    expected = [card.expected["season_ratio"] for card in cards]
    assert min(expected) == pytest.approx(0.6, abs=0.06)
    assert max(expected) == pytest.approx(0.6, abs=0.06)


def test_a_fall_of_one_partner_in_that_july_is_found() -> None:
    maker = Maker(40, 500, 3, 0.1, {5: Fault("awareness", JULY_OF_THE_SECOND_YEAR, 0.6)}, JULY_IS_LOW)
    cards = make_cards(months_of(maker, JULY_OF_THE_SECOND_YEAR + 1)[JULY_OF_THE_SECOND_YEAR])

    assert flagged(cards) == [("P0005", "views")]
    [flag] = cards[5].flags
    assert flag.evidence["reference"]["season"] == "last_year"
    assert "in a season like last year's" in write_evidence("views", flag.evidence)
    diagnosis = cards[5].diagnosis
    assert diagnosis is not None
    assert "in a season like last year's" in diagnosis["sentence"]


def test_a_fall_that_hides_behind_a_rising_season_is_found_only_with_last_year() -> None:
    """Everybody has twice as much as in the months before; one partner has as much as then."""
    season_rises = {5: 0.5, 6: 0.5, 7: 0.5, 8: 0.5, 9: 0.5}
    october = 21
    maker = Maker(40, 500, 3, 0.1, {5: Fault("awareness", october, 0.5)}, season_rises)
    reviewed = months_of(maker, october + 1)[october]

    assert flagged(make_cards(reviewed)) == [("P0005", "views")]
    assert flagged(make_cards(blind(reviewed))) == []


@pytest.mark.parametrize("months", [12, 15])
def test_a_younger_program_is_judged_as_before(months: int) -> None:
    given = months_of(Maker(40, 300, 3, 0.1, season={1: 0.6, 4: 0.6}), months + 1)[months]

    assert set(own_seasons(given).values()) == {None}
    assert make_cards(given) == make_cards(blind(given))


def test_an_index_that_is_given_counts_and_not_last_year(second_july: ReviewInput) -> None:
    category = second_july.partners[0].category
    told = replace(second_july, seasons={category: {second_july.months[0]: 0.9, second_july.months[1]: 1.0}})

    own = own_seasons(told)

    assert own[category] is None
    assert exposures(told, category, own[category]) == [27.9, 30.0, 0, 0, 0, 0, 0]
    assert all(found for name, found in own.items() if name != category)


def test_months_whose_last_year_is_not_known_say_nothing(second_july: ReviewInput) -> None:
    found = OwnSeason({"07": 0.6, "06": 1.2}, 100.0)

    assert exposures(second_july, "any", found) == [18.6, 36.0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("shape", [lambda month: 1.0, lambda month: 1.5 if month == 12 else 1.0], ids=["none", "December"])
def test_two_years_in_which_nobody_is_at_fault(shape: Callable[[int], float]) -> None:
    maker = Maker(60, 200, 9, 0.0, season={month: shape(month) for month in range(1, 13)})

    called = [month for month, given in play(maker, 26, by_day=False) if flagged(make_cards(given))]

    assert called == []


@pytest.mark.slow
def test_looking_every_day_of_the_second_year_calls_nobody() -> None:
    found = count_false_flags(partners=30, months=20, activations=60, seed=4, spread=0.0, progress=lambda *_: None)

    assert found.months_with_false_flag == 0
