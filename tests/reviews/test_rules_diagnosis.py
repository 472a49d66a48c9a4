"""Why a partner falls behind: every cause from planted figures, who carries the fall, and sentences that can be read."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from reviews.choices import Cause, RuleTarget
from reviews.rules import Crossing, PartInput, PartnerInput, ReviewInput, default_policy, default_rules, make_cards
from reviews.rules.diagnosis import ACTIONS, CAUSE_OF, Part, diagnose, loss_of, number_words
from reviews.rules.measures import COUNTS, RATES
from reviews.rules.positions import Shift
from tests.reviews.figures import ALL_STAGES, figures

MONTHS = ["2026-06", "2026-05", "2026-04", "2026-03", "2026-02", "2026-01", "2025-12"]
WELL = {"views": 2000, "unlocks": 600, "activations": 400, "redemptions": 240}
SENTENCE = re.compile(r"[A-Z][^{}]*[.]")


FAILED = ("failed_unlocks", "failed_activations", "failed_redemptions")


def entry(name: str, now: Mapping[str, int], past: Mapping[str, int] = WELL, stages: list[str] | None = None) -> PartnerInput:
    """A partner with six months of `past` before this one. Its figures know one number of failures, whatever failed."""
    failed = {kind: now[kind] for kind in FAILED if kind in now}
    counts = {kind: number for kind, number in now.items() if kind not in failed}
    rows = [figures(stages, **counts, failures=sum(failed.values())), *[figures(stages, **past)] * 6]
    return PartnerInput(name, "food", rows, failed=failed)


def diagnosis_of(
    now: Mapping[str, int],
    past: Mapping[str, int] = WELL,
    *,
    order: str = "view_first",
    stages: list[str] | None = None,
    **more: Any,
) -> dict[str, Any] | None:
    """What is said of P, who alone has these figures among eight who stay as they were."""
    partners = [entry("P", now, past, stages), *(entry(f"Q{number}", past, past, stages) for number in range(8))]
    given = ReviewInput(
        program="acme",
        months=MONTHS,
        recorded_stages=stages or ALL_STAGES,
        metric_version="1",
        policy=default_policy(order),
        rules=[one.spec for one in default_rules(order)],
        partners=partners,
        **more,
    )
    cards = {card.partner: card for card in make_cards(given)}
    assert all(cards[f"Q{number}"].diagnosis is None for number in range(8)), "nobody else is ill"
    return cards["P"].diagnosis


def reads_well(diagnosis: dict[str, Any]) -> bool:
    text = diagnosis["sentence"]
    return bool(SENTENCE.fullmatch(text)) and not re.search(r"  |None|\b0 of 0\b|_", text)


PLANTED = [
    ("awareness", {"views": 600, "unlocks": 180, "activations": 120, "redemptions": 72}, "views"),
    ("relevance", {"views": 2000, "unlocks": 200, "activations": 133, "redemptions": 80}, "unlock_rate"),
    ("relevance", {"views": 2000, "unlocks": 600, "activations": 150, "redemptions": 90}, "activation_rate"),
    ("friction", {"views": 2000, "unlocks": 600, "activations": 400, "redemptions": 90}, "redemption_rate"),
    ("delivery", {**WELL, "failed_unlocks": 200, "failed_activations": 100}, "failure_rate"),
    ("friction", {**WELL, "failed_unlocks": 50, "failed_redemptions": 250}, "failure_rate"),
    ("reversals", {**WELL, "reversals": 90}, "reversal_rate"),
]


@pytest.mark.parametrize(("cause", "now", "metric"), PLANTED, ids=[f"{one[0]} by {one[2]}" for one in PLANTED])
def test_each_cause_is_found_by_its_numbers(cause: str, now: dict[str, int], metric: str) -> None:
    said = diagnosis_of(now)

    assert said is not None
    assert said["cause"] == cause
    assert said["evidence"][0]["metric"] == metric
    assert [action["kind"] for action in said["actions"]] == list(ACTIONS[Cause(cause)])
    assert {action["target"] for action in said["actions"]} == {"P"}
    assert reads_well(said), said["sentence"]


def test_two_steps_that_lose_about_as_much_are_mixed() -> None:
    said = diagnosis_of({"views": 800, "unlocks": 90, "activations": 60, "redemptions": 36})

    assert said is not None
    assert said["cause"] == "mixed"
    assert {one["cause"] for one in said["evidence"]} == {"awareness", "relevance"}
    assert "Members do not get to see the offers" in said["sentence"]
    assert "Members see the offers and do not want them" in said["sentence"]
    assert reads_well(said)


def test_one_step_that_loses_far_more_speaks_alone() -> None:
    said = diagnosis_of({"views": 1200, "unlocks": 36, "activations": 24, "redemptions": 14})

    assert said is not None
    assert (said["cause"], [one["cause"] for one in said["evidence"]]) == ("relevance", ["relevance", "awareness"])
    assert "get to see" not in said["sentence"]


def test_activations_that_failed_are_a_matter_of_delivery() -> None:
    """The activation rate fell as far either way; where the failed ones would have made it up, nobody lost interest."""
    fallen = {**WELL, "activations": 200, "redemptions": 120}

    failed, unwanted = diagnosis_of({**fallen, "failed_activations": 200}), diagnosis_of({**fallen, "failed_activations": 2})

    assert failed is not None
    assert unwanted is not None
    assert (failed["cause"], unwanted["cause"]) == ("delivery", "relevance")
    assert "activation_rate" in [one["metric"] for one in failed["evidence"]]
    assert "Failed: 200 activations." in failed["sentence"]


def test_redemptions_that_failed_stay_friction() -> None:
    said = diagnosis_of({**WELL, "redemptions": 90, "failed_redemptions": 150})

    assert said is not None
    assert (said["cause"], [one["cause"] for one in said["evidence"]]) == ("friction", ["friction"])
    assert "150 redemptions" in said["sentence"]


def test_a_program_that_unlocks_first_is_read_in_its_own_order() -> None:
    past = {"unlocks": 600, "views": 400, "activations": 240, "redemptions": 120}
    said = diagnosis_of({**past, "activations": 90, "redemptions": 45}, past, order="unlock_first")
    assert said is not None
    assert (said["cause"], said["evidence"][0]["metric"]) == ("relevance", "activation_rate")

    unseen = diagnosis_of({**past, "views": 100}, past, order="unlock_first")
    assert unseen is not None
    assert (unseen["cause"], [one["metric"] for one in unseen["evidence"]]) == ("relevance", ["view_rate"])
    assert "get to see" not in unseen["sentence"], "as many unlocked as before"

    fewer = diagnosis_of({name: number // 4 for name, number in past.items()}, past, order="unlock_first")
    assert fewer is not None
    assert (fewer["cause"], [one["metric"] for one in fewer["evidence"]]) == ("awareness", ["views"])


@pytest.mark.parametrize(
    ("stages", "past", "now", "cause"),
    [
        (["viewed", "unlocked"], {"views": 2000, "unlocks": 600}, {"views": 2000, "unlocks": 150}, "relevance"),
        (["viewed", "unlocked"], {"views": 2000, "unlocks": 600}, {"views": 500, "unlocks": 150}, "awareness"),
        (
            ["activated", "redeemed"],
            {"activations": 400, "redemptions": 240},
            {"activations": 400, "redemptions": 60},
            "friction",
        ),
    ],
)
def test_two_stages_say_what_two_stages_can(stages: list[str], past: dict[str, int], now: dict[str, int], cause: str) -> None:
    said = diagnosis_of(now, past, stages=stages)

    assert said is not None
    assert (said["cause"], reads_well(said)) == (cause, True)


def test_nothing_crossed_is_no_diagnosis() -> None:
    assert diagnosis_of(WELL) is None
    assert diagnosis_of({name: number * 2 for name, number in WELL.items()}) is None


def test_too_little_data_is_said_and_nothing_is_advised() -> None:
    few = {"views": 60, "unlocks": 18, "activations": 12, "redemptions": 7}
    said = diagnosis_of({**few, "unlocks": 12}, few)

    assert said is not None
    assert (said["cause"], said["actions"], said["carriers"]) == ("too_little_data", [], [])
    assert said["sentence"].endswith("This may be chance: it is too little data to say.")
    assert said["evidence"][0]["loss"] == 0
    assert reads_well(said)


def test_the_market_is_nobodys_fault() -> None:
    fallen = {**WELL, "unlocks": 200, "activations": 133, "redemptions": 80}
    partners = [entry(f"P{number}", fallen) for number in range(6)]
    rules = [one.spec for one in default_rules("view_first")]
    cards = make_cards(ReviewInput("acme", MONTHS, ALL_STAGES, "1", default_policy("view_first"), rules, partners))

    for card in cards:
        assert card.flags == []
        assert card.diagnosis is not None
        assert (card.diagnosis["cause"], card.diagnosis["actions"]) == ("market_wide", [])
        assert reads_well(card.diagnosis)


def test_a_partner_that_was_moved_down_is_not_blamed() -> None:
    said = diagnosis_of({name: number // 2 for name, number in WELL.items()}, positions=lambda: {"P": Shift(0.4, 1.0)})

    assert said is not None
    assert (said["cause"], said["actions"]) == ("position", [])
    assert "further down" in said["sentence"]
    assert reads_well(said)


def part(target: str, key: str, now: int, past: int = 150, partner: str = "P") -> PartInput:
    """600 views a month, and so many unlocks."""
    rows = [figures(views=600, unlocks=now), *[figures(views=600, unlocks=past)] * 3]
    return PartInput(partner, target, key, rows)


def test_the_offer_that_carries_the_fall_is_named_and_aimed_at() -> None:
    offers = [part(RuleTarget.OFFER, "O1", 10), part(RuleTarget.OFFER, "O2", 150), part(RuleTarget.OFFER, "O3", 155)]
    said = diagnosis_of({"views": 2000, "unlocks": 200, "activations": 133, "redemptions": 80}, parts=offers)

    assert said is not None
    [carrier] = said["carriers"]
    assert (carrier["target"], carrier["key"], carrier["share"]) == ("offer", "O1", 1.0)
    assert carrier["observed"] < carrier["expected"] == 0.25
    assert "Most of the fall is carried by O1 (100 %)." in said["sentence"]
    assert [(action["kind"], action["target"]) for action in said["actions"]] == [("refresh_listing", "O1")]


def crossing(metric: str = "unlock_rate", observed: float = 0.1, expected: float = 0.3, **changes: Any) -> Crossing:
    told = {"numerator": 100, "denominator": 1000, "reference": {"value": expected, "months": 6, "movement": 1.0}}
    values = {"is_flag": True, "evidence": told, "target": RuleTarget.PARTNER, "target_key": ""} | changes
    return Crossing(f"{metric}_rule", metric, observed, round(0.8 * expected, 9), **values)


def lacking(key: str, missing: float, target: str = RuleTarget.OFFER, metric: str = "unlock_rate") -> Part:
    return Part(target, key, metric, 0.1, 0.3, missing)


@pytest.mark.parametrize(
    ("missing", "carriers"),
    [
        ({"O1": 100.0, "O2": 0.0}, ["O1"]),
        ({"O1": 100.0, "O2": -50.0}, ["O1"]),
        ({"O1": 50.0, "O2": 50.0}, []),
        ({"O1": 76.0, "O2": 24.0}, ["O1"]),
        ({"O1": 74.0, "O2": 26.0}, []),
        ({"O1": 100.0}, []),
        ({"O1": -100.0, "O2": -5.0}, []),
        ({"O1": 40.0, "O2": 40.0, "O3": 5.0, "O4": 5.0, "O5": 5.0, "O6": 5.0}, ["O1", "O2"]),
        ({f"O{number}": 10.0 for number in range(10)}, []),
        ({f"O{number}": 30.0 if number < 4 else 1.0 for number in range(12)}, ["O0", "O1", "O2"]),
    ],
)
def test_a_carrier_has_more_than_its_share(missing: dict[str, float], carriers: list[str]) -> None:
    said = diagnose("P", [crossing()], {}, [lacking(key, number) for key, number in missing.items()])

    assert said is not None
    assert [carrier["key"] for carrier in said["carriers"]] == carriers
    assert ("carried by" in said["sentence"]) is bool(carriers)
    assert {action["target"] for action in said["actions"]} == {carriers[0] if carriers else "P"}


def test_segments_carry_within_their_attribute() -> None:
    segment = RuleTarget.PARTNER_SEGMENT
    parts = [
        lacking("region=north", 90, segment),
        lacking("region=south", 10, segment),
        lacking("unit=a", 50, segment),
        lacking("unit=b", 50, segment),
        lacking("region=north", 900, segment, "activation_rate"),
    ]
    said = diagnose("P", [crossing()], {}, parts)

    assert said is not None
    assert [(carrier["key"], carrier["share"]) for carrier in said["carriers"]] == [("region=north", 0.9)]
    assert "Most of the fall is carried by region north (90 %)." in said["sentence"]
    assert said["actions"] == [{"kind": "refresh_listing", "target": "P"}], "a segment cannot be refreshed"


@pytest.mark.parametrize(
    ("target", "key", "said"),
    [
        (RuleTarget.OFFER, "O=7", "Only the offer O=7 is concerned."),
        (RuleTarget.PARTNER_SEGMENT, "region=north", "Only members with region north are concerned."),
        (RuleTarget.PARTNER_SEGMENT, "region=", "Only members with no region are concerned."),
    ],
)
def test_where_only_a_part_is_flagged_it_is_named(target: str, key: str, said: str) -> None:
    found = diagnose("P", [crossing(target=target, target_key=key)], {}, [])

    assert found is not None
    assert found["sentence"].endswith(said)
    assert reads_well(found)
    assert found["actions"][0]["target"] == (key if target == RuleTarget.OFFER else "P")


def test_the_whole_speaks_before_its_parts() -> None:
    of_offer = crossing("activation_rate", 0.01, target=RuleTarget.OFFER, target_key="O1")
    said = diagnose("P", [crossing(), of_offer], {}, [])

    assert said is not None
    assert [one["metric"] for one in said["evidence"]] == ["unlock_rate"]


def test_more_of_something_good_is_no_illness() -> None:
    assert diagnose("P", [crossing("unlock_rate", 0.9)], {}, []) is None
    assert diagnose("P", [crossing("reversal_rate", 0.01, 0.1)], {}, []) is None
    both = diagnose("P", [crossing("views", 9000.0, 1000.0), crossing("unlock_rate", 0.1)], {}, [])
    assert both is not None
    assert (both["cause"], len(both["evidence"])) == ("relevance", 1)


def quiet(reason: str, **changes: Any) -> Crossing:
    plain = crossing()
    return crossing(is_flag=False, evidence={**plain.evidence, "why_no_flag": reason}, **changes)


@pytest.mark.parametrize(
    ("reasons", "cause"),
    [
        (["not_confirmed"], "too_little_data"),
        (["not_confirmed", "market_wide"], "market_wide"),
        (["position", "not_confirmed"], "position"),
        (["position", "market_wide"], "market_wide"),
        (["cooldown"], None),
        (["data_gap"], None),
    ],
)
def test_without_a_flag_what_explains_the_crossing_speaks(reasons: list[str], cause: str | None) -> None:
    said = diagnose("P", [quiet(reason) for reason in reasons], {}, [])

    assert (said and said["cause"]) == cause
    assert diagnose("P", [quiet(reason, target=RuleTarget.OFFER, target_key="O") for reason in reasons], {}, []) is None
    assert diagnose("P", [crossing(), *map(quiet, reasons)], {}, [])["cause"] == "relevance"  # type: ignore[index]


@pytest.mark.parametrize("metric", sorted(CAUSE_OF))
def test_every_metric_that_a_rule_may_look_at_can_be_told(metric: str) -> None:
    is_loss = (metric in RATES and RATES[metric].is_loss) or metric in ("failures", "reversals")
    is_rate = metric in RATES
    low, high = (0.1, 0.3) if is_rate else (100.0, 300.0)
    flag = crossing(metric, high if is_loss else low, low if is_loss else high)

    said = diagnose("P", [flag], {}, [])

    assert said is not None
    assert said["cause"] == CAUSE_OF[metric]
    assert reads_well(said), said["sentence"]
    assert ("%" in said["sentence"]) is is_rate


def test_nothing_that_a_rule_may_look_at_is_without_a_cause() -> None:
    assert set(CAUSE_OF) == {*RATES, *COUNTS}
    assert set(ACTIONS) == set(CAUSE_OF.values()) | {Cause.MIXED}


def test_losses_can_be_compared() -> None:
    assert loss_of("views", 500, 1000) == loss_of("unlock_rate", 0.1, 0.2)
    assert loss_of("reversal_rate", 0.5, 0.0) == loss_of("redemption_rate", 0.2, 0.4), "half of it is lost either way"
    assert loss_of("views", 0, 1000) == loss_of("views", 10, 1000), "all is no more than 99 of 100"
    assert loss_of("views", 1200, 1000) == loss_of("reversal_rate", 0.1, 0.2) == loss_of("views", 5, 0) == 0


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [("unlock_rate", 0.1234, "12.3 %"), ("redemptions_per_view", 1.5, "150.0 %"), ("views", 1234.4, "1,234")],
)
def test_figures_are_written_for_people(metric: str, value: float, words: str) -> None:
    assert number_words(metric, value) == words
