"""What is proposed for segments: what differs beyond chance is found, and nothing is where nothing differs."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.rules.actions import Cell, Placing, PlacingSpec, check_placing, find_placings, say_placing
from reviews.rules.actions.placing import hold_against_peers

pytestmark = pytest.mark.slow

RATES = ("redemptions_per_view", "activation_rate")
ATTRIBUTES = {"business_unit": 5, "region": 4}
PARTNERS = 24
POOR = ("P5", "region", "v1")
LOW = ("business_unit", "v2")


def draw(rng: Random, rate: float, size: int) -> int:
    return sum(rng.random() < rate for _ in range(size))


def make_cells(rng: Random, *, size: int = 300, low: float = 1.0, poor: float = 1.0, months: int = 3) -> list[Cell]:
    """
    A program of partners that differ, in segments that do not: but for LOW, in which everybody redeems `low` times as much, and
    for POOR, where one partner activates `poor` times as much.
    """
    cells = []
    for number in range(PARTNERS):
        redeems, activates = rng.betavariate(20, 180), rng.betavariate(60, 40)
        for attribute, values in ATTRIBUTES.items():
            for value in (f"v{index}" for index in range(values)):
                share = redeems * (low if (attribute, value) == LOW else 1)
                active = activates * (poor if (f"P{number}", attribute, value) == POOR else 1)
                figures = []
                for _ in range(months):
                    views, unlocks = int(size * rng.uniform(0.5, 1.5)), int(size * rng.uniform(0.5, 1.5))
                    counts = {"redemptions": draw(rng, share, views), "activations": draw(rng, active, unlocks)}
                    figures.append({"views": views, "unlocks": unlocks, **counts})
                cells.append(Cell(f"P{number}", f"c{number % 3}", attribute, value, figures))
    return cells


def found(cells: Sequence[Cell], **changes: Any) -> list[Placing]:
    return find_placings(PlacingSpec(**changes), cells, RATES)


def test_two_years_of_nothing_lead_to_next_to_nothing() -> None:
    months = [found(make_cells(Random(seed), size=200)) for seed in range(24)]

    assert sum(bool(placings) for placings in months) <= 1


def test_a_segment_that_redeems_little_gets_partners_that_do_well_with_its_peers() -> None:
    placings = found(make_cells(Random(1), low=0.6), lowers=False)

    assert {(one.how, one.attribute, one.value) for one in placings} == {("top", *LOW)}
    assert 1 <= len(placings) <= 3
    assert placings[0].reason.startswith("business_unit v2 redeems little: ")
    assert "where its peers let expect" in placings[0].reason


def test_a_partner_that_is_poor_in_one_region_for_months_is_lowered_there() -> None:
    [one] = found(make_cells(Random(2), poor=0.4))

    assert (one.how, one.partner, one.attribute, one.value) == ("lower", *POOR)
    assert "was poor in each of 3 months on end" in one.reason
    assert "its own elsewhere" in one.reason


def test_what_was_poor_for_too_few_months_is_left_alone() -> None:
    cells = make_cells(Random(2), poor=0.4)
    well = make_cells(Random(2))
    mended = [
        Cell(one.partner, one.category, one.attribute, one.value, [*one.months[:2], other.months[2]])
        for one, other in zip(cells, well, strict=True)
    ]

    assert found(mended) == []
    assert [one.partner for one in found(mended, lower_months=2)] == ["P5"]


def test_what_is_poor_everywhere_is_not_lowered_in_one_segment() -> None:
    poor = {"P5": 0.4}
    cells = []
    for one in make_cells(Random(2)):
        factor = poor.get(one.partner, 1)
        months = [{**month, "activations": int(month["activations"] * factor)} for month in one.months if month is not None]
        cells.append(Cell(one.partner, one.category, one.attribute, one.value, months))

    assert found(cells) == []


def test_a_limit_the_largest_first_and_each_switch_and_too_little() -> None:
    cells = make_cells(Random(1), low=0.6, poor=0.4)
    both = found(cells)

    assert [one.how for one in both] == ["top"] * (len(both) - 1) + ["lower"]
    assert [one.how for one in found(cells, most=1)] == ["top", "lower"]
    assert {one.how for one in found(cells, surfaces=False)} == {"lower"}
    assert {one.how for one in found(cells, lowers=False)} == {"top"}
    assert found(cells, minimum=1_000_000) == []
    assert find_placings(PlacingSpec(), cells, ()) == [], "nothing is recorded that could tell"


def test_a_segment_is_held_against_the_same_partners_with_its_peers() -> None:
    """v0 has more of the partner that is redeemed least: nothing is wrong with v0."""
    rates = {f"P{number}": 0.1 * (number + 1) for number in range(6)}
    cells = []
    for value in ("v0", "v1", "v2"):
        for partner, rate in rates.items():
            views = 5000 if (value, partner) == ("v0", "P0") else 500
            cells.append(Cell(partner, "c", "region", value, [{"views": views, "redemptions": int(rate * views)}]))
    values = {value: [cell for cell in cells if cell.value == value] for value in ("v0", "v1", "v2")}
    held = hold_against_peers(values, "v0", "redemptions_per_view")

    assert held is not None
    assert (held.observed, held.expected, held.share) == (1500, 1500.0, 1.0)


def test_hidden_and_unknown_groups_say_nothing() -> None:
    hidden = [
        Cell(one.partner, one.category, one.attribute, one.value, [None, None, None])
        if (one.attribute, one.value) == LOW
        else one
        for one in make_cells(Random(1), low=0.6)
    ]
    unknown = [
        Cell(one.partner, one.category, one.attribute, "", one.months) if (one.attribute, one.value) == LOW else one
        for one in make_cells(Random(1), low=0.6)
    ]

    assert found(hidden, lowers=False) == []
    assert found(unknown, lowers=False) == []


def test_what_makes_no_sense_is_refused_by_field() -> None:
    wrong = PlacingSpec(share=100, lower_months=0, places=0, minimum=5, most=0, quiet_months=99)
    with pytest.raises(InvalidInput, match="version in force stays") as error:
        check_placing(wrong)
    assert list(error.value.fields) == [
        f"placing.{name}" for name in ("share", "lower_months", "places", "minimum", "most", "quiet_months")
    ]
    check_placing(PlacingSpec())


def test_versions_read_as_they_were_and_older_ones_say_nothing() -> None:
    spec = PlacingSpec(share=70, lowers=False)
    assert PlacingSpec.from_json(spec.as_json()) == spec
    assert say_placing(PlacingSpec.from_json({})) == ["Nothing is proposed for segments."]
    assert len(say_placing(PlacingSpec())) == 3
