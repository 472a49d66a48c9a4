"""Groups too small to show: everywhere, and never to be worked out from what is shown."""

from typing import Any

import pytest

from activity.metrics import METRICS
from activity.services import MemberRow, Person, apply_people
from partners.models import Program
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.programs import CREATED_AT
from tests.factories.quarters import JUNE, STAGES, rows_by

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


def views(program: Program, groups: dict[str, int]) -> None:
    """So many members of each region view O1 in June."""
    names = [(f"{region}{number}", region) for region, count in groups.items() for number in range(count)]
    people = [MemberRow(Person(name), {"business_unit": "cards", "region": region}) for name, region in names]
    apply_people(program=program, source="file", rows=people, actor="system", at=CREATED_AT)
    record(program, [event(f"{name}-{program.pk}", member=name) for name, _region in names])


def shown(program: Program, by: list[str], **options: Any) -> dict[tuple[str, ...], bool]:
    rows = rows_by(program, by, **options)
    for row in rows.values():
        if row["suppressed"]:
            assert all(row[key] is None for key in METRICS)
        else:
            assert row["members_any"] is not None
    return {key: not row["suppressed"] for key, row in rows.items()}


def test_a_small_group_and_the_next_smallest_are_hidden() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 3, "south": 6, "west": 9})
    assert shown(program, ["region"]) == {("north",): False, ("south",): False, ("west",): True}
    assert shown(program, ["partner"]) == {("P1",): True, ("P2",): True}


def test_two_small_groups_need_no_third() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 3, "south": 2, "west": 9})
    assert shown(program, ["month", "region"]) == {
        ("2026-06", "north"): False,
        ("2026-06", "south"): False,
        ("2026-06", "west"): True,
    }


def test_a_minimum_of_one_switches_it_off() -> None:
    program = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    views(program, {"north": 1, "south": 6})
    assert set(shown(program, ["region"]).values()) == {True}


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        (["north"], False),
        (["south"], False),
        (["west"], True),
        (["south", "west"], False),
        (["north", "west"], False),
        (["north", "south"], True),
        (["north", "south", "west"], True),
    ],
)
def test_a_filter_shows_no_more_than_the_breakdown(regions: list[str], expected: bool) -> None:
    """North is too small and south the next smallest: neither can be had alone, by asking or by subtracting."""
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 3, "south": 6, "west": 9})
    assert shown(program, [], where={"region": regions}) == {(): expected}
    assert shown(program, ["partner"], where={"region": regions})["P1",] is expected
    filtered = shown(program, ["region"], where={"region": regions})
    assert filtered == {(region,): region == "west" for region in regions}


def test_everyone_but_a_few_is_not_shown() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 3, "south": 9})
    assert shown(program, ["month"], where={"region": ["south"]}) == {("2026-06",): False}


def test_partners_are_judged_each_by_itself() -> None:
    """The few of one partner do not hide another partner's group."""
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 6, "south": 9})
    record(program, [event(f"p2-{n}", member=f"south{n}", offer="O3") for n in range(9)])
    record(program, [event("p2-n", member="north0", offer="O3")])
    assert shown(program, ["partner"], where={"region": ["south"]}) == {("P1",): True, ("P2",): False}


def test_an_older_window_with_few_members_is_not_shown() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    views(program, {"north": 6, "south": 7})
    few = [event(f"may{n}", member=f"north{n}", occurred_at="2026-05-10T10:00:00Z") for n in range(2)]
    many = [event(f"may{n}s", member=f"south{n}", occurred_at="2026-05-10T10:00:00Z") for n in range(7)]
    record(program, [*few, *many])
    rows = rows_by(program, ["month", "region"], starts_date=JUNE)
    assert rows["2026-06", "north"]["views"] == 6
    assert rows["2026-06", "north"]["settled_spend"] is None
    assert rows["2026-06", "south"]["settled_spend"] is None
