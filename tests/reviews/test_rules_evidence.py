"""E-values and chances against sums written out in full, what stands of many findings, and how steady months are."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import exp, inf, isinf, lgamma, log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviews.choices import Direction
from reviews.rules import evidence
from reviews.rules.evidence import (
    FALLS,
    HIGHEST_RATE,
    LEAST_PACE,
    LEAST_STEADY,
    RISES,
    STEADIEST,
    STEADIEST_PACE,
    UNKNOWN_PACE,
    UNKNOWN_STEADINESS,
    Expected,
    average,
    either,
    known_as_well_as,
    needed,
    rate_chance,
    rate_evidence,
    rate_steadiness,
    select,
    volume_chance,
    volume_evidence,
    volume_steadiness,
)

BELOW, ABOVE = Direction.BELOW, Direction.ABOVE
RATES = st.builds(Expected, st.sampled_from([0.02, 0.1, 0.3, 0.5, 0.9]), st.sampled_from([25.0, 60.0, 400.0]))
VOLUMES = st.builds(Expected, st.sampled_from([0.5, 3.0, 12.0]), st.sampled_from([5.0, 40.0, 400.0]))
SIDES = st.sampled_from([BELOW, ABOVE])
ONE_IN = 20


def beta_binomial(seen: int, size: int, expected: Expected) -> float:
    """The chance of so many, factor by factor: each one seen makes the next one likelier."""
    hits, misses = expected.level * expected.worth, (1 - expected.level) * expected.worth
    chance = 1.0
    for k in range(seen):
        chance *= (size - k) / (k + 1) * (hits + k) / (hits + misses + k)
    for k in range(size - seen):
        chance *= (misses + k) / (hits + misses + seen + k)
    return chance


def negative_binomial(seen: int, mean: float, size: float) -> float:
    share = mean / (mean + size)
    return exp(lgamma(seen + size) - lgamma(size) - lgamma(seen + 1) + seen * log(share) + size * log(1 - share))


def reach(expected: Expected, direction: str, size: int) -> float:
    """The chance that the e-value of a rate reaches 20 at any time while `size` events come in one by one."""
    hits, misses = expected.level * expected.worth, (1 - expected.level) * expected.worth
    paths, reached = {0: 1.0}, 0.0
    for events in range(1, size + 1):
        after: dict[int, float] = {}
        for seen, chance in paths.items():
            next_is_hit = (hits + seen) / (hits + misses + events - 1)
            after[seen + 1] = after.get(seen + 1, 0.0) + chance * next_is_hit
            after[seen] = after.get(seen, 0.0) + chance * (1 - next_is_hit)
        found = {seen for seen in after if rate_evidence(seen, events, expected, direction) >= log(ONE_IN)}
        reached += sum(after[seen] for seen in found)
        paths = {seen: chance for seen, chance in after.items() if seen not in found}
    return reached


def reach_in_days(expected: Expected, direction: str, days: int, most: int) -> float:
    """The same for a number of events, looked at after each of so many days; the days share one unknown pace."""
    paths, reached = {0: 1.0}, 0.0
    for day in range(1, days + 1):
        after: dict[int, float] = {}
        for before, chance in paths.items():
            size = expected.worth + before  # what was seen before tells of the pace
            mean = size / (expected.worth * days / expected.level + day - 1)
            for more in range(most - before + 1):
                count = before + more
                after[count] = after.get(count, 0.0) + chance * negative_binomial(more, mean, size)
        now = expected.times(day / days)
        found = {count for count in after if volume_evidence(count, now, direction) >= log(ONE_IN)}
        reached += sum(after[count] for count in found)
        paths = {count: chance for count, chance in after.items() if count not in found}
    assert direction == ABOVE or reached + sum(paths.values()) > 0.999, "nearly all that may happen was looked at"
    return reached


@given(expected=RATES, size=st.integers(1, 40), direction=SIDES)
@settings(max_examples=60)
def test_without_a_change_the_mean_evidence_of_a_rate_is_one(expected: Expected, size: int, direction: str) -> None:
    mean = sum(
        beta_binomial(seen, size, expected) * exp(rate_evidence(seen, size, expected, direction)) for seen in range(size + 1)
    )

    assert mean == pytest.approx(1, abs=1e-6)


@given(expected=VOLUMES, direction=SIDES)
def test_without_a_change_the_mean_evidence_of_a_number_is_one_at_most(expected: Expected, direction: str) -> None:
    mean = sum(
        negative_binomial(seen, expected.level, expected.worth) * exp(volume_evidence(seen, expected, direction))
        for seen in range(300)
    )

    assert mean <= 1 + 1e-6
    assert direction == ABOVE or mean == pytest.approx(1, abs=1e-6)


@given(expected=RATES, direction=SIDES)
@settings(max_examples=30, deadline=None)
def test_however_often_one_looks_a_rate_seldom_reaches_what_a_flag_needs(expected: Expected, direction: str) -> None:
    assert reach(expected, direction, 60) <= 1 / ONE_IN


@pytest.mark.parametrize("direction", [BELOW, ABOVE])
@pytest.mark.parametrize("expected", [Expected(12.0, 40.0), Expected(3.0, 5.0), Expected(6.0, 400.0)])
def test_however_often_one_looks_a_number_seldom_reaches_what_a_flag_needs(expected: Expected, direction: str) -> None:
    assert reach_in_days(expected, direction, days=8, most=70) <= 1 / ONE_IN


def test_looking_often_would_deceive_whoever_looks_at_chances() -> None:
    """Why an e-value counts while a month fills: the same looks by chance find something far too often."""
    expected, reached, paths = Expected(0.3, 400.0), 0.0, {0: 1.0}
    for events in range(1, 61):
        after: dict[int, float] = {}
        for seen, chance in paths.items():
            hit = (120 + seen) / (400 + events - 1)
            after[seen + 1] = after.get(seen + 1, 0.0) + chance * hit
            after[seen] = after.get(seen, 0.0) + chance * (1 - hit)
        found = {seen for seen in after if rate_chance(seen, events, expected, BELOW) >= log(ONE_IN)}
        reached += sum(after[seen] for seen in found)
        paths = {seen: chance for seen, chance in after.items() if seen not in found}

    assert reached > 2 / ONE_IN
    assert reach(expected, BELOW, 60) < reached / 4


@given(expected=RATES, size=st.integers(1, 60), share=st.floats(0, 1), direction=SIDES)
def test_the_chance_of_a_rate_is_the_sum_of_all_that_is_further_off(
    expected: Expected, size: int, share: float, direction: str
) -> None:
    seen = round(share * size)
    further = range(seen + 1) if direction == BELOW else range(seen, size + 1)

    assert exp(-rate_chance(seen, size, expected, direction)) == pytest.approx(
        sum(beta_binomial(k, size, expected) for k in further), rel=1e-6
    )


@given(expected=VOLUMES, seen=st.integers(0, 40), direction=SIDES)
def test_the_chance_of_a_number_is_the_sum_of_all_that_is_further_off(expected: Expected, seen: int, direction: str) -> None:
    further = range(seen + 1) if direction == BELOW else range(seen, 900)

    assert exp(-volume_chance(seen, expected, direction)) == pytest.approx(
        sum(negative_binomial(k, expected.level, expected.worth) for k in further), rel=1e-6
    )


@given(expected=VOLUMES, seen=st.integers(5, 40), direction=SIDES, longest=st.integers(1, 8))
def test_a_tail_that_is_cut_short_is_never_taken_for_rarer_than_it_is(
    expected: Expected, seen: int, direction: str, longest: int
) -> None:
    whole = volume_chance(seen, expected, direction)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "LONGEST_TAIL", longest)
        short = volume_chance(seen, expected, direction)

    assert short <= whole + 1e-9


def test_a_million_events_are_judged_as_well_as_ten() -> None:
    """950,000 of a million expected, known as well as 400: not much further down than a standard error."""
    expected = Expected(1e6, 400.0)
    terms = [negative_binomial(k, 1e6, 400.0) for k in range(950_000, 0, -1)]

    assert exp(-volume_chance(950_000, expected, BELOW)) == pytest.approx(sum(terms), rel=0.5)
    assert exp(-volume_chance(950_000, expected, BELOW)) >= sum(terms)


@pytest.mark.parametrize("direction", [BELOW, ABOVE])
def test_more_of_the_same_is_stronger(direction: str) -> None:
    shares = [0.3, 0.25, 0.2, 0.1, 0.0] if direction == BELOW else [0.3, 0.4, 0.5, 0.7, 1.0]
    found = [rate_evidence(round(share * 200), 200, Expected(0.3, 400), direction) for share in shares]
    doubts = [rate_chance(round(share * 200), 200, Expected(0.3, 400), direction) for share in shares]

    assert all(one < other for one, other in pairwise(found))
    assert all(one < other for one, other in pairwise(doubts))
    small, large = (rate_evidence(size // 10, size, Expected(0.3, 1000), BELOW) for size in (20, 200))
    assert small < large
    loose, tight = (rate_evidence(20, 200, Expected(0.3, worth), BELOW) for worth in (20, 1000))
    assert loose < tight, "what is known badly is held against nobody"


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("direction", [BELOW, ABOVE])
def test_rates_at_the_ends_are_numbers_too(level: float, direction: str) -> None:
    for seen in (0, 40):
        for value in (
            rate_evidence(seen, 40, Expected(level, 30), direction),
            rate_chance(seen, 40, Expected(level, 30), direction),
        ):
            assert not isinf(value)
    assert rate_evidence(40, 40, Expected(1.0, 30), ABOVE) == 0, f"nothing rises above {HIGHEST_RATE}"


def test_a_rate_above_one_is_all_of_it() -> None:
    """More reversals than redemptions: the redemptions lie in an earlier month."""
    assert rate_evidence(50, 20, Expected(0.1, 50), ABOVE) == rate_evidence(20, 20, Expected(0.1, 50), ABOVE)
    assert rate_chance(50, 20, Expected(0.1, 50), ABOVE) == rate_chance(20, 20, Expected(0.1, 50), ABOVE)


def test_what_may_have_become_of_a_figure_is_a_change_to_that_side() -> None:
    assert all(0 < share < 1 for share in FALLS)
    assert all(share > 1 for share in RISES)


@given(first=st.floats(0, 50), second=st.floats(0, 50))
def test_either_of_two_looks_is_twice_as_likely(first: float, second: float) -> None:
    chance = min(1.0, 2 * min(exp(-first), exp(-second)))

    assert exp(-either(first, second)) == pytest.approx(chance, rel=1e-6)


@given(first=st.floats(-20, 50), second=st.floats(-20, 50))
def test_the_average_of_two_e_values(first: float, second: float) -> None:
    assert exp(average(first, second)) == pytest.approx((exp(first) + exp(second)) / 2, rel=1e-6)


def test_what_is_known_in_two_ways_is_known_worse_than_in_either() -> None:
    assert known_as_well_as(9, 9) == 4
    assert known_as_well_as(inf, 30) == pytest.approx(30)
    assert known_as_well_as(1, 1) == 1, "never less than one observation"


# 10 findings might have been, 10 % of what stands may be chance: the first needs 100, the first two 50, the first five 20.
@pytest.mark.parametrize(
    ("e_values", "standing"),
    [
        ([100], 1),
        ([99.9], 0),
        ([99.9, 50], 2),
        ([1000, 49.9], 1),
        ([49, 49, 32, 20, 20], 5),
        ([40, 30, 30, 19], 0),
        ([40, 40, 34, 24], 3),
        ([], 0),
    ],
)
def test_the_best_stand_as_long_as_the_last_of_them_is_good_enough(e_values: list[float], standing: int) -> None:
    found = {number: log(value) + 1e-9 for number, value in enumerate(e_values)}

    assert select(found, 10, 0.1) == set(range(standing))


def test_chances_stand_by_the_rule_of_benjamini_and_hochberg() -> None:
    """The example of the paper of 1995: of 15 comparisons at 5 %, four stand."""
    chances = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
        0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
    ]  # fmt: skip
    found = {number: -log(chance) for number, chance in enumerate(chances)}

    assert select(found, 15, 0.05) == {0, 1, 2, 3}


@given(st.lists(st.floats(0, 12), max_size=12), st.integers(12, 40), st.randoms(use_true_random=False))
def test_what_stands_does_not_depend_on_the_order(values: list[float], tests: int, random: Random) -> None:
    found = dict(enumerate(values))
    shuffled = list(found.items())
    random.shuffle(shuffled)

    standing = select(found, tests, 0.1)

    assert select(dict(shuffled), tests, 0.1) == standing
    weakest = min((found[one] for one in standing), default=inf)
    assert all(found[one] <= weakest for one in found.keys() - standing), "nothing stronger is left out"
    assert not standing or weakest >= needed(tests, len(standing), 0.1)


def draws(random: Random, chance: float, size: int) -> int:
    return sum(random.random() < chance for _ in range(size))


def rates(random: Random, worth: float | None, partners: int = 60, months: int = 6) -> list[list[tuple[int, int]]]:
    """Months of partners with a rate of 0.3; each month's own rate as steady as `worth` observations, or quite steady."""
    made = []
    for _ in range(partners):
        chances = [random.betavariate(0.3 * worth, 0.7 * worth) if worth else 0.3 for _ in range(months)]
        made.append([(draws(random, chance, 300), 300) for chance in chances])
    return made


