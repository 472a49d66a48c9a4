"""Comparisons: the worked tables of docs/rules/compare.md, and what holds for any partners."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.rules.compare import (
    DRAWS,
    FEWEST_COMPARED,
    INSIDE,
    LIKELY,
    NEARLY_SURE,
    OUTSIDE_998,
    Sample,
    compare_samples,
    count_known,
    count_places,
    count_worth,
    funnel_limits,
)
from reviews.rules.standing import fit_prior
from tests.reviews.figures import read_table

TABLE = read_table("compare.md", "Worked table")
LIMITS = read_table("compare.md", "Worked table: limits")
SAMPLES = [Sample(row["partner"], "c", int(row["redemptions"]), int(row["activations"])) for row in TABLE]

sizes = st.integers(0, 5000)
samples_of = st.lists(
    st.tuples(sizes, st.floats(0, 1.2), st.sampled_from("abc")).map(lambda row: (round(row[0] * row[1]), row[0], row[2])),
    max_size=25,
).map(lambda rows: [Sample(f"P{number:02}", category, hits, size) for number, (hits, size, category) in enumerate(rows)])


def test_worked_table() -> None:
    found = compare_samples(SAMPLES, is_loss=False)
    lines = [
        {
            "partner": one.sample.partner,
            "redemptions": str(one.sample.numerator),
            "activations": str(one.sample.denominator),
            "raw": str(one.rate),
            "shrunken": str(one.shrunken) if one.shrunken else "–",
            "from": str(one.shrunken_interval[0]) if one.shrunken_interval else "–",
            "to": str(one.shrunken_interval[1]) if one.shrunken_interval else "–",
            "rank": str(one.rank) if one.rank else "–",
            "ranks": f"{one.ranks[0]} to {one.ranks[1]}" if one.ranks else "–",
            "place": one.place or "–",
        }
        for one in [*found.ranked, *found.apart]
    ]

    assert lines == TABLE
    assert (found.rate, found.numerator, found.denominator) == (0.501923077, 2088, 4160)
    assert found.dispersion is not None
    assert (found.dispersion.measured, found.dispersion.tolerated, found.dispersion.factor) == (0.459456351, 1.852802865, 1.0)


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: f"{row['observations']} × {row['factor']}")
def test_worked_table_of_limits(row: dict[str, str]) -> None:
    asked = (0.5, float(row["factor"]), int(row["observations"]))
    assert funnel_limits(*asked, LIKELY) == (float(row["95 % from"]), float(row["95 % to"]))
    assert funnel_limits(*asked, NEARLY_SURE) == (float(row["99.8 % from"]), float(row["99.8 % to"]))


@given(samples_of, st.booleans(), st.randoms())
def test_the_order_of_the_samples_does_not_matter(samples: list[Sample], is_loss: bool, random: Random) -> None:
    mixed = samples.copy()
    random.shuffle(mixed)

    assert compare_samples(mixed, is_loss=is_loss) == compare_samples(samples, is_loss=is_loss)


@given(samples_of, st.booleans())
def test_everybody_is_ranked_once_or_apart(samples: list[Sample], is_loss: bool) -> None:
    found = compare_samples(samples, is_loss=is_loss)

    assert [one.rank for one in found.ranked] == list(range(1, len(found.ranked) + 1))
    assert {one.sample for one in [*found.ranked, *found.apart]} == set(samples)
    assert all(one.sample.denominator >= FEWEST_COMPARED for one in found.ranked)
    assert all(one.sample.denominator < FEWEST_COMPARED and one.rank is None and one.shrunken is None for one in found.apart)
    order = [one.shrunken for one in found.ranked]
    assert order == sorted(order, reverse=not is_loss)
    for one in found.ranked:
        assert one.ranks is not None
        assert one.rank is not None
        assert 1 <= one.ranks[0] <= one.rank <= one.ranks[1] <= len(found.ranked)


@given(samples_of)
def test_a_shrunken_rate_lies_between_the_raw_one_and_what_is_usual(samples: list[Sample]) -> None:
    alike = [Sample(one.partner, "c", one.numerator, one.denominator) for one in samples]
    found = compare_samples(alike, is_loss=False)
    prior = fit_prior([(one.sample.numerator, one.sample.denominator) for one in sorted(found.ranked, key=by_partner)])

    for one in found.ranked:
        assert prior is not None
        assert one.shrunken is not None
        assert one.shrunken_interval is not None
        own = min(one.sample.numerator, one.sample.denominator) / one.sample.denominator
        assert min(own, prior.mean) - 1e-8 <= one.shrunken <= max(own, prior.mean) + 1e-8
        assert one.shrunken_interval[0] - 1e-8 <= one.shrunken <= one.shrunken_interval[1] + 1e-8


@given(samples_of.filter(lambda samples: any(one.denominator for one in samples)))
def test_a_shrunken_rate_is_worth_its_own_observations_and_some_of_its_peers(samples: list[Sample]) -> None:
    used = [one for one in samples if one.denominator]
    prior = fit_prior([(one.numerator, one.denominator) for one in used])
    assert prior is not None
    known = count_known(prior, [one.denominator for one in used])

    for one in used:
        worth = count_worth(one.denominator, prior, known)
        assert one.denominator * (1 - 1e-6) <= worth <= (one.denominator + prior.strength) * (1 + 1e-6)


@given(st.floats(0.001, 0.999), st.floats(1, 20), st.integers(1, 10_000), st.integers(1, 10_000))
def test_limits_widen_the_fewer_there_are(overall: float, factor: float, one: int, other: int) -> None:
    few, many = sorted((one, other))
    for z in (LIKELY, NEARLY_SURE):
        wide, narrow = funnel_limits(overall, factor, few, z), funnel_limits(overall, factor, many, z)
        assert wide[0] <= narrow[0] <= round(overall, 9) <= narrow[1] <= wide[1]
    inner, outer = funnel_limits(overall, factor, few, LIKELY), funnel_limits(overall, factor, few, NEARLY_SURE)
    assert outer[0] <= inner[0] <= inner[1] <= outer[1]


def test_of_partners_that_are_alike_few_are_outside_and_ranks_take_in_nearly_everybody() -> None:
    random = Random(7)
    samples = [Sample(f"P{n:03}", "c", sum(random.random() < 0.3 for _ in range(200)), 200) for n in range(100)]

    found = compare_samples(samples, is_loss=False)

    places = count_places(found)
    assert found.dispersion is not None
    assert found.dispersion.factor == 1
    assert places[OUTSIDE_998] <= 2
    assert places[INSIDE] >= 88
    middle = found.ranked[50]
    assert middle.ranks is not None
    assert middle.ranks[1] - middle.ranks[0] > 70


def test_partners_that_differ_widen_the_limits_and_narrow_the_ranks() -> None:
    samples = [Sample(f"P{n:02}", "c", 100 + 40 * n, 1000) for n in range(20)]

    found = compare_samples(samples, is_loss=False)

    assert found.dispersion is not None
    assert found.dispersion.factor == found.dispersion.measured > 10
    best = found.ranked[0]
    assert (best.sample.partner, best.rank) == ("P19", 1)
    assert best.ranks is not None
    assert best.ranks[1] <= 4


def test_a_small_partner_with_a_perfect_rate_does_not_win() -> None:
    """What a table of raw rates gets wrong."""
    large = [Sample(f"L{n}", "c", 600 - 10 * n, 1000) for n in range(8)]
    lucky = Sample("lucky", "c", 27, 40)

    found = compare_samples([*large, lucky], is_loss=False)

    assert lucky.numerator / lucky.denominator > max(one.numerator / one.denominator for one in large)
    assert found.ranked[0].sample.partner == "L0"
    [placed] = [one for one in found.ranked if one.sample is lucky]
    assert placed.ranks is not None
    assert placed.ranks[1] - placed.ranks[0] >= 6


def test_of_a_loss_the_lowest_is_best() -> None:
    samples = [Sample(f"P{n}", "c", 20 + 30 * n, 1000) for n in range(6)]

    assert [one.sample.partner for one in compare_samples(samples, is_loss=True).ranked] == [f"P{n}" for n in range(6)]


def test_fewer_than_five_have_no_overall_rate_and_no_limits() -> None:
    found = compare_samples(SAMPLES[:4], is_loss=False)

    assert (found.rate, found.interval, found.dispersion) == (None, None, None)
    assert [one.place for one in found.ranked] == [""] * 4


def test_a_small_group_leans_on_everybody() -> None:
    """Four partners of a country are drawn towards the program, not towards each other."""
    few = [Sample(f"F{n}", "c", 9, 30) for n in range(2)]
    others = [Sample(f"O{n}", "c", 600, 1000) for n in range(10)]

    alone = compare_samples(few, is_loss=False)
    among = compare_samples(few, is_loss=False, everyone=[*few, *others])

    assert alone.ranked[0].shrunken == 0.3
    assert among.ranked[0].shrunken is not None
    assert among.ranked[0].shrunken > 0.32


def test_a_category_of_five_is_its_own_measure() -> None:
    food = [Sample(f"F{n}", "food", 60, 100) for n in range(5)]
    travel = [Sample(f"T{n}", "travel", 20, 100) for n in range(5)]

    found = {one.sample.partner: one.shrunken for one in compare_samples([*food, *travel], is_loss=False).ranked}

    assert found == {**dict.fromkeys((one.partner for one in food), 0.6), **dict.fromkeys((one.partner for one in travel), 0.2)}


@pytest.mark.parametrize("hits", [0, 100])
def test_a_rate_that_is_the_same_for_everybody_places_nobody(hits: int) -> None:
    found = compare_samples([Sample(f"P{n}", "c", hits, 100) for n in range(6)], is_loss=False)

    assert {one.place for one in found.ranked} == {INSIDE}


def test_nobody_and_one() -> None:
    assert compare_samples([], is_loss=False).ranked == []
    [one] = compare_samples([Sample("P1", "c", 3, 40)], is_loss=False).ranked
    assert (one.rank, one.ranks) == (1, (1, 1))


def test_draws_are_even_over_the_distribution() -> None:
    """The range of the middle one of three far-apart partners is that one place: no draw strays."""
    samples = [Sample(f"P{n}", "c", 100 + 400 * n, 1000) for n in range(3)]

    assert DRAWS == 400
    assert [one.ranks for one in compare_samples(samples, is_loss=False).ranked] == [(1, 1), (2, 2), (3, 3)]


def by_partner(one: object) -> str:
    """The order in which priors are fitted."""
    return str(one.sample.partner)  # type: ignore[attr-defined]
