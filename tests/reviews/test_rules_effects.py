"""Effects: the worked tables of docs/rules/effects.md, published figures, and what must hold for any numbers."""

from dataclasses import replace
from decimal import Decimal
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.rules.effects import (
    CANNOT_TELL,
    HELD_OUT,
    HOLD_OUT,
    MATCHED,
    TREATED,
    ArmCounts,
    Effect,
    EffectDesign,
    Facts,
    UnitCounts,
    arm_of,
    measure_effect,
    propose_design,
)
from reviews.rules.effects.hold_out import merge_strata
from reviews.rules.effects.intervals import divide, mean_of, share_of, subtract
from reviews.rules.effects.quantiles import t_quantile
from tests.reviews.figures import read_number, read_table

DOCUMENT = "effects.md"
HALF = EffectDesign(HOLD_OUT, "members_redeemed", hold_out_share=Decimal("0.5"), salt="push-1")


def ones(members: int, responders: int) -> ArmCounts:
    """Members of whom some had one event each."""
    return ArmCounts(members, responders, responders, responders)


def number_or_none(text: str) -> float | None:
    return None if text == "–" else read_number(text)


@pytest.mark.parametrize(
    "row", read_table(DOCUMENT, "Worked table: held out"), ids=lambda row: f"{row['treated']}:{row['held_out']}"
)
def test_worked_table_of_members_held_out(row: dict[str, str]) -> None:
    share = Decimal("0.1") if row["of_held_out"] == "500" else Decimal("0.5")
    arms = ones(int(row["of"]), int(row["treated"])), ones(int(row["of_held_out"]), int(row["held_out"]))

    effect = measure_effect(replace(HALF, hold_out_share=share), strata=[arms])

    difference = [number_or_none(row[name]) for name in ("difference", "low", "high")]
    assert effect.numbers.get("difference", [None] * 3) == difference
    assert [effect.estimate, effect.low, effect.high] == [number_or_none(row[name]) for name in ("estimate", "from", "to")]
    assert effect.verdict == row["verdict"]


def test_one_stratum_is_the_published_interval_of_newcombe() -> None:
    """Method 10 of Newcombe (1998), example (a): 56 of 70 against 48 of 80 is 0.2 (0.0524 to 0.3339)."""
    found = subtract(share_of(ones(70, 56)), share_of(ones(80, 48)))

    assert [round(end, 4) for end in (found.value, found.low, found.high)] == [0.2, 0.0524, 0.3339]


def test_worked_table_of_two_strata() -> None:
    effect = measure_effect(HALF, strata=[(ones(1500, 150), ones(1500, 120)), (ones(1000, 450), ones(1000, 400))])

    told = {**effect.numbers, "relative change": [effect.estimate, effect.low, effect.high]}
    for row in read_table(DOCUMENT, "Worked table: two strata"):
        assert told[row["figure"]] == [read_number(row[name]) for name in ("value", "low", "high")]


def test_strata_take_out_what_members_did_before() -> None:
    strata = [(ones(1500, 150), ones(1500, 120)), (ones(1000, 900), ones(1000, 880))]
    together = [tuple(sum(arms, ArmCounts()) for arms in zip(*strata, strict=True))]

    fine, coarse = (measure_effect(HALF, strata=one) for one in (strata, together))

    assert fine.estimate == coarse.estimate
    assert fine.high - fine.low < 0.7 * (coarse.high - coarse.low)
    assert (fine.verdict, coarse.verdict) == ("worked", "no_evidence")


def test_strata_with_too_few_members_join_their_neighbour() -> None:
    rows = [(5, 3), (100, 50), (19, 50), (40, 40), (30, 1)]
    strata = [(ones(one, 1), ones(other, 1)) for one, other in rows]

    merged = merge_strata(strata)

    assert [(one.members, other.members) for one, other in merged] == [(105, 53), (89, 91)]
    assert merge_strata(strata[:1]) == strata[:1]


