"""What a rule expects of a partner: which months count, what peers, season, elapsed time and offers add, and the market."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviews.choices import Direction, Reference
from reviews.rules import RuleSpec
from reviews.rules.evidence import EXACT
from reviews.rules.references import (
    FEWEST_MOVERS,
    WEAKEST_OWN_SHARE,
    Surroundings,
    expect,
    find_medians,
    find_movements,
    fixed,
    keep_months,
    share_of_offer_days,
    survey,
)
from reviews.rules.standing import Prior
from reviews.rules.subjects import Subject
from tests.reviews.subjects import healthy, rule, subject

PREVIOUS = Reference.PREVIOUS
ALONE = Surroundings({}, 200.0)


def rated(*unlocks: int, views: int = 1000, **changes: Any) -> Subject:
    """Months of 1,000 views and so many unlocks, newest first."""
    return subject("P", *[{"views": views, "unlocks": number} for number in unlocks], **changes)


def viewed(*views: int | None, **changes: Any) -> Subject:
    """Months of so many views, newest first; None for a month without any event."""
    return subject("P", *[None if number is None else {"views": number} for number in views], **changes)


def level(rules: RuleSpec, one: Subject, others: list[Subject] | None = None) -> float | None:
    past = expect(rules, one, survey(rules, [one, *(others or [])]) if others else ALONE)
    return None if past is None else past.level


def test_previous_is_the_month_before_and_no_other() -> None:
    assert level(rule(reference=PREVIOUS), rated(100, 300, 900)) == 0.3
    assert level(rule(reference=PREVIOUS), subject("P", {"views": 1000}, None, {"views": 1000, "unlocks": 300})) is None


def test_trailing_is_all_months_of_the_lookback_added_up() -> None:
    months = rated(1, 300, 330, 270, 900)

    assert level(rule(lookback_months=2), months) == 0.315
    assert level(rule(lookback_months=3), months) == 0.3
    past = expect(rule(lookback_months=3), months, ALONE)
    assert past is not None
    assert (past.months, len(past.levels)) == (3, 1)


def test_larger_months_weigh_more() -> None:
    two = subject("P", {"views": 1}, {"views": 900, "unlocks": 270}, {"views": 100, "unlocks": 35})

    assert level(rule(), two) == 0.305


def test_numbers_are_events_per_exposure() -> None:
    thirty_one_then_half = viewed(1, 620, 150, exposures=[30.0, 31.0, 7.5])

    assert level(rule("views"), thirty_one_then_half) == 600


def test_months_without_figures_are_passed_over_and_the_rest_counts() -> None:
    assert level(rule("views"), viewed(1, 400, None, 200)) == 300


@pytest.mark.parametrize(
    ("metric", "months", "minimum"),
    [
        ("unlock_rate", [{"views": 900}, {"views": 20, "unlocks": 9}, {"views": 19, "unlocks": 9}], 40),
        ("views", [{"views": 900}, {"views": 39}, {"views": 40}], 40),
        ("views", [{"views": 900}, {"views": 0}], 1),
        ("unlock_rate", [{"views": 900}], 1),
        ("views", [{"views": 900}, None, None], 1),
    ],
)
def test_a_past_that_says_too_little_lets_expect_nothing(metric: str, months: list[dict[str, int] | None], minimum: int) -> None:
    assert level(rule(metric, minimum_denominator=minimum), subject("P", *months)) is None


def test_a_month_that_fell_itself_is_no_measure_for_the_next() -> None:
    fallen_twice = rated(60, 60, 300, 310, 290)

    assert level(rule(), fallen_twice) == 0.3
    assert [one.numerator for one in keep_months(rule(), fallen_twice, ALONE)] == [300, 310, 290]
    volumes = viewed(90, 100, 1000, 1040, 960)
    assert level(rule("views"), volumes) == 1000


def test_a_month_that_may_have_fallen_by_chance_stays() -> None:
    assert [one.numerator for one in keep_months(rule(), rated(60, 4, 6, views=20), ALONE)] == [4, 6]


def test_a_rise_is_no_reason_to_leave_a_month_out_of_what_a_fall_is_measured_by() -> None:
    assert level(rule(lookback_months=2), rated(60, 900, 300)) == 0.6
    rises = rule("reversal_rate", direction=Direction.ABOVE, threshold=2)
    raised = subject("P", *[{"redemptions": 500, "reversals": number} for number in (200, 200, 10, 12, 8)])
    assert level(rises, raised) == 0.02


def test_months_stay_where_the_whole_group_fell() -> None:
    """A bad month of everybody is what the next one is to be compared with."""
    fallen = [subject(f"P{number}", *[{"views": views} for views in (500, 500, 1000, 1000)]) for number in range(5)]
    alone = subject("alone", *[{"views": views} for views in (500, 500, 1000, 1000)])
    rules = rule("views", lookback_months=3)

    together = survey(rules, fallen)
    assert together.movement_of(fallen[0], 1, Direction.BELOW) == 0.5
    assert [one.numerator for one in keep_months(rules, fallen[0], together)] == [500, 1000, 1000]

    others = survey(rules, [alone, *healthy(5)])
    assert [one.numerator for one in keep_months(rules, alone, others)] == [1000, 1000]


def test_the_older_half_finds_a_slow_fall() -> None:
    """A tenth less each month: never much against the month before, much against what once was."""
    slow = rated(160, 177, 197, 219, 243, 270, 300)

    past = expect(rule(), slow, ALONE)

    assert past is not None
    newer, older = (one.level for one in past.levels)
    assert past.level == older == pytest.approx((243 + 270 + 300) / 3000)
    assert newer < older
    rising = expect(rule("failure_rate", direction=Direction.ABOVE, threshold=2), failing(90, 60, 45, 30, 20, 15, 10), ALONE)
    assert rising is not None
    assert rising.level == min(one.level for one in rising.levels) == rising.levels[1].level


def failing(*failures: int) -> Subject:
    return subject("P", *[{"attempts": 1000, "failures": number} for number in failures])


def test_three_months_have_no_older_half() -> None:
    for months, levels in ((3, 1), (4, 2)):
        past = expect(rule(), rated(100, *[300] * months), ALONE)
        assert past is not None
        assert len(past.levels) == levels


def test_the_months_that_must_all_cross_are_not_their_own_measure() -> None:
    two_in_a_row = rated(100, 280, 300, 300, 900)

    assert level(rule(persistence=2, lookback_months=2), two_in_a_row) == 0.3
    assert level(rule(persistence=2, reference=PREVIOUS), two_in_a_row) == 0.3
    assert level(rule(persistence=5, reference=PREVIOUS), two_in_a_row) is None, "there is no month before the run"
    by_days = rule(persistence=2, persistence_unit="days", window_days=7, reference=PREVIOUS)
    assert level(by_days, two_in_a_row) == 0.28, "windows of days lie in the reviewed month"


def test_a_season_says_how_much_more_or_less_a_month_has() -> None:
    christmas_then_usual = viewed(500, 2000, 1000, exposures=[30.0, 60.0, 30.0])

    assert level(rule("views"), christmas_then_usual) == 1000
    assert level(rule("views"), viewed(500, 2000, 1000, exposures=[15.0, 60.0, 30.0])) == 500


def test_a_month_without_an_index_says_nothing_where_others_have_one() -> None:
    assert level(rule("views"), viewed(500, 1000, 9000, exposures=[30.0, 30.0, 0.0])) == 1000
    assert level(rule("unlock_rate"), rated(60, 300, 320, exposures=[30.0, 30.0, 0.0])) == 0.31, "rates have no season"


def test_rates_lean_on_their_category_the_more_the_less_they_have_themselves() -> None:
    around = Surroundings({"": Prior(0.1, 5000.0), "food": Prior(0.3, 1000.0)}, 200.0)
    small, large = (rated(1, hits, views=views) for views, hits in ((50, 30), (5000, 3000)))

    few = expect(rule(), small, around)
    many = expect(rule(), large, around)

    assert few is not None
    assert many is not None
    assert few.level == pytest.approx((30 + WEAKEST_OWN_SHARE * 0.3) / (50 + WEAKEST_OWN_SHARE))
    assert many.level == pytest.approx((3000 + 1000 * 0.3) / 6000)
    assert few.levels[0].worth < many.levels[0].worth < 200, "and never better known than months are steady"
    elsewhere = expect(rule(), rated(1, 30, views=50, category="travel"), around)
    assert elsewhere is not None
    assert elsewhere.level == pytest.approx((30 + 100 * 0.1) / 150), "a category without a prior leans on everybody"


def test_small_categories_have_no_prior_of_their_own() -> None:
    four, five = healthy(4, category="four"), healthy(5, category="five", unlocks=100)

    priors = survey(rule(), [*four, *five]).priors

    assert set(priors) == {"", "five"}
    assert priors["five"] is not None
    assert priors["five"].mean == pytest.approx(0.1)


def test_a_few_that_fell_far_do_not_say_what_is_usual() -> None:
    sunk = [rated(3, 3, 300, 300, 300, 300, category="food") for _ in range(2)]
    named = [Subject(f"S{number}", one.category, one.months, one.exposures, groups=("food",)) for number, one in enumerate(sunk)]

    prior = survey(rule(), [*healthy(8), *named]).prior_of(named[0])

    assert prior is not None
    assert prior.mean == pytest.approx(0.3, abs=0.001)


def test_a_movement_is_the_middle_of_the_group_and_only_to_the_bad_side() -> None:
    rules = rule("views")
    seen = [400, 500, 1000, 2000]
    group = [subject(f"P{number}", {"views": views}, {"views": 1000}) for number, views in enumerate(seen)]
    pasts = {one.name: past for one in group if (past := expect(rules, one, ALONE)) is not None}

    assert find_movements(rules, group, pasts)["food"] == 0.75
    assert find_movements(rules, group[1:], pasts)["food"] == 1.0, "of 0.5, 1 and 2"
    assert find_movements(rules, group[2:], pasts) == {}, f"fewer than {FEWEST_MOVERS} are no market"
    up = rule("views", direction=Direction.ABOVE, threshold=2)
    assert find_movements(up, group[1:] + group[3:], pasts)["food"] == 1.5


def test_small_groups_move_with_everybody() -> None:
    rules = rule("views")
    fallen = [subject(f"P{number}", {"views": 500}, {"views": 1000}, category=f"c{number}") for number in range(3)]
    pasts = {one.name: past for one in fallen if (past := expect(rules, one, ALONE)) is not None}

    assert find_movements(rules, fallen, pasts) == {"": 0.5}


def test_partners_of_whom_little_was_to_be_expected_do_not_tell_of_the_market() -> None:
    rules = rule("views", minimum_denominator=1)
    tiny = [subject(f"P{number}", {"views": 0}, {"views": 9}) for number in range(5)]
    pasts = {one.name: past for one in tiny if (past := expect(rules, one, ALONE)) is not None}

    assert len(pasts) == 5
    assert find_movements(rules, tiny, pasts) == {}


def test_a_running_month_moves_by_what_has_passed_of_it() -> None:
    rules = rule("views")
    half = [subject(f"P{number}", {"views": 500}, {"views": 1000}, elapsed=0.5) for number in range(4)]
    pasts = {one.name: past for one in half if (past := expect(rules, one, ALONE)) is not None}

    assert find_movements(rules, half, pasts)["food"] == 1.0


def test_medians_need_five_partners_with_thirty_observations() -> None:
    five = [subject(f"P{number}", {"views": 100, "unlocks": 10 * number}) for number in range(1, 6)]
    few = subject("few", {"views": 29, "unlocks": 29})

    assert find_medians("unlock_rate", [*five, few]) == {"food": 0.3}
    assert find_medians("unlock_rate", [*five[:4], few]) == {}


def test_a_fixed_value_is_known() -> None:
    past = fixed(0.1)

    assert (past.level, past.months, past.levels[0].worth) == (0.1, 0, EXACT)
    assert fixed(0.0).level == 0.0
    assert fixed(0.0).levels[0].level > 0, "so that once is measurably too often"


@pytest.mark.parametrize(
    ("days", "share"),
    [
        ((), 1.0),
        ((30,), 1.0),
        ((30, 60, 60), 1.0),
        ((29, 60, 60), 29 / 60),
        ((20, 60, 60), 1 / 3),
        ((0, 60), 0.0),
        ((20, 60, 0, 0), 1 / 3),
        ((90, 30, 30), 1.0),
        ((5, 0, 0), 1.0),
    ],
)
def test_fewer_than_half_the_offer_days_let_expect_less(days: tuple[int, ...], share: float) -> None:
    assert share_of_offer_days(viewed(1, offer_days=days)) == pytest.approx(share, abs=1e-9)


def population(seed: int) -> list[Subject]:
    random = Random(seed)
    return [
        subject(
            f"P{number}",
            *[
                {"views": views, "unlocks": round(views * random.random())} if (views := random.randrange(0, 900)) else None
                for _ in range(random.randrange(1, 8))
            ],
            category=random.choice(["food", "travel"]),
        )
        for number in range(random.randrange(1, 14))
    ]


@given(seed=st.integers(0, 10_000), shuffled=st.integers(0, 10_000), metric=st.sampled_from(["unlock_rate", "views"]))
@settings(deadline=None, max_examples=40)
def test_what_is_usual_does_not_depend_on_the_order_of_partners(seed: int, shuffled: int, metric: str) -> None:
    made = population(seed)
    other = Random(shuffled).sample(made, len(made))
    rules = rule(metric)

    around, again = survey(rules, made), survey(rules, other)

    assert {one.name: expect(rules, one, around) for one in made} == {one.name: expect(rules, one, again) for one in made}
    assert around.movements == again.movements


@given(seed=st.integers(0, 10_000), metric=st.sampled_from(["unlock_rate", "views"]))
@settings(deadline=None, max_examples=40)
def test_the_reviewed_month_is_no_part_of_what_is_expected_of_it(seed: int, metric: str) -> None:
    made, rules = population(seed), rule(metric)
    other = [
        Subject(one.partner, one.category, [None, *one.months[1:]], one.exposures, groups=one.groups, days_of_month=30)
        for one in made
    ]

    before, after = survey(rules, made), survey(rules, other)

    assert [expect(rules, one, before) for one in made] == [expect(rules, one, after) for one in other]
