"""Every rule can be said as one sentence, and the sentence is English."""

import re
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from reviews.choices import Direction, Reference, RuleTarget
from reviews.rules import COUNTS, RATES, RuleSpec, default_rules, say_recency, say_rule, say_threshold

BASE = RuleSpec("r", "redemption_rate", "below", "category_median", Decimal("0.6"), 100)
SENTENCES = [
    (
        {"window_days": 30, "persistence": 2, "persistence_unit": "days"},
        "Flag a partner when its redemption rate over the last 30 days is below 60 % of its category's median, with at least "
        "100 activations, on 2 consecutive days.",
    ),
    (
        {"reference": "previous", "metric": "views", "minimum_denominator": 1},
        "Flag a partner when its number of views in the month is below 60 % of what it was in the month before, with at least "
        "1 view before.",
    ),
    (
        {"reference": "fixed", "direction": "above", "metric": "failure_rate", "threshold": Decimal("0.05")},
        "Flag a partner when its failure rate in the month is above 5 %, with at least 100 attempts.",
    ),
    (
        {"reference": "fixed", "metric": "members_any", "threshold": Decimal(1200), "minimum_denominator": 1},
        "Flag a partner when its number of active members in the month is below 1,200, with at least 1 active member.",
    ),
    (
        {"reference": "fixed", "metric": "redemptions_per_unlock", "threshold": Decimal("0.250000000")},
        "Flag a partner when its number of redemptions per unlock in the month is below 0.25, with at least 100 unlocks.",
    ),
    (
        {"target": "offer", "reference": "trailing", "lookback_months": 6, "cooldown": 2},
        "Flag an offer when its redemption rate in the month is below 60 % of its level in the 6 months before, with at least "
        "100 activations, and then not again for 2 months.",
    ),
    (
        {"target": "partner_segment", "reference": "trailing", "lookback_months": 1, "threshold": Decimal(1), "is_strict": True},
        "Flag a partner in a segment when its redemption rate there in the month is below its level in the month before, with at "
        "least 100 activations, even where it may be chance.",
    ),
    (
        {
            "reference": "previous",
            "window_days": 7,
            "persistence": 3,
            "cooldown": 1,
            "cooldown_unit": "days",
            "threshold": Decimal("0.625"),
            "minimum_denominator": 2500,
        },
        "Flag a partner when its redemption rate over the last 7 days is below 62.5 % of what it was in the 7 days before, with "
        "at least 2,500 activations, in 3 consecutive months, and then not again for 1 day.",
    ),
    (
        {"metric": "members_viewed", "direction": "above", "threshold": Decimal(2), "minimum_denominator": 1},
        "Flag a partner when its number of members who viewed in the month is above 200 % of its category's median, with at "
        "least 1 member who viewed as the median.",
    ),
]
FRAME = re.compile(
    r"Flag (a partner|an offer|a partner in a segment) when its [a-z ]+ (in the month|over the last \d+ days) is (below|above) "
    r"[^,]+(,\d{3})*, with at least [\d,]+ [a-z ]+(, (in|on) \d+ consecutive (months|days))?(, even where it may be chance)?"
    r"(, and then not again for \d+ (months?|days?))?\."
)


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=range(len(SENTENCES)))
def test_a_rule_reads_as_a_person_would_say_it(changes: dict[str, object], sentence: str) -> None:
    assert say_rule(replace(BASE, **changes)) == sentence  # type: ignore[arg-type]


def test_every_combination_gives_a_sentence_of_its_own() -> None:
    """All that a rule may say: 2 × 21 × 3 × 4 × ... of them, each grammatical in its frame, no two the same."""
    said: dict[str, RuleSpec] = {}
    for target, metric, direction, reference in product(RuleTarget, [*RATES, *COUNTS], Direction, Reference):
        for window, persistence, cooldown, strict, minimum in product(
            (None, 30),
            ((1, "cycles"), (2, "cycles"), (2, "days")),
            ((0, "cycles"), (1, "cycles"), (14, "days")),
            (False, True),
            (1, 100),
        ):
            rule = replace(
                BASE,
                target=target,
                metric=metric,
                direction=direction,
                reference=reference,
                window_days=window,
                persistence=persistence[0],
                persistence_unit=persistence[1],
                cooldown=cooldown[0],
                cooldown_unit=cooldown[1],
                is_strict=strict,
                minimum_denominator=minimum,
            )
            sentence = say_rule(rule)
            assert FRAME.fullmatch(sentence), sentence
            assert not re.search(r"\b1 \w+s\b|\b(?:[2-9]|\d\d+) (?:day|month|view|member)\b|  |_", sentence), sentence
            assert sentence not in said, f"{rule} and {said[sentence]}"
            said[sentence] = rule

    assert len(said) == 3 * 21 * 2 * 4 * 2 * 3 * 3 * 2 * 2


@pytest.mark.parametrize("stage_order", ["view_first", "unlock_first"])
def test_the_rules_of_a_new_program_can_be_said(stage_order: str) -> None:
    sentences = {say_rule(rule.spec) for rule in default_rules(stage_order)}

    assert len(sentences) == len(default_rules(stage_order))
    assert all(FRAME.fullmatch(sentence) for sentence in sentences)


@pytest.mark.parametrize(
    ("metric", "reference", "threshold", "text"),
    [
        ("failure_rate", "fixed", "0.05", "5 %"),
        ("failure_rate", "fixed", "0", "0 %"),
        ("failure_rate", "fixed", "0.000000001", "0.0000001 %"),
        ("views", "previous", "1.5", "150 %"),
        ("views", "fixed", "1000000", "1,000,000"),
        ("redemptions_per_view", "fixed", "0.5", "0.5"),
        ("redemptions_per_view", "trailing", "0.5", "50 %"),
    ],
)
def test_a_threshold_is_written_as_people_write_it(metric: str, reference: str, threshold: str, text: str) -> None:
    assert say_threshold(metric, reference, Decimal(threshold)) == text


@pytest.mark.parametrize(
    ("months", "said"),
    [
        (0, "the month alone"),
        (1, "the month, and the one before it by half"),
        (2, "the month, and the 2 before it by 67 % and 33 %"),
        (3, "the month, and the 3 before it by 75 %, 50 % and 25 %"),
        (12, "the month, and the 12 before it by 92 % down to 8 %"),
    ],
)
def test_how_far_back_a_standing_looks(months: int, said: str) -> None:
    assert say_recency(months) == said