@pytest.mark.parametrize(
    ("strata", "says"),
    [
        ([], "0 members"),
        ([(ones(100, 20), ones(19, 5))], "19 members"),
        ([(ones(100, 5), ones(100, 4))], "9 members"),
        ([(ones(600, 100), ones(400, 90))], "Somebody is missing"),
    ],
)
def test_arms_that_cannot_be_compared_are_not(strata: Any, says: str) -> None:
    effect = measure_effect(HALF, strata=strata)

    assert (effect.verdict, effect.estimate, effect.low, effect.high) == (CANNOT_TELL, None, None, None)
    assert says in effect.sentence


def test_an_action_after_which_nobody_does_anything_took_everything_away() -> None:
    effect = measure_effect(HALF, strata=[(ones(500, 0), ones(500, 50))])

    assert (effect.verdict, effect.estimate, effect.low) == ("harmed", -1.0, -1.0)
    assert effect.high is not None
    assert -1 < effect.high < -0.8


def test_more_of_what_is_bad_is_harm() -> None:
    units = [
        UnitCounts(key, ((900, None),) * 6 + ((last, None),)) for key, last in (("A", 1800), ("B", 900), ("C", 900), ("D", 910))
    ]
    design = EffectDesign(MATCHED, "failures", unit="offer", treated=("A",), controls=("B", "C", "D"), baseline_periods=6)

    assert measure_effect(design, units=units).verdict == "harmed"
    assert measure_effect(replace(design, metric="views"), units=units).verdict == "worked"


ARMS = st.tuples(st.integers(20, 5000), st.floats(0, 1)).map(lambda drawn: ones(drawn[0], int(drawn[0] * drawn[1])))


@given(ARMS, ARMS)
def test_relative_change_and_difference_agree_on_the_side(one: ArmCounts, other: ArmCounts) -> None:
    """So that the figure that is shown and the verdict cannot contradict each other."""
    ours, theirs = share_of(one), share_of(other)
    difference, (ratio, low, high) = subtract(ours, theirs), divide(ours, theirs)

    if abs(difference.low) > 1e-9:
        assert (low > 1) == (difference.low > 0)
    if abs(difference.high) > 1e-9:
        assert (high is not None and high < 1) == (difference.high < 0)
    assert low >= 0
    assert ratio is None or (low <= ratio + 1e-9 and (high is None or ratio <= high + 1e-9))


@given(ARMS, ARMS)
def test_arms_the_other_way_round_give_the_other_verdict(one: ArmCounts, other: ArmCounts) -> None:
    difference, reverse = subtract(share_of(one), share_of(other)), subtract(share_of(other), share_of(one))

    assert (difference.low, difference.high) == pytest.approx((-reverse.high, -reverse.low))


def test_events_per_member_of_few_events_stay_above_0_and_know_of_clumps() -> None:
    calm, clumped = mean_of(ArmCounts(1000, 200, 300, 500)), mean_of(ArmCounts(1000, 60, 300, 3000))
    nothing = mean_of(ArmCounts(50, 0, 0, 0))

    assert 0 < clumped.low < calm.low < 0.3 < calm.high < clumped.high
    assert (nothing.value, nothing.low) == (0.0, pytest.approx(0))
    assert nothing.high == pytest.approx(t_quantile(49) ** 2 / 50)
    large = mean_of(ArmCounts(10_000, 3000, 4000, 8000))
    variance = (8000 - 4000**2 / 10_000) / 9999
    assert large.high - large.low == pytest.approx(2 * 1.959964 * sqrt(variance / 10_000), rel=0.001)


@pytest.mark.parametrize(
    ("degrees", "probability", "table"),
    [(1, 0.975, 12.7062), (2, 0.975, 4.3027), (5, 0.975, 2.5706), (30, 0.975, 2.0423), (120, 0.975, 1.9799), (5, 0.9, 1.4759)],
)
def test_quantiles_are_those_of_printed_tables(degrees: int, probability: float, table: float) -> None:
    assert round(t_quantile(degrees, probability), 4) == table


