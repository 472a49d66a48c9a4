"""Which comparison an action is proposed, why, and what the design says beforehand."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.rules.effects import (
    HOLD_OUT,
    MATCHED,
    NONE,
    ArmCounts,
    EffectDesign,
    Facts,
    UnitCounts,
    measure_effect,
    propose_design,
    usual_metric,
)

STEADY = ((500, None), (520, None), (490, None), (510, None), (505, None), (495, None))


def push(**changes: Any) -> EffectDesign:
    past = [ArmCounts(3000, 450, 500, 700), ArmCounts(2000, 900, 1300, 2600)]
    return propose_design("promotional_push", replace(Facts("members_redeemed", past=past, salt="push-1"), **changes))


def moved(key: str, factor: float = 1.0, growth: float = 0.0) -> UnitCounts:
    return UnitCounts(key, tuple((round(number * factor * (1 + growth) ** at), None) for at, (number, _) in enumerate(STEADY)))


def rerank(candidates: list[UnitCounts], **changes: Any) -> EffectDesign:
    facts = Facts("redemptions", unit="offer", treated=[moved("A")], candidates=candidates)
    return propose_design("rerank", replace(facts, **changes))


def test_a_push_holds_out_as_few_as_show_the_minimum_effect() -> None:
    design = push()

    assert (design.method, design.hold_out_share, design.visible_effect) == (HOLD_OUT, Decimal("0.15"), Decimal("0.200"))
    assert design.sentence == (
        "15 % of the audience, chosen by chance, is not written to; the others are compared with them. "
        "A rise by 20 % or more will be found nine times in ten."
    )
    assert push(minimum_effect=Decimal("0.3")).hold_out_share == Decimal("0.1")


def test_a_push_that_half_the_audience_nearly_suffices_for_says_so() -> None:
    design = push(minimum_effect=Decimal("0.1"))

    assert design.hold_out_share == Decimal("0.5")
    assert design.sentence.endswith(
        "A rise by 14.3 % or more will be found nine times in ten; one by 10 %, which would be worth knowing of, may not be."
    )


def test_a_push_holds_nobody_out_for_nothing() -> None:
    """Half the audience would show 60 %: the few that are held out are enough to say so."""
    design = push(past=[ArmCounts(500, 50, 50, 50)])

    assert design.hold_out_share == Decimal("0.1")
    assert design.visible_effect is not None
    assert design.visible_effect > 1


def test_a_share_that_a_person_chose_stands() -> None:
    assert push(hold_out_share=Decimal("0.05")).hold_out_share == Decimal("0.05")


def test_steady_members_need_a_smaller_hold_out() -> None:
    steady = push(past=[ArmCounts(3000, 90, 90, 90), ArmCounts(2000, 1260, 1260, 1260)])
    alike = push(past=[ArmCounts(5000, 1350, 1350, 1350)])

    assert steady.visible_effect == alike.visible_effect or steady.hold_out_share < alike.hold_out_share


@pytest.mark.parametrize(
    ("past", "says"),
    [([], "has 0 members"), ([ArmCounts(39, 20, 20, 20)], "has 39 members")],
)
def test_a_push_to_too_few_gets_no_verdict(past: list[ArmCounts], says: str) -> None:
    design = push(past=past)

    assert (design.method, design.hold_out_share) == (NONE, None)
    assert design.sentence.startswith("Cannot be told: ")
    assert says in design.sentence
    assert measure_effect(design).sentence == design.sentence


def test_a_push_about_something_new_is_measured_all_the_same() -> None:
    design = push(past=[ArmCounts(900, 9, 9, 9)])

    assert (design.method, design.hold_out_share, design.visible_effect) == (HOLD_OUT, Decimal("0.1"), None)
    assert design.sentence.endswith(
        "How small a change will be found cannot be said beforehand: 9 members did what counts in the 28 days before."
    )
    assert push(past=[ArmCounts(60, 0, 0, 0)]).hold_out_share == Decimal("0.5"), "both arms need their members"
    assert EffectDesign.from_json(design.as_json()) == design


def test_other_actions_are_compared_with_what_moved_alike() -> None:
    design = rerank([moved("D"), moved("C", 2), moved("B", 0.5), moved("growing", 1, 0.1), moved("falling", 1, -0.1)])

    assert (design.method, design.unit, design.treated, design.controls) == (MATCHED, "offer", ("A",), ("B", "C", "D"))
    assert design.baseline_periods == 6
    assert design.sentence.startswith(
        "Compared by offer with B, C and D, which moved alike over the 6 periods of 28 days before. "
    )


def test_many_controls_are_named_in_part() -> None:
    design = rerank([moved(f"O{number:02d}") for number in range(60)], unit="member.business_unit")

    assert len(design.controls) == 40
    assert "by business unit with O00, O01, O02, O03 and 36 more," in design.sentence


def test_what_has_hardly_any_events_is_left_out_of_what_is_treated() -> None:
    design = rerank([moved("B"), moved("C")], treated=[moved("A"), moved("idle", 0.03)])

    assert design.treated == ("A",)
    assert design.sentence.endswith(" idle had fewer than 20 events a period, and is left out.")


def test_what_jumps_to_and_fro_is_no_control() -> None:
    jumping = UnitCounts("J", ((500, None), (250, None), (900, None), (900, None), (250, None), (500, None)))

    assert rerank([moved("B"), moved("C"), jumping]).controls == ("B", "C")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"candidates": []}, "nothing comparable is left alone"),
        ({"candidates": [moved("B")]}, "of 1 that are left alone, 1 moved alike"),
        ({"candidates": [moved("B", 0.03), moved("C", 0.03)]}, "of 2 that are left alone, 0 moved alike"),
        ({"treated": []}, "changes nothing"),
        ({"treated": [moved("A", 0.03)]}, "A had fewer than 20 events"),
        ({"treated": [UnitCounts("A", STEADY[:3])], "candidates": []}, "3 earlier periods"),
    ],
)
def test_nothing_comparable_means_no_verdict(facts: dict[str, Any], says: str) -> None:
    design = rerank(**{"candidates": [moved("B"), moved("C")], **facts})

    assert design.method == NONE
    assert says in design.sentence


def test_a_paused_offer_has_nothing_to_compare() -> None:
    facts = Facts("redemptions", unit="offer", treated=[moved("A")], candidates=[moved("B"), moved("C")])

    assert propose_design("pause_offer", facts).sentence == "Cannot be told: a paused offer has no figures of its own to compare."


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("promotional_push", {"metric": "spend"}, "metric"),
        ("promotional_push", {"metric": "failure_rate"}, "metric"),
        ("rerank", {"metric": "members_redeemed"}, "metric"),
        ("rerank", {"window_days": 0}, "window_days"),
        ("rerank", {"window_days": 93}, "window_days"),
        ("rerank", {"minimum_effect": Decimal("0.001")}, "minimum_effect"),
        ("promotional_push", {"metric": "members_redeemed", "hold_out_share": Decimal(1)}, "hold_out_share"),
        ("promotional_push", {"metric": "members_redeemed", "salt": ""}, "salt"),
        ("rerank", {"candidates": [moved("A")]}, "candidates"),
        ("rerank", {"candidates": [UnitCounts("B", STEADY[1:])]}, "candidates"),
    ],
)
def test_what_no_design_can_be_made_of_is_refused(kind: str, changes: dict[str, Any], field: str) -> None:
    facts = Facts("redemptions", salt="s", unit="offer", treated=[moved("A")])

    with pytest.raises(InvalidInput) as refusal:
        propose_design(kind, replace(facts, **changes))

    assert (refusal.value.code, list(refusal.value.fields)) == ("invalid_design", [field])


@pytest.mark.parametrize(
    ("kind", "cause", "stages", "metric"),
    [
        ("promotional_push", "awareness", "viewed unlocked activated redeemed", "members_redeemed"),
        ("promotional_push", "", "viewed unlocked", "members_unlocked"),
        ("rerank", "awareness", "viewed redeemed", "views"),
        ("rerank", "awareness", "unlocked redeemed", "redemptions"),
        ("refresh_listing", "relevance", "viewed unlocked activated", "unlock_rate"),
        ("refresh_listing", "relevance", "viewed activated", "activations"),
        ("contact_partner", "delivery", "viewed", "failure_rate"),
        ("contact_partner", "friction", "activated redeemed", "redemption_rate"),
        ("contact_partner", "reversals", "redeemed", "reversal_rate"),
        ("rerank", "mixed", "viewed unlocked", "unlocks"),
        ("rerank", "", "", "redemptions"),
    ],
)
def test_the_usual_metric_is_what_the_cause_is_about(kind: str, cause: str, stages: str, metric: str) -> None:
    assert usual_metric(kind, cause, stages.split()) == metric