def paces(random: Random, worth: float | None, partners: int = 60, months: int = 6) -> list[list[tuple[int, float]]]:
    """The same for numbers of about 200 events a month of 30 days."""

    def poisson(mean: float) -> int:
        return draws(random, mean / 2000, 2000)

    return [
        [(poisson(random.gammavariate(worth, 200 / worth) if worth else 200), 30.0) for _ in range(months)]
        for _ in range(partners)
    ]


def test_steady_partners_are_seen_as_steady() -> None:
    random = Random(1)

    assert rate_steadiness(rates(random, None)) > STEADIEST / 2
    assert volume_steadiness(paces(random, None)) > STEADIEST_PACE / 2


@pytest.mark.parametrize("worth", [40.0, 120.0])
def test_unsteady_partners_are_seen_as_unsteady(worth: float) -> None:
    random = Random(2)

    assert worth / 1.6 < rate_steadiness(rates(random, worth)) < worth * 1.6
    assert worth / 1.6 < volume_steadiness(paces(random, worth)) < worth * 1.6


def test_a_few_that_fell_do_not_make_everybody_look_unsteady() -> None:
    random = Random(3)
    plain, counted = rates(random, 120.0), paces(random, 120.0)
    few = [[(5, 300), *months[1:]] if number < 6 else months for number, months in enumerate(plain)]
    few_counted = [[(0, 30.0), *months[1:]] if number < 6 else months for number, months in enumerate(counted)]

    assert rate_steadiness(few) > rate_steadiness(plain) * 0.75
    assert volume_steadiness(few_counted) > volume_steadiness(counted) * 0.75


