"""Metrics: from tallies to figures, and which groups may be shown. Examples come from the tables of the documents."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.choices import Kind, Measure, Status
from activity.metrics import (
    DECLARED,
    METRICS,
    SETTLING,
    STAGES,
    Tally,
    Unit,
    divide,
    funnel_stages,
    hide,
    measure,
    shown_rates,
    suppressed_row,
)
from tests.support.documents import read_table

OK, FAILED, REVERSED = Status.CONFIRMED, Status.FAILED, Status.REVERSED
BUT_IMPRESSIONS = STAGES[1:]
RATIOS = [metric.key for metric in DECLARED if metric.unit is Unit.RATIO]
MONEY = [metric.key for metric in METRICS.values() if metric.unit is Unit.MONEY]


def tally_of(row: dict[str, str]) -> Tally:
    """One row of the worked table: counts, and amounts in EUR."""
    tally = Tally(members={})
    for column, kind, status in (
        ("views", Kind.VIEWED, OK),
        ("unlocks", Kind.UNLOCKED, OK),
        ("activations", Kind.ACTIVATED, OK),
        ("failed activations", Kind.ACTIVATED, FAILED),
        ("redemptions", Kind.REDEEMED, OK),
        ("reversals", Kind.REDEEMED, REVERSED),
    ):
        tally.add_events(kind, status, int(row[column]))
    for column, status, count in (("spend", OK, "redemptions"), ("reversed", REVERSED, "reversals")):
        if int(row[count]):
            tally.add_amount(Measure.SPEND, status, "EUR", int(row[count]), int(Decimal(row[column]) * 100))
    return tally


WORKED = read_table("docs/rules/metrics.md", "Worked table")


@pytest.mark.parametrize("row", WORKED, ids=lambda row: row["views"] + "-" + row["unlocks"])
def test_worked_table(row: dict[str, str]) -> None:
    figures = measure(tally_of(row), BUT_IMPRESSIONS)
    for key, text in row.items():
        if key in RATIOS:
            assert figures[key] == json.loads(text), key
        elif key in ("net_spend", "average_spend"):
            assert figures[key] == ({} if text == "none" else {"EUR": text}), key


def test_worked_table_is_read() -> None:
    assert len(WORKED) == 4
    assert {"unlock_rate", "net_spend"} <= set(WORKED[0])


def test_every_metric_is_in_every_row_and_in_the_document(checkout: Path) -> None:
    document = (checkout / "docs/rules/metrics.md").read_text()
    assert list(measure(Tally(), STAGES)) == list(METRICS) == list(suppressed_row())
    for metric in DECLARED:
        assert f"| `{metric.key}` | {metric.label} | {metric.formula} | {metric.unit} |" in document
    assert set(METRICS) == {metric.key for metric in DECLARED} | {f"settled_{key}" for key in SETTLING}


def test_nothing_counted_is_zero_and_empty_never_infinite() -> None:
    figures = measure(Tally(members={}, eligible=0), STAGES, settled=Tally(), program=Tally())
    assert all(figures[key] is None for key in RATIOS)
    assert all(figures[key] == {} for key in MONEY)
    assert figures["share_of_net_spend"] == {}
    assert figures["members_any"] == figures["views"] == figures["eligible_members"] == 0


def test_what_was_not_counted_is_null() -> None:
    figures = measure(Tally(), STAGES)
    assert figures["members_any"] is figures["members_viewed"] is figures["eligible_members"] is None
    assert figures["reach_rate"] is figures["share_of_redemptions"] is figures["settled_spend"] is figures["funnel"] is None


def test_an_unrecorded_stage_counts_nothing_and_has_no_rate() -> None:
    figures = measure(tally_of(WORKED[0]), ["unlocked", "redeemed"])
    assert (figures["views"], figures["activations"], figures["unlocks"], figures["redemptions"]) == (0, 0, 50, 10)
    assert figures["unlock_rate"] is figures["view_rate"] is figures["activation_rate"] is figures["redemption_rate"] is None
    assert figures["redemptions_per_unlock"] == 0.2
    assert figures["redemptions_per_view"] is None
    without_money = measure(tally_of(WORKED[0]), ["viewed"])
    assert (without_money["spend"], without_money["reversals"], without_money["reversal_rate"]) == ({}, 0, None)
    assert without_money["failure_rate"] is None


def test_reach_needs_one_of_its_stages() -> None:
    tally = Tally(members={"members_reached": 3, "members_engaged": 2}, eligible=4)
    assert measure(tally, ["impression"])["reach_rate"] == measure(tally, ["viewed"])["reach_rate"] == 0.75
    assert measure(tally, ["unlocked"])["reach_rate"] is None
    assert measure(tally, ["redeemed"])["engagement_rate"] == 0.5
    assert measure(tally, ["viewed"])["engagement_rate"] is None


def test_currencies_are_kept_apart_with_their_own_decimals() -> None:
    tally = Tally()
    for currency, minor in (("EUR", 1250), ("JPY", 500), ("KWD", 1)):
        tally.add_events(Kind.REDEEMED, OK, 1)
        tally.add_amount(Measure.SPEND, OK, currency, 1, minor)
    tally.add_amount(Measure.SPEND, REVERSED, "CHF", 1, 5)
    tally.add_amount(Measure.REWARD_COST, OK, "EUR", 2, 301)
    figures = measure(tally, STAGES)
    assert figures["spend"] == {"EUR": "12.50", "JPY": "500", "KWD": "0.001"}
    assert figures["net_spend"] == {"CHF": "-0.05", "EUR": "12.50", "JPY": "500", "KWD": "0.001"}
    assert figures["reward_cost"] == figures["net_reward_cost"] == {"EUR": "3.01"}
    assert figures["cost_per_redemption"] == {"EUR": "1.50"}


def test_average_leaves_out_redemptions_without_an_amount() -> None:
    tally = Tally()
    tally.add_events(Kind.REDEEMED, OK, 10)
    tally.add_amount(Measure.SPEND, OK, "EUR", 4, 1000)
    assert measure(tally, STAGES)["average_spend"] == {"EUR": "2.50"}


def test_shares_are_of_the_program_currency_by_currency() -> None:
    own, whole = Tally(), Tally()
    for tally, count, euros, yen in ((own, 1, 100, 30), (whole, 3, 400, 0)):
        tally.add_events(Kind.REDEEMED, OK, count)
        tally.add_amount(Measure.SPEND, OK, "EUR", count, euros)
        tally.add_amount(Measure.SPEND, OK, "JPY", count, yen)
    figures = measure(own, STAGES, program=whole)
    assert figures["share_of_redemptions"] == 0.333333333
    assert figures["share_of_net_spend"] == {"EUR": 0.25}


def test_settled_figures_come_from_the_settled_tally() -> None:
    figures = measure(Tally(), STAGES, settled=tally_of(WORKED[0]))
    assert figures["settled_unlock_rate"] == 0.25
    assert figures["settled_net_spend"] == {"EUR": "112.50"}
    assert figures["unlock_rate"] is None


@pytest.mark.parametrize(
    ("numerator", "divisor", "expected"),
    [
        (1, 3, 0.333333333),
        (2, 3, 0.666666667),
        (1, 2_000_000_000, 0.0),
        (3, 2_000_000_000, 2e-9),
        (7, 0, None),
        (0, 5, 0.0),
        (9, 2, 4.5),
    ],
)
def test_divide_rounds_half_even_to_nine_decimals(numerator: int, divisor: int, expected: float | None) -> None:
    assert divide(numerator, divisor) == expected


def test_stage_order_decides_what_comes_first() -> None:
    assert shown_rates("view_first")[0] == "unlock_rate"
    assert shown_rates("unlock_first")[0] == "view_rate"
    assert funnel_stages("view_first", STAGES) == ["viewed", "unlocked", "activated", "redeemed"]
    assert funnel_stages("unlock_first", STAGES) == ["unlocked", "viewed", "activated", "redeemed"]
    assert funnel_stages("view_first", ["impression", "redeemed", "unlocked"]) == ["unlocked", "redeemed"]


FACTS = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)),
        st.sampled_from(list(Status)),
        st.sampled_from([None, "EUR", "JPY", "KWD"]),
        st.integers(0, 10**12),
    ),
    max_size=40,
)


def count(facts: list[tuple[Kind, Status, str | None, int]]) -> Tally:
    tally = Tally(members={}, eligible=len(facts))
    for kind, status, currency, minor in facts:
        tally.add_events(kind, status, 1)
        if kind is Kind.REDEEMED and currency:
            tally.add_amount(Measure.SPEND, status, currency, 1, minor)
    return tally


@given(facts=FACTS, seed=st.integers(), stages=st.sets(st.sampled_from(STAGES)))
def test_figures_do_not_depend_on_the_order_of_events(facts: list[Any], seed: int, stages: set[str]) -> None:
    shuffled = list(facts)
    random.Random(seed).shuffle(shuffled)
    middle = len(shuffled) // 2
    halves = count(shuffled[:middle])
    halves.add(count(shuffled[middle:]))
    halves.eligible = len(facts)
    assert measure(count(facts), stages) == measure(count(shuffled), stages) == measure(halves, stages)


@given(facts=FACTS, stages=st.sets(st.sampled_from(STAGES)))
def test_every_rate_is_its_quotient_or_empty(facts: list[Any], stages: set[str]) -> None:
    figures = measure(count(facts), stages)
    json.dumps(figures, allow_nan=False)
    for metric in DECLARED:
        if metric.over is None:
            continue
        numerator, divisor = (figures[key] for key in metric.over)
        rate = figures[metric.key]
        if not metric.is_recorded(stages) or not divisor:
            assert rate is None
        else:
            assert abs(Decimal(repr(rate)) - Decimal(numerator) / Decimal(divisor)) <= Decimal("5.1e-10")


@given(facts=FACTS)
def test_net_is_gross_less_reversed_in_every_currency(facts: list[Any]) -> None:
    figures = measure(count(facts), STAGES)
    for currency, net in figures["net_spend"].items():
        gross, back = (Decimal(figures[key].get(currency, "0")) for key in ("spend", "reversed_spend"))
        assert Decimal(net) == gross - back


class TestHide:
    @pytest.mark.parametrize("row", read_table("docs/rules/suppression.md", "Worked table"), ids=lambda row: row["groups"])
    def test_worked_table(self, row: dict[str, str]) -> None:
        pairs = [group.rsplit(" ", 1) for group in row["groups"].split(", ")]
        sizes = {tuple(name.split("/")): int(size) for name, size in pairs}
        expected = set() if row["hidden"] == "none" else {tuple(name.split("/")) for name in row["hidden"].split(", ")}
        assert hide(sizes, range(len(next(iter(sizes)))), 5) == expected

    def test_partners_are_totals_of_their_own(self) -> None:
        sizes = {("P1", "north"): 2, ("P1", "south"): 9, ("P1", "west"): 30, ("P2", "north"): 8, ("P2", "south"): 7}
        assert hide(sizes, [1], 5) == {("P1", "north"), ("P1", "south")}

    @given(
        sizes=st.dictionaries(
            st.tuples(st.sampled_from("PQ"), st.sampled_from("abc"), st.sampled_from("xyz")), st.integers(0, 20)
        ),
        minimum=st.integers(1, 8),
    )
    def test_no_total_gives_one_group_away(self, sizes: dict[tuple[str, ...], int], minimum: int) -> None:
        hidden = hide(sizes, [1, 2], minimum)
        assert {key for key, size in sizes.items() if size < minimum} <= hidden
        if all(size >= minimum for size in sizes.values()):
            assert hidden == set()
        for split in ((1,), (2,), (1, 2)):
            totals: dict[tuple[str, ...], list[bool]] = {}
            for key in sizes:
                totals.setdefault(tuple(part for at, part in enumerate(key) if at not in split), []).append(key in hidden)
            assert [members for members in totals.values() if sum(members) == 1 and len(members) > 1] == []
