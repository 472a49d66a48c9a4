"""Plain numbers of events are those of the metric layer, with nothing hidden and failures by what failed."""

from datetime import date
from random import Random
from typing import Any

import pytest

from activity.metrics import EVENT_COUNTS
from activity.selectors import count_by, summarise
from activity.selectors.counts import FAILED
from activity.services import seal_ledger
from partners.models import Program
from plum_site.lib.errors import DomainError
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

MAY, JULY = date(2026, 5, 1), date(2026, 7, 1)
SAME = (*EVENT_COUNTS, "failures", "attempts", "reversals")
STAGES = ["impression", "viewed", "unlocked", "activated", "redeemed"]


@pytest.fixture
def program() -> Program:
    """Some 400 events of two months, of all kinds and outcomes, part of them sealed."""
    made = make_stocked_program(recorded_stages=STAGES, minimum_group=1)
    random = Random(7)
    record(made, [some(random, number) for number in range(300)])
    seal_ledger(program_id=made.pk, at=RECORDED_AT)
    record(made, [some(random, number) for number in range(300, 400)])
    return made


def some(random: Random, number: int) -> dict[str, Any]:
    kind = random.choice(["impression", "viewed", "unlocked", "activated", "redeemed"])
    failed = kind in ("unlocked", "activated", "redeemed") and random.random() < 0.3
    reversed_ = kind == "redeemed" and not failed and random.random() < 0.3
    return event(
        number,
        kind,
        status="failed" if failed else "reversed" if reversed_ else "confirmed",
        member=random.choice(["M1", "M2"]),
        offer=random.choice(["O1", "O2", "O3"]),
        occurred_at=f"2026-{random.choice(['05', '06'])}-{random.randrange(10, 29)}T10:00:00Z",
        **({"reason_code": "declined"} if failed else {}),
    )


def counted(program: Program, by: list[str], **options: Any) -> dict[tuple[str, ...], dict[str, int]]:
    return count_by(program=program, starts_date=MAY, ends_date=JULY, by=by, **options)


@pytest.mark.parametrize(
    "by",
    [
        [],
        ["partner"],
        ["month", "partner"],
        ["day", "partner"],
        ["partner", "offer"],
        ["partner", "region"],
        ["region", "business_unit"],
    ],
)
@pytest.mark.parametrize("cutoff", [None, 1, 0])
def test_they_are_the_counts_of_the_metric_layer(program: Program, by: list[str], cutoff: int | None) -> None:
    summary = summarise(program=program, starts_date=MAY, ends_date=JULY, by=by, cutoff=cutoff, recorded_stages=STAGES)
    told = {
        tuple(row[name] for name in by): {name: row[name] for name in SAME}
        for row in summary.rows
        if any(row[name] for name in SAME)
    }

    plain = {key: {name: row[name] for name in SAME} for key, row in counted(program, by, cutoff=cutoff).items()}

    assert plain == told
    assert bool(plain) is (cutoff != 0)


def test_failures_are_told_by_what_failed(program: Program) -> None:
    rows = counted(program, ["partner"])

    assert all(row["failures"] == sum(row[name] for name in FAILED) > 0 for row in rows.values())
    record(program, [event("new", "activated", status="failed", reason_code="declined")])
    assert counted(program, ["partner"])["P1",]["failed_activations"] == rows["P1",]["failed_activations"] + 1


def test_they_are_filtered_as_figures_are(program: Program) -> None:
    by_region = counted(program, ["region"])

    assert counted(program, [], where={"region": ["north"]})[()] == by_region["north",]
    with pytest.raises(DomainError):
        counted(program, ["shoe_size"])


def test_small_groups_are_counted_and_left_to_the_caller() -> None:
    program = make_stocked_program(recorded_stages=STAGES)
    record(program, [event(1)])

    assert counted(program, ["region"])["north",]["views"] == 1
    assert counted(program, ["partner"]).keys() == {("P1",)}, "who has no event has no row"