@pytest.mark.parametrize(
    "series",
    [[], [[(5, 19)] * 12], [[(5, 40)]] * 30, [[(0, 40)] * 12], [[(40, 40)] * 12], [[(9, 40)] * 10]],
    ids=["nobody", "too small", "one month each", "never", "always", "nine comparisons"],
)
def test_where_too_little_is_known_a_usual_steadiness_is_assumed(series: list[list[tuple[int, int]]]) -> None:
    assert rate_steadiness(series) == UNKNOWN_STEADINESS


@pytest.mark.parametrize("series", [[], [[(19, 30.0)] * 12], [[(200, 0.0)] * 12], [[(200, 30.0)]] * 30])
def test_the_same_for_numbers(series: list[list[tuple[int, float]]]) -> None:
    assert volume_steadiness(series) == UNKNOWN_PACE


def test_steadiness_has_its_bounds() -> None:
    wild = [[(0 if month % 2 else 290, 300) for month in range(6)] for _ in range(5)]
    wild_counts = [[(1 if month % 2 else 900, 30.0) for month in range(6)] for _ in range(5)]

    assert (rate_steadiness(wild), volume_steadiness(wild_counts)) == (LEAST_STEADY, LEAST_PACE)
    assert rate_steadiness([[(90, 300)] * 6] * 5) == STEADIEST
    assert volume_steadiness([[(200, 30.0)] * 6] * 5) == STEADIEST_PACE


