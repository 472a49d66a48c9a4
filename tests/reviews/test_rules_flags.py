"""What a rule may say, what is refused, and that its frozen form says all of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.choices import Direction, Reference, RuleTarget, TimeUnit
from reviews.rules import RuleSpec, check_rule, default_rules, months_needed

DEFAULTS = {rule.spec.code: rule.spec for rule in default_rules("view_first")}
FALL = DEFAULTS["unlock_rate_fall"]
CEILING = DEFAULTS["reversal_rate_high"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metric", "happiness"),
        ("metric", "net_spend"),
        ("target", "campaign"),
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
        assert rule.minimum_denominator >= 15
    metrics = {rule.metric for rule in rules}
    assert ("view_rate" in metrics, "unlock_rate" in metrics) == (order == "unlock_first", order == "view_first")
    assert "unlocks" not in metrics, "unlocks come in bursts"


def test_a_rule_survives_its_frozen_form() -> None:
    assert RuleSpec.from_json({**FALL.as_json(), "name": "beside", "number": 3}) == FALL
    assert RuleSpec.from_json(FALL.as_json()).digest == FALL.digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", Decimal("0.81")),
        ("minimum_denominator", 41),
        ("persistence", 2),
        ("persistence_unit", TimeUnit.DAYS),
        ("cooldown", 1),
        ("cooldown_unit", TimeUnit.DAYS),
        ("lookback_months", 3),
        ("window_days", 14),
        ("is_strict", True),
        ("direction", Direction.ABOVE),
        ("reference", Reference.PREVIOUS),
        ("severity", "critical"),
        ("target", RuleTarget.OFFER),
        ("metric", "view_rate"),
        ("code", "other"),
    ],
)
def test_all_that_a_rule_says_is_in_its_digest_and_its_frozen_form(field: str, value: Any) -> None:
    changed = replace(FALL, **{field: value})

    assert changed.digest != FALL.digest
    assert RuleSpec.from_json(changed.as_json()) == changed


def test_months_needed_counts_the_reference_and_what_lies_before_a_run() -> None:
    assert months_needed([]) == 1
    assert months_needed([CEILING]) == 1
    assert months_needed([replace(CEILING, persistence=3)]) == 3
    assert months_needed([replace(FALL, reference=Reference.PREVIOUS)]) == 2
    assert months_needed([FALL, CEILING]) == 7
    assert months_needed([replace(FALL, lookback_months=3, persistence=3), CEILING]) == 6
    assert months_needed([replace(FALL, window_days=7, persistence=5, persistence_unit=TimeUnit.DAYS)]) == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"window_days": 7, "persistence": 2},
        {"persistence": 2, "persistence_unit": TimeUnit.DAYS},
        {"window_days": 7, "target": RuleTarget.OFFER},
        {"window_days": 7, "metric": "members_viewed"},
        {"target": RuleTarget.PARTNER_SEGMENT, "metric": "members_any"},
        {"metric": "views", "reference": Reference.CATEGORY_MEDIAN},
    ],
)
def test_what_cannot_go_together_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_rule(replace(FALL, **changes))

    assert len(refusal.value.fields) == 1
