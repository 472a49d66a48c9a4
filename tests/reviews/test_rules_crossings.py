"""From rules and subjects to flags: what is crossed, and what stands of it."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviews.choices import Direction, Reference, RuleTarget
from reviews.rules import PartnerInput, ReviewInput, default_policy, default_rules, make_cards
from reviews.rules.crossings import read_rule
from reviews.rules.subjects import Subject
from tests.reviews.figures import figures
from tests.reviews.subjects import HEALTHY, healthy, judge, only, rule, subject, verdict

ABOVE, FIXED = Direction.ABOVE, Reference.FIXED
MEDIAN = Reference.CATEGORY_MEDIAN
FALLEN = HEALTHY | {"unlocks": 100}
RULE = rule()
OF_OFFER = rule(code="of_offer", target=RuleTarget.OFFER, threshold=0.6, lookback_months=3)
VIEWS = rule("views", threshold=0.75, minimum_denominator=100)
CEILING = rule("reversal_rate", direction=ABOVE, reference=FIXED, threshold=0.1, minimum_denominator=20)
WEEK = rule("views", threshold=0.75, minimum_denominator=100, window_days=7)


def fallen() -> Subject:
    return subject("P", FALLEN, *[HEALTHY] * 6)


def test_who_falls_alone_is_flagged_and_nobody_else() -> None:
    found = judge(RULE, [fallen(), *healthy()])

    assert list(found) == ["P"]
    crossing = only(found)
    assert (crossing.is_flag, crossing.rule, crossing.target, crossing.target_key) == (True, RULE.code, "partner", "")
    assert (crossing.observed, crossing.threshold) == (0.1, 0.24)
    told = crossing.evidence
    assert (told["numerator"], told["denominator"], told["judged"], told["flagged"]) == (100, 1000, 6, 1)
    assert told["reference"] == {"value": 0.3, "months": 6, "movement": 1.0}
    assert told["interval"][0] < 0.1 < told["interval"][1]
    assert told["difference_interval"][1] < 0
    assert told["expected_by_chance"] == 0.02
    assert told["chance"] < 0.02 / 6
    assert "why_no_flag" not in told


# 240 of 1,000 is 0.8 of what was expected; exact equality is never beyond.
@pytest.mark.parametrize(("unlocks", "crosses"), [(239, True), (240, False), (241, False)])
def test_below_is_strict(unlocks: int, crosses: bool) -> None:
    subjects = [subject("P", HEALTHY | {"unlocks": unlocks}, *[HEALTHY] * 6), *healthy()]

    assert ("P" in judge(RULE, subjects)) is crosses


@pytest.mark.parametrize(("reversals", "crosses"), [(101, True), (100, False), (99, False)])
def test_above_is_strict(reversals: int, crosses: bool) -> None:
    assert ("P" in judge(CEILING, [subject("P", {"reversals": reversals, "redemptions": 1000})])) is crosses


def test_observed_has_nine_decimals() -> None:
    assert only(judge(CEILING, [subject("P", {"reversals": 30, "redemptions": 70})])).observed == 0.428571429


def test_twelve_unlocks_and_no_redemption_is_no_flag() -> None:
    """The case that a review is wrong about more often than right."""
    weak = rule("redemptions_per_unlock", reference=FIXED, threshold=0.02, minimum_denominator=1)

    assert verdict(weak, [subject("P", {"unlocks": 12})]) == "not_confirmed"
    assert verdict(weak, [subject("P", {"unlocks": 1200})]) == "flag"


def test_a_strict_rule_flags_whatever_crosses_it() -> None:
    weak = rule("redemptions_per_unlock", reference=FIXED, threshold=0.02, minimum_denominator=1, is_strict=True)

    assert verdict(weak, [subject("P", {"unlocks": 12})]) == "flag"
    assert verdict(weak, [subject("P", {"unlocks": 100, "redemptions": 2})]) == "nothing", "exactly at the limit"


def test_what_would_be_enough_is_said() -> None:
    crossing = only(judge(RULE, [subject("P", HEALTHY | {"views": 50, "unlocks": 10}, *[HEALTHY] * 6), *healthy()]))

    assert crossing.evidence["why_no_flag"] == "not_confirmed"
    assert crossing.evidence["chance"] > crossing.evidence["chance_needed"] == pytest.approx(0.02 / 6, rel=1e-2)
    small = subject("P", HEALTHY | {"views": 50, "unlocks": 10}, *[HEALTHY] * 6)
    unsure = only(judge(RULE, [small, *healthy()], is_over=False)).evidence
    assert unsure["e_value"] < unsure["e_value_needed"] == pytest.approx(6 / 0.01)


def test_among_many_partners_more_is_needed() -> None:
    """2.5 standard errors: telling for one of five partners, and to be expected for one of 300."""
    small = subject("P", HEALTHY | {"views": 100, "unlocks": 15}, *[HEALTHY] * 6)

    assert verdict(RULE, [small, *healthy(5)]) == "flag"
    assert verdict(RULE, [small, *healthy(300)]) == "not_confirmed"


def test_while_the_month_runs_more_is_needed_than_once_it_is_over() -> None:
    small = subject("P", HEALTHY | {"views": 100, "unlocks": 15}, *[HEALTHY] * 6)

    assert verdict(RULE, [small, *healthy()], is_over=True) == "flag"
    assert verdict(RULE, [small, *healthy()], is_over=False) == "not_confirmed"


@pytest.mark.parametrize(
    "months",
    [
        [{"views": 39}, {"views": 500, "unlocks": 200}],
        [{"views": 500}, {"views": 39, "unlocks": 20}],
        [{"views": 500}, None],
        [{"views": 0}, {"views": 500, "unlocks": 200}],
        [None, {"views": 500, "unlocks": 200}],
        [{"views": 500}],
    ],
)
def test_a_fall_needs_enough_in_both(months: list[dict[str, int] | None]) -> None:
    assert judge(RULE, [subject("P", *months)]) == {}


def test_a_fixed_number_needs_enough_members() -> None:
    few = rule("views", reference=FIXED, threshold=50, minimum_denominator=10)

    assert verdict(few, [subject("P", {"views": 5, "members_any": 9})]) == "nothing"
    assert verdict(few, [subject("P", {"views": 5, "members_any": 10})]) == "flag"


def test_a_fixed_number_is_no_fall_while_it_still_grows() -> None:
    few = rule("views", reference=FIXED, threshold=50, minimum_denominator=10)
    many = rule("views", reference=FIXED, direction=ABOVE, threshold=50, minimum_denominator=10)
    begun = [subject("P", {"views": 5, "members_any": 10}, elapsed=0.9)]

    assert verdict(few, begun, is_over=False) == "nothing"
    assert verdict(many, [subject("P", {"views": 500, "members_any": 10}, elapsed=0.1)], is_over=False) == "flag"


def test_a_fixed_number_holds_for_each_month_alike() -> None:
    few = rule("views", reference=FIXED, threshold=50, minimum_denominator=1, persistence=2)
    months = {"views": 10, "members_any": 5}, {"views": 49, "members_any": 5}

    for exposures in ([30.0, 31.0], [30.0, 15.0], [15.0, 30.0]):
        assert verdict(few, [subject("P", *months, exposures=exposures)]) == "flag"


def test_above_nothing_at_all_once_is_too_often() -> None:
    never = rule("reversals", direction=ABOVE, reference=FIXED, threshold=0, minimum_denominator=1)

    assert verdict(never, [subject("P", {"reversals": 1, "members_any": 5})]) == "flag"
    assert verdict(never, [subject("P", {"views": 1, "members_any": 5})]) == "nothing"


def test_a_number_that_falls_is_compared_with_what_has_passed_of_the_month() -> None:
    half = [subject("P", {"views": 500}, *[{"views": 1000}] * 6, elapsed=0.5)]
    late = [subject("P", {"views": 500}, *[{"views": 1000}] * 6, elapsed=1.0)]

    assert verdict(VIEWS, half, is_over=False) == "nothing"
    assert verdict(VIEWS, late, is_over=False) == "flag"
    begun = judge(VIEWS, [subject("P", {"views": 20}, *[{"views": 1000}] * 6, elapsed=0.1)], is_over=False)
    assert only(begun).threshold == 75.0
    assert judge(VIEWS, [subject("P", {"views": 0}, *[{"views": 1000}] * 6, elapsed=0.0)], is_over=False) == {}


def test_offers_that_ended_as_planned_are_no_fault() -> None:
    fewer = subject("P", {"views": 300}, *[{"views": 1000}] * 6, offer_days=(30, *[90] * 6))

    assert verdict(VIEWS, [fewer]) == "nothing"
    assert verdict(VIEWS, [subject("P", {"views": 300}, *[{"views": 1000}] * 6, offer_days=(60, *[90] * 6))]) == "flag"
    assert judge(VIEWS, [subject("P", {"views": 0}, *[{"views": 1000}] * 6, offer_days=(0, *[90] * 6))]) == {}


def test_a_category_median_is_a_share_of_what_the_category_has_now() -> None:
    against = rule("unlock_rate", reference=MEDIAN, threshold=0.5)
    group = healthy(5, months=1)

    crossing = only(judge(against, [subject("P", {"views": 1000, "unlocks": 100}), *group]))
    assert (crossing.is_flag, crossing.threshold) == (True, 0.15)
    assert judge(against, [subject("P", {"views": 1000, "unlocks": 150}), *group]) == {}
    assert judge(against, [subject("P", {"views": 1000, "unlocks": 0}, category="travel"), *group]) == {}
    nothing = rule("failure_rate", direction=ABOVE, reference=MEDIAN, threshold=2)
    assert judge(nothing, [subject("P", {"attempts": 100, "failures": 1}), *healthy(5, months=1)]) == {}, "twice nothing"


def test_persistence_asks_for_so_many_months_in_a_row() -> None:
    run = rule("reversal_rate", direction=ABOVE, reference=FIXED, threshold=0.1, minimum_denominator=20, persistence=3)
    bad, good = {"reversals": 30, "redemptions": 60}, {"redemptions": 60}

    assert verdict(run, [subject("P", bad, bad)]) == "nothing"
    assert verdict(run, [subject("P", bad, good, bad)]) == "nothing"
    assert verdict(run, [subject("P", bad, None, bad)]) == "nothing"
    assert verdict(run, [subject("P", bad, bad, bad)]) == "flag"


@pytest.mark.parametrize("reference", [Reference.TRAILING, Reference.PREVIOUS])
def test_a_run_of_falls_is_measured_by_what_was_before_it(reference: str) -> None:
    run = rule(persistence=2, reference=reference)

    assert verdict(run, [subject("P", FALLEN, *[HEALTHY] * 6), *healthy()]) == "nothing"
    assert verdict(run, [subject("P", FALLEN, FALLEN, *[HEALTHY] * 6), *healthy()]) == "flag"


def test_a_run_of_volumes_counts_the_length_of_each_month() -> None:
    run = rule("views", persistence=2, threshold=0.75)
    months = [{"views": views} for views in (300, 300, 1000, 1000)]

    assert verdict(run, [subject("P", *months)]) == "flag"
    assert verdict(run, [subject("P", *months, exposures=[30.0, 10.0, 30.0, 30.0])]) == "nothing", "300 of 333"


def daily(*views: int, **changes: Any) -> Subject:
    """A partner that had 1,000 views in each of six months, and so many on the last days, newest first."""
    days = [{"views": number, "unlocks": number // 2} for number in views]
    return subject("P", {"views": 1000}, *[{"views": 1000, "unlocks": 500}] * 6, days=days, **changes)


def test_a_window_looks_at_the_last_days_alone() -> None:
    bad_week = [daily(*[5] * 7, *[40] * 23)]

    assert verdict(WEEK, bad_week) == "flag"
    assert verdict(VIEWS, bad_week) == "nothing", "the month as a whole had its 1,000"
    assert only(judge(WEEK, bad_week)).threshold == pytest.approx(0.75 * 1000 * 7 / 30)
    assert verdict(WEEK, [daily(*[40] * 7, *[5] * 23)]) == "nothing"
    assert judge(WEEK, [daily(*[5] * 6)]) == {}, "six days are no week"


def test_a_window_of_a_running_month_is_as_long_as_any_other() -> None:
    early = [daily(*[5] * 7, *[40] * 23, elapsed=0.25)]

    assert only(judge(WEEK, early, is_over=False)).threshold == pytest.approx(0.75 * 1000 * 7 / 30)


def test_a_rate_over_a_window() -> None:
    rated = rule(window_days=7)

    days = [{"views": 100, "unlocks": 5}] * 7 + [{"views": 100, "unlocks": 30}] * 23
    assert verdict(rated, [subject("P", *[HEALTHY] * 7, days=days)]) == "flag"
    assert judge(rated, [subject("P", *[HEALTHY] * 7, days=[{"views": 0, "unlocks": 0}] * 30)]) == {}


def test_days_in_a_row_all_have_their_own_window() -> None:
    three = rule("views", threshold=0.75, window_days=7, persistence=3, persistence_unit="days", minimum_denominator=100)

    assert verdict(three, [daily(*[10] * 9)]) == "flag"
    assert verdict(three, [daily(*[10] * 7, 150, 150)]) == "nothing", "the week that ended the day before had enough"
    assert judge(three, [daily(*[10] * 8)]) == {}, "the third week needs a ninth day"


def test_once_a_day_without_a_window_is_the_month() -> None:
    by_days = rule(persistence_unit="days")

    assert verdict(by_days, [fallen(), *healthy()]) == "flag"


def test_rules_on_stages_that_are_not_recorded_are_silent() -> None:
    stages = ["unlocked", "redeemed"]
    months = [figures(stages, unlocks=500), figures(stages, unlocks=500, redemptions=400)]
    given_ = ReviewInput(
        program="acme",
        months=["2026-06", "2026-05"],
        recorded_stages=stages,
        metric_version="1",
        policy=default_policy("view_first"),
        rules=[one.spec for one in default_rules("view_first")],
        partners=[PartnerInput("P", "food", months)],
    )

    [card] = make_cards(given_)

    assert (card.flags, card.evidence["crossed"]) == ([], [])


def test_what_the_past_lets_expect_is_remembered_and_serves_again() -> None:
    remembered: dict[str, Any] = {}
    first = judge(RULE, [fallen(), *healthy()], remembered=remembered)

    assert judge(RULE, [fallen(), *healthy()], remembered=remembered) == first
    assert list(remembered) == [RULE.code]
    remembered[RULE.code].clear()
    assert judge(RULE, [fallen(), *healthy()], remembered=remembered) == {}, "it is not computed again"
    median = rule(code="median", reference=MEDIAN, threshold=0.5)
    judge(median, healthy(), remembered=remembered)
    assert "median" not in remembered, "it depends on the reviewed month"


def world(seed: int) -> list[Subject]:
    """Partners with offers, some of whom fell, rose or are new."""
    random = Random(seed)

    def months(count: int) -> list[dict[str, int] | None]:
        made: list[dict[str, int] | None] = []
        for _ in range(count):
            views = random.choice([0, 30, 200, 900])
            unlocks = round(views * random.choice([0.05, 0.3, 0.3, 0.4]))
            redemptions = round(unlocks * 0.4)
            made.append({"views": views, "unlocks": unlocks, "redemptions": redemptions, "reversals": redemptions // 4})
        return [made[0], *(one if random.random() > 0.1 else None for one in made[1:])]

    subjects = []
    for number in range(random.randrange(1, 12)):
        category = random.choice(["food", "travel"])
        subjects.append(subject(f"P{number}", *months(7), category=category))
        for place in range(random.randrange(3)):
            subjects.append(
                subject(f"P{number}", *months(4), category=category, target=RuleTarget.OFFER, key=f"O{number}-{place}")
            )
    return subjects


@given(seed=st.integers(0, 100_000), other=st.integers(0, 100_000), is_over=st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_order_of_rules_and_partners_makes_no_difference(seed: int, other: int, is_over: bool) -> None:
    subjects, random = world(seed), Random(other)
    rules = [RULE, VIEWS, OF_OFFER, CEILING]

    found = judge(rules, subjects, is_over=is_over)
    again = judge(random.sample(rules, len(rules)), random.sample(subjects, len(subjects)), is_over=is_over)

    assert found == again
    assert {name: [one.evidence for one in found[name]] for name in found} == {
        name: [one.evidence for one in again[name]] for name in again
    }


@given(seed=st.integers(0, 100_000), is_over=st.booleans())
@settings(deadline=None, max_examples=40)
def test_every_crossing_says_why(seed: int, is_over: bool) -> None:
    for crossings in judge([RULE, VIEWS, OF_OFFER, CEILING], world(seed), is_over=is_over).values():
        assert [one.target for one in crossings] == sorted((one.target for one in crossings), key=lambda one: one != "partner")
        for one in crossings:
            assert one.is_flag is ("why_no_flag" not in one.evidence)
            is_beyond = one.observed > one.threshold if one.rule == CEILING.code else one.observed < one.threshold
            assert is_beyond or one.evidence["why_no_flag"] == "market_wide"
            if one.is_flag:
                low, high = one.evidence["difference_interval"]
                assert high < 0 or low > 0


def test_a_flag_needs_a_clear_difference_to_the_limit_too() -> None:
    """Far from what was expected, and not clearly beyond 0.8 of it."""
    near = subject("P", HEALTHY | {"views": 3000, "unlocks": 700}, *[HEALTHY | {"views": 3000, "unlocks": 900}] * 6)
    [reading] = [one for one in read_rule(RULE, [near, *healthy(views=3000, unlocks=900)]) if one.subject.partner == "P"]

    assert reading.is_crossed
    assert not reading.is_clear
    assert verdict(RULE, [near, *healthy(views=3000, unlocks=900)]) == "not_confirmed"
    assert verdict(rule(threshold=Decimal("0.9")), [near, *healthy(views=3000, unlocks=900)]) == "flag"
