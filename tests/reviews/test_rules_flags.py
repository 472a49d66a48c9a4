"""Rules and crossings: the worked table of docs/rules/flags.md, and every way in which a rule may be refused or silent."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.choices import Direction, Reference, RuleTarget
from reviews.rules import Month, RuleSpec, check_rule, count_interval, default_rules, evaluate, months_needed, rate_interval
from tests.reviews.figures import figures, read_counts, read_number, read_table

DEFAULTS = {rule.spec.code: rule.spec for rule in default_rules("view_first")}
FALL = DEFAULTS["unlock_rate_fall"]
CEILING = DEFAULTS["reversal_rate_high"]
WORKED = read_table("flags.md", "Worked table")


def month(counts: dict[str, int] | None, season: float = 1.0) -> Month:
    return Month(None if counts is None else figures(**counts), season)


@pytest.mark.parametrize("row", WORKED, ids=lambda row: f"{row['rule']}: {row['now']}; {row['before']}; {row['season']}")
def test_worked_table(row: dict[str, str]) -> None:
    months = [month(read_counts(row["now"]), float(row["season"])), month(read_counts(row["before"]))]

    crossing = evaluate(DEFAULTS[row["rule"]], months)

    if row["verdict"] == "nothing":
        assert crossing is None
        return
    assert crossing is not None
    assert (crossing.observed, crossing.threshold) == (float(row["observed"]), float(row["threshold"]))
    assert crossing.evidence["difference_interval"] == [read_number(end) for end in row["difference lies in"].split(" to ")]
    assert crossing.is_flag is (row["verdict"] == "flag")
    assert crossing.evidence.get("why_no_flag") == (None if crossing.is_flag else "not_confirmed")


def test_the_worked_table_shows_every_verdict() -> None:
    assert {row["verdict"] for row in WORKED} == {"flag", "not confirmed", "nothing"}
    assert {row["rule"] for row in WORKED} | {"redemption_rate_fall"} == set(DEFAULTS)


@pytest.mark.parametrize(("unlocks", "crosses"), [(179, True), (180, False), (181, False)])
def test_below_is_strict(unlocks: int, crosses: bool) -> None:
    months = [month({"unlocks": unlocks, "views": 1000}), month({"unlocks": 300, "views": 1000})]

    assert (evaluate(FALL, months) is not None) is crosses


@pytest.mark.parametrize(("reversals", "crosses"), [(81, True), (80, False), (79, False)])
def test_above_is_strict(reversals: int, crosses: bool) -> None:
    assert (evaluate(CEILING, [month({"reversals": reversals, "redemptions": 1000})]) is not None) is crosses


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"views": 99, "unlocks": 1}, {"views": 500, "unlocks": 200}),
        ({"views": 500, "unlocks": 1}, {"views": 99, "unlocks": 60}),
        ({"views": 500, "unlocks": 1}, None),
        ({"views": 0}, {"views": 500, "unlocks": 200}),
    ],
)
def test_a_fall_needs_enough_in_both_months(now: dict[str, int], before: dict[str, int] | None) -> None:
    assert evaluate(FALL, [month(now), month(before)]) is None


def test_a_fixed_count_needs_enough_members() -> None:
    rule = RuleSpec("few_views", "views", Direction.BELOW, Reference.FIXED, Decimal(50), 10)

    assert evaluate(rule, [Month(figures(views=5, members_any=9))]) is None
    crossing = evaluate(rule, [Month(figures(views=5, members_any=10))])
    assert crossing is not None
    assert (crossing.observed, crossing.threshold, crossing.is_flag) == (5.0, 50.0, True)


def test_twelve_unlocks_and_no_redemption_is_no_flag() -> None:
    """The case that a review is wrong about more often than right."""
    rule = RuleSpec("weak", "redemptions_per_unlock", Direction.BELOW, Reference.FIXED, Decimal("0.02"), 1)
    crossing = evaluate(rule, [month({"unlocks": 12})])

    assert crossing is not None
    assert (crossing.is_flag, crossing.evidence["why_no_flag"]) == (False, "not_confirmed")
    assert evaluate(rule, [month({"unlocks": 1200})]).is_flag  # type: ignore[union-attr]


def test_a_stage_that_is_not_recorded_leaves_its_rules_silent() -> None:
    months = [Month(figures(["unlocked", "redeemed"], unlocks=500)), Month(figures(["unlocked", "redeemed"], unlocks=500))]

    assert [rule.code for rule in DEFAULTS.values() if evaluate(rule, months)] == []


def test_persistence_asks_for_so_many_months_in_a_row() -> None:
    rule = replace(CEILING, persistence=3)
    bad, good = month({"reversals": 30, "redemptions": 60}), month({"reversals": 0, "redemptions": 60})

    assert evaluate(rule, [bad, bad]) is None
    assert evaluate(rule, [bad, good, bad]) is None
    crossing = evaluate(rule, [bad, bad, bad])
    assert crossing is not None
    assert (crossing.is_flag, crossing.evidence["months_in_a_row"]) == (True, 3)


def test_one_uncertain_month_makes_the_persistence_uncertain() -> None:
    rule = replace(CEILING, persistence=2)
    crossing = evaluate(rule, [month({"reversals": 30, "redemptions": 60}), month({"reversals": 3, "redemptions": 25})])

    assert crossing is not None
    assert (crossing.is_flag, crossing.evidence["why_no_flag"]) == (False, "not_confirmed")


def test_a_rule_that_is_cooling_down_opens_no_second_flag() -> None:
    crossing = evaluate(CEILING, [month({"reversals": 30, "redemptions": 60})], recently_flagged=True)

    assert crossing is not None
    assert (crossing.is_flag, crossing.evidence["why_no_flag"]) == (False, "cooldown")


def test_a_number_that_can_still_grow_is_no_fall() -> None:
    fall = DEFAULTS["views_fall"]
    months = [month({"views": 5}), month({"views": 900})]

    running, over = (evaluate(fall, months, month_is_over=is_over) for is_over in (False, True))

    assert running is not None
    assert over is not None
    assert (running.is_flag, running.evidence["why_no_flag"]) == (False, "month_running")
    assert over.is_flag


def test_a_rate_of_a_running_month_is_judged_like_any_other() -> None:
    crossing = evaluate(CEILING, [month({"reversals": 30, "redemptions": 60})], month_is_over=False)

    assert crossing is not None
    assert crossing.is_flag


def test_observed_has_nine_decimals() -> None:
    crossing = evaluate(CEILING, [month({"reversals": 30, "redemptions": 70})])

    assert crossing is not None
    assert crossing.observed == 0.428571429


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metric", "happiness"),
        ("metric", "net_spend"),
        ("target", RuleTarget.OFFER),
        ("reference", Reference.TRAILING),
        ("reference", "feeling"),
        ("direction", "sideways"),
        ("severity", "fatal"),
        ("threshold", Decimal("-0.1")),
        ("threshold", Decimal("0.1234567891")),
        ("threshold", Decimal(10) ** 9),
        ("threshold", Decimal(0)),
        ("minimum_denominator", 0),
        ("persistence", 0),
        ("persistence", 13),
        ("cooldown", -1),
        ("cooldown", 13),
        ("code", "a rule"),
        ("code", ""),
        ("lookback_months", 0),
        ("lookback_months", 13),
        ("window_days", 6),
        ("window_days", 93),
        ("persistence_unit", "evaluations"),
        ("cooldown_unit", "hours"),
    ],
)
def test_rules_that_cannot_be_evaluated_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_rule(replace(FALL, **{field: value}))

    assert (refusal.value.code, list(refusal.value.fields)) == ("invalid_rule", [field])


def test_days_have_a_range_of_their_own() -> None:
    by_days = replace(FALL, window_days=30, persistence=31, persistence_unit="days", cooldown=31, cooldown_unit="days")
    check_rule(by_days)

    for name in ("persistence", "cooldown"):
        with pytest.raises(InvalidInput) as refusal:
            check_rule(replace(by_days, **{name: 32}))
        assert refusal.value.fields[name].endswith("to 31 days.")
    with pytest.raises(InvalidInput) as refusal:
        check_rule(replace(by_days, window_days=None))
    assert list(refusal.value.fields) == ["persistence_unit"], "a month has no last days"


def test_an_unknown_metric_is_an_error_with_a_hint_and_never_a_guess() -> None:
    for written, meant in (("unlock-rate", "unlock_rate"), ("Redemption Rate", "redemption_rate"), ("view", "views")):
        with pytest.raises(InvalidInput) as refusal:
            check_rule(replace(FALL, metric=written))
        assert f"Did you mean {meant}?" in refusal.value.fields["metric"]
    with pytest.raises(InvalidInput) as refusal:
        check_rule(replace(FALL, metric="xyz"))
    assert "Did you mean" not in refusal.value.fields["metric"]


@pytest.mark.parametrize("order", ["view_first", "unlock_first"])
def test_default_rules_are_sound_and_fit_the_stage_order(order: str) -> None:
    rules = [rule.spec for rule in default_rules(order)]

    for rule in rules:
        check_rule(rule)
        assert rule.minimum_denominator >= 20
    metrics = {rule.metric for rule in rules}
    assert ("view_rate" in metrics, "unlock_rate" in metrics) == (order == "unlock_first", order == "view_first")
    assert "unlocks" not in metrics, "unlocks come in bursts"


def test_a_rule_survives_its_frozen_form() -> None:
    assert RuleSpec.from_json({**FALL.as_json(), "name": "beside", "number": 3}) == FALL
    assert RuleSpec.from_json(FALL.as_json()).digest == FALL.digest


@pytest.mark.parametrize("field", ["threshold", "minimum_denominator", "persistence", "cooldown"])
def test_every_number_of_a_rule_is_in_its_digest(field: str) -> None:
    assert replace(FALL, **{field: getattr(FALL, field) + 1}).digest != FALL.digest


def test_months_needed_counts_the_reference() -> None:
    assert months_needed([]) == 1
    assert months_needed([CEILING]) == 1
    assert months_needed([replace(FALL, persistence=3), CEILING]) == 4


@pytest.mark.parametrize(
    ("numerator", "denominator", "low", "high"),
    [
        (0, 12, 0.0, 0.428571429),
        (0, 200, 0.0, 0.043062201),
        (5, 50, 0.028911379, 0.293122519),
        (30, 20, 0.873163748, 2.576836252),
    ],
)
def test_rate_intervals(numerator: int, denominator: int, low: float, high: float) -> None:
    assert [round(end, 9) for end in rate_interval(numerator, denominator)] == [low, high]


def test_count_intervals() -> None:
    assert [round(end, 9) for end in count_interval(0)] == [0.0, 9.0]
    assert [round(end, 9) for end in count_interval(9)] == [3.437694101, 23.562305899]