def test_longer_months_are_not_unsteady_ones() -> None:
    """Exposure is what lets a number be larger: twice the days, twice the views."""
    assert volume_steadiness([[(200, 30.0), (400, 60.0), (100, 15.0), (200, 30.0)]] * 5) == STEADIEST_PACE


@pytest.mark.parametrize(("level", "worth"), [(0.0, 40.0), (0.3, 40.0), (1.0, 40.0), (0.3, 0.4), (0.999, 1e6)])
def test_what_is_expected_of_a_rate_lies_in_its_own_interval(level: float, worth: float) -> None:
    told = Expected(level, worth).as_measured(is_rate=True)

    assert 0 <= told.low <= told.value == level <= told.high <= 1


@given(st.floats(0.1, 1e5), st.floats(1, 1e4), st.sampled_from([Fraction(1, 2), Fraction(2)]))
def test_what_is_expected_of_a_number_scales_with_its_exposure(level: float, worth: float, share: Fraction) -> None:
    expected = Expected(level, worth)
    told, part = (one.as_measured(is_rate=False) for one in (expected, expected.times(float(share))))

    assert told.low < level < told.high
    assert (part.low, part.high) == pytest.approx((told.low * float(share), told.high * float(share)))


def series_of(*months: tuple[int, int]) -> Iterator[list[tuple[int, int]]]:
    yield from [list(months)] * 4


def test_more_hits_than_tries_are_no_reason_to_fail() -> None:
    assert rate_steadiness(series_of((60, 40), (20, 40), (30, 40), (30, 40))) >= LEAST_STEADY