def test_quantiles_go_over_into_those_of_the_normal_distribution() -> None:
    assert t_quantile(1999) == pytest.approx(t_quantile(2000), abs=0.002)
    assert t_quantile(2000) == pytest.approx(1.959964, abs=1e-6)


class TestArms:
    @given(st.binary(min_size=16, max_size=16), st.text(max_size=20), st.decimals(0, 1, places=4))
    def test_a_member_is_always_in_the_same_arm(self, key: bytes, salt: str, share: Decimal) -> None:
        assert arm_of(key, salt, share) == arm_of(bytes(key), str(salt), Decimal(str(share)))

    def test_the_hash_is_the_one_that_is_written_down(self) -> None:
        """Whoever was held out stays held out over upgrades: this may never change."""
        arms = [arm_of(bytes([number]) * 16, "push-1", Decimal("0.25")) for number in range(8)]

        assert [number for number, arm in enumerate(arms) if arm == HELD_OUT] == [1, 4, 6]

    @pytest.mark.parametrize("share", ["0.05", "0.1", "0.5", "0.9"])
    def test_the_share_is_kept_to_within_chance(self, share: str) -> None:
        number, wanted = 20_000, float(share)
        held = sum(arm_of(at.to_bytes(16, "big"), "a salt", Decimal(share)) == HELD_OUT for at in range(number))

        assert abs(held - number * wanted) < 4 * sqrt(number * wanted * (1 - wanted))

    def test_another_salt_draws_anew(self) -> None:
        half, number = Decimal("0.5"), 10_000
        keys = [at.to_bytes(16, "big") for at in range(number)]
        both = sum(arm_of(key, "one", half) == arm_of(key, "other", half) == HELD_OUT for key in keys)

        assert abs(both - number / 4) < 4 * sqrt(number * 3 / 16)

    @given(st.binary(min_size=16, max_size=16), st.decimals(0, 1, places=3), st.decimals(0, 1, places=3))
    def test_a_larger_share_only_adds_to_those_held_out(self, key: bytes, one: Decimal, other: Decimal) -> None:
        low, high = sorted((one, other))
        assert arm_of(key, "s", low) == TREATED or arm_of(key, "s", high) == HELD_OUT

    def test_all_and_none(self) -> None:
        assert {arm_of(bytes([at]) * 16, "s", Decimal(0)) for at in range(99)} == {TREATED}
        assert {arm_of(bytes([at]) * 16, "s", Decimal(1)) for at in range(99)} == {HELD_OUT}
        with pytest.raises(ValueError, match=r"1\.5"):
            arm_of(bytes(16), "s", Decimal("1.5"))


def baseline() -> list[UnitCounts]:
    return [
        UnitCounts(row["offer"], tuple((int(count), None) for count in row["baseline"].split()))
        for row in read_table(DOCUMENT, "Worked table: matched")
    ]


def worked_design() -> EffectDesign:
    first, *others = baseline()
    return propose_design("rerank", Facts("redemptions", unit="offer", treated=[first], candidates=others))


@pytest.mark.parametrize("row", read_table(DOCUMENT, "Worked table: what the window says"), ids=lambda row: row["A"])
def test_worked_table_of_matched_units(row: dict[str, str]) -> None:
    units = [UnitCounts(unit.key, (*unit.periods, (int(row[unit.key]), None))) for unit in baseline() if unit.key != "E"]

    effect = measure_effect(worked_design(), units=units)

    assert [effect.estimate, effect.low, effect.high] == [read_number(row[name]) for name in ("estimate", "low", "high")]
    assert effect.verdict == row["verdict"]
    assert measure_effect(worked_design(), units=units[::-1]) == effect, "in any order"


