"""Every reason why a crossing is no flag: cooldown, data gaps, positions, the market, and the whole partner."""

import pytest

from reviews.choices import Direction, Reference, RuleTarget
from reviews.rules import DataGapFacts
from reviews.rules.positions import Shift
from reviews.rules.subjects import Subject
from tests.reviews.subjects import HEALTHY, healthy, judge, only, rule, subject, verdict

FALLEN = HEALTHY | {"unlocks": 100}
RULE = rule()
VIEWS = rule("views", threshold=0.75, minimum_denominator=100)
CEILING = rule("reversal_rate", direction=Direction.ABOVE, reference=Reference.FIXED, threshold=0.1, minimum_denominator=20)
OF_OFFER = rule(code="of_offer", target=RuleTarget.OFFER, threshold=0.6, lookback_months=3)


def fallen() -> Subject:
    return subject("P", FALLEN, *[HEALTHY] * 6)


def test_a_rule_that_is_cooling_down_opens_no_second_flag() -> None:
    assert verdict(RULE, [fallen(), *healthy()], cooling=frozenset({(RULE.code, "P")})) == "cooldown"
    assert verdict(RULE, [fallen(), *healthy()], cooling=frozenset({(RULE.code, "Q"), ("other", "P")})) == "flag"


def gap(*counts: str, partner: str = "P") -> DataGapFacts:
    return DataGapFacts("shop", "2026-06-10T00:00:00Z", None, ["O"], frozenset({partner}), frozenset(counts))


def test_what_a_silent_source_left_out_is_held_against_nobody() -> None:
    sunk = [subject("P", {"views": 100}, *[{"views": 1000}] * 6)]

    assert verdict(VIEWS, sunk, gaps=[gap("views")]) == "data_gap"
    assert verdict(VIEWS, sunk, gaps=[gap("views", partner="Q")]) == "flag"
    assert verdict(RULE, [fallen(), *healthy()], gaps=[gap("unlocks")]) == "data_gap"
    assert verdict(RULE, [fallen(), *healthy()], gaps=[gap("views", "unlocks")]) == "flag", "both sides are missing alike"


def test_what_a_worse_position_explains_is_held_against_nobody() -> None:
    sunk = [subject("P", {"views": 400}, *[{"views": 1000}] * 6)]

    assert verdict(VIEWS, sunk, positions=lambda: {"P": Shift(0.5, 1.0)}) == "position"
    assert verdict(VIEWS, sunk, positions=lambda: {"P": Shift(0.6, 0.1)}) == "flag"
    assert verdict(VIEWS, sunk, positions=lambda: {"Q": Shift(0.1, 1.0)}) == "flag"


def test_positions_are_read_only_where_a_fall_is_certain() -> None:
    def read() -> dict[str, Shift]:
        raise AssertionError("nothing is to be explained")

    small = subject("P", HEALTHY | {"views": 50, "unlocks": 10}, *[HEALTHY] * 6)
    assert verdict(RULE, [small, *healthy()], positions=read) == "not_confirmed"
    assert judge(RULE, healthy(), positions=read) == {}


def test_a_fall_of_the_whole_category_is_nobodys() -> None:
    group = [subject(f"P{number}", FALLEN, *[HEALTHY] * 6) for number in range(5)]
    found = judge(RULE, [*group, *healthy(5, category="travel")])

    assert {name: only(found, name).evidence["why_no_flag"] for name in found} == {one.partner: "market_wide" for one in group}
    assert only(found, "P0").evidence["reference"]["movement"] == pytest.approx(1 / 3)


def test_who_falls_deeper_than_the_category_is_flagged() -> None:
    group = [subject(f"P{number}", HEALTHY | {"unlocks": 200}, *[HEALTHY] * 6) for number in range(5)]
    deeper = subject("P", HEALTHY | {"unlocks": 50}, *[HEALTHY] * 6)

    assert verdict(RULE, [deeper, *group]) == "flag"
    assert only(judge(RULE, [deeper, *group])).threshold == pytest.approx(0.24 * 2 / 3)


def test_a_category_that_fell_silent_moved_alike() -> None:
    silent = [subject(f"P{number}", {"views": 0}, *[{"views": 1000}] * 6) for number in range(5)]
    found = judge(VIEWS, silent)

    assert {only(found, one.partner).evidence["why_no_flag"] for one in silent} == {"market_wide"}


def test_a_fixed_limit_knows_no_market() -> None:
    group = [subject(f"P{number}", {"reversals": 300, "redemptions": 1000}) for number in range(5)]

    assert all(only(found, name).is_flag for found in [judge(CEILING, group)] for name in found)


def offer(key: str, unlocks: int, partner: str = "P") -> Subject:
    return subject(partner, HEALTHY | {"unlocks": unlocks}, *[HEALTHY] * 3, target=RuleTarget.OFFER, key=key)


def test_one_offer_falls_while_the_partner_stands() -> None:
    sound = subject("P", *[HEALTHY] * 7)
    found = judge([RULE, OF_OFFER], [sound, offer("O1", 60), offer("O2", 300), offer("O3", 310), offer("O4", 300), *healthy()])

    crossing = only(found)
    assert (crossing.is_flag, crossing.rule, crossing.target, crossing.target_key) == (True, "of_offer", "offer", "O1")
    assert crossing.evidence["judged"] == 4, "offers are a family of their own"


def test_where_the_whole_partner_is_flagged_its_parts_are_not() -> None:
    parts = [offer("O1", 60), *[offer(f"O{number}", 300, "Q") for number in range(2, 7)]]
    found = judge([RULE, OF_OFFER], [fallen(), *parts, *healthy()])["P"]

    assert [(one.rule, one.is_flag, one.evidence.get("why_no_flag")) for one in found] == [
        (RULE.code, True, None),
        ("of_offer", False, "whole_partner"),
    ]
    cooling = judge([RULE, OF_OFFER], [fallen(), *parts, *healthy()], cooling=frozenset({(RULE.code, "P")}))["P"]
    assert [one.is_flag for one in cooling] == [False, True], "nothing whole stands in its place"


def test_a_segment_moves_with_the_same_segment_of_other_partners() -> None:
    in_segment = rule(code="in_segment", target=RuleTarget.PARTNER_SEGMENT, threshold=0.6, lookback_months=3)

    def part(partner: str, unlocks: int, key: str) -> Subject:
        months = [HEALTHY | {"unlocks": unlocks}, *[HEALTHY] * 3]
        return subject(partner, *months, target=RuleTarget.PARTNER_SEGMENT, key=key)

    north = [part(f"P{number}", 60, "region=north") for number in range(4)]
    south = [part(f"P{number}", 300, "region=south") for number in range(4)]
    found = judge(in_segment, [*north, *south])
    assert {only(found, name).evidence["why_no_flag"] for name in found} == {"market_wide"}

    alone = judge(in_segment, [north[0], *[part(f"P{number}", 300, "region=north") for number in range(1, 4)], *south])
    assert only(alone, "P0").is_flag