def test_a_rate_is_compared_by_its_denominator() -> None:
    """Twice the views and twice the unlocks leave the unlock rate where it was."""
    periods = ((300, 1000), (310, 1000), (295, 1000), (305, 1000), (300, 1000))
    units = [UnitCounts(key, periods) for key in "BCD"]
    design = EffectDesign(MATCHED, "unlock_rate", unit="offer", treated=("A",), controls=("B", "C", "D"), baseline_periods=4)

    doubled = measure_effect(design, units=[UnitCounts("A", (*periods[:4], (600, 2000))), *units])

    assert doubled.estimate == pytest.approx(0, abs=0.001)
    assert doubled.verdict == "no_evidence"


def test_a_period_without_anything_is_known_to_say_little() -> None:
    """No views, no unlocks: no rate, and no certainty about one."""
    empty, some, few = (UnitCounts("A", ((number, base),)).chances[0] for number, base in ((0, 0), (30, 100), (0, 100)))

    assert empty == 2.0
    assert some == pytest.approx(1 / 30.5 - 1 / 100.5)
    assert few == pytest.approx(2 - 1 / 100.5)
    assert UnitCounts("A", ((0, None),)).chances == [2.0]


def test_a_small_unit_among_large_ones_has_its_own_chance() -> None:
    def error(size: int) -> float:
        steady = ((5000, None),) * 7
        units = [UnitCounts("A", ((size, None),) * 7), *(UnitCounts(key, steady) for key in "BCDE")]
        design = EffectDesign(MATCHED, "views", unit="offer", treated=("A",), controls=tuple("BCDE"), baseline_periods=6)
        return measure_effect(design, units=units).numbers["standard_error"]

    assert error(50) == pytest.approx(sqrt(1 / 50 * (1 + 1 / 6)), rel=0.05)
    assert error(50) > 5 * error(5000)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda units: units[1:], "A did not stay"),
        (lambda units: units[:2], "1 of those it was to be compared with"),
        (lambda units: [replace(unit, periods=unit.periods[1:]) for unit in units], "not every period"),
    ],
)
def test_units_that_were_not_counted_as_designed_say_nothing(change: Any, says: str) -> None:
    units = [UnitCounts(unit.key, (*unit.periods, (400, None))) for unit in baseline() if unit.key != "E"]

    effect = measure_effect(worked_design(), units=change(units))

    assert (effect.verdict, effect.low) == (CANNOT_TELL, None)
    assert says in effect.sentence


def test_controls_that_ended_meanwhile_are_left_out() -> None:
    units = [UnitCounts(unit.key, (*unit.periods, (400, None))) for unit in baseline() if unit.key in "ABD"]

    effect = measure_effect(worked_design(), units=units)

    assert effect.low is not None
    assert effect.numbers["left_out"] == ["C"]
    assert len(effect.numbers["controls"]) == 2


def test_counts_of_groups_of_members_stay_out_of_the_evidence() -> None:
    """They may be too small to be shown."""
    units = [UnitCounts(unit.key, (*unit.periods, (400, None))) for unit in baseline() if unit.key != "E"]

    assert "treated" in measure_effect(worked_design(), units=units).numbers
    assert "treated" not in measure_effect(replace(worked_design(), unit="region"), units=units).numbers


def test_designs_and_effects_come_back_as_they_were_stored() -> None:
    effect = measure_effect(HALF, strata=[(ones(500, 100), ones(500, 80))])
    pushed = propose_design("promotional_push", Facts("redemptions", past=[ones(3000, 900)], salt="s", where={"offer": ["O1"]}))

    assert Effect.from_json(effect.as_json() | {"measured_at": "now"}) == effect
    for design in (HALF, pushed, worked_design(), propose_design("pause_offer", Facts("views"))):
        assert EffectDesign.from_json(design.as_json() | {"beside": 1}) == design
        assert EffectDesign.from_json(design.as_json()).as_json() == design.as_json()
