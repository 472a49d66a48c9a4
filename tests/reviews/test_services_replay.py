"""A review is a function of its sealed prefix and frozen configuration; what is altered by hand is named."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection

from offers.services import change_offer_state, save_offer
from partners.models import Program
from partners.services import grow_recorded_stages, save_partner, update_program
from plum_site.lib.errors import NotFound
from reviews.choices import CycleState
from reviews.models import Decision, ReviewCycle
from reviews.services import UnableToReplay, diff_review, open_cycle, replay
from tests.factories.ledger import record
from tests.factories.offers import make_row
from tests.factories.reviews import (
    GOOD,
    IN_JULY,
    JUNE,
    MAY,
    make_reviewable_program,
    month_of_events,
    record_month,
    reviewed,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

LATER = IN_JULY + timedelta(days=2)
FELL = {"views": 300, "unlocks": 9}


@pytest.fixture
def program() -> Program:
    program = make_reviewable_program("P1", "P2", "P3")
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD})
    record_month(program, "2026-06", {"P1": FELL, "P2": GOOD})
    return program


def tamper(table: str, change: str, where: str = "1 = 1") -> None:
    """An edit by somebody who may do everything, triggers or not."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with foreign keys still to be checked cannot be altered
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table])
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(f"UPDATE {table} SET {change} WHERE {where}")
        assert cursor.rowcount >= 1
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def card_where(cycle: ReviewCycle, partner: str) -> str:
    return f"id = {cycle.scorecards.get(partner__external_id=partner).pk}"


@pytest.mark.parametrize("state", [CycleState.OPEN, CycleState.READY, CycleState.CLOSED])
def test_a_replay_gives_the_same(program: Program, state: str) -> None:
    cycle = reviewed(program, state=state)

    found = replay(cycle_id=cycle.pk)

    assert (found.digest, found.recomputed, found.stored, found.differences) == (cycle.digest, cycle.digest, cycle.digest, [])
    assert found.is_equal
    assert found.as_json()["equal"] is True


def late_events(program: Program) -> None:
    record_month(program, "2026-06", {"P1": {"views": 100}, "P3": {"views": 1}}, tag="late", at=LATER)


def catalog_changes(program: Program) -> None:
    save_partner(program_id=program.pk, external_id="P2", name="New", category="travel", country="FR", actor="system", at=LATER)
    save_partner(program_id=program.pk, external_id="P4", name="Newer", category="food", country="FR", actor="system", at=LATER)
    back_dated = make_row("O-P4", partner_external_id="P4")
    save_offer(program_id=program.pk, row=back_dated, actor="system", at=LATER, state="published")
    offer = program.offers.get(external_id="O-P3")
    change_offer_state(offer_id=offer.pk, name="retire", actor="system", at=LATER, comment="over")


def settings_changes(program: Program) -> None:
    grow_recorded_stages(program_id=program.pk, stages=["impression"], actor="system", at=LATER)
    update_program(program_id=program.pk, changes={"settlement_days": 60}, actor="system", at=LATER)


@pytest.mark.parametrize("change", [late_events, catalog_changes, settings_changes])
def test_what_happens_afterwards_changes_nothing(program: Program, change: Callable[[Program], None]) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)

    change(program)

    assert replay(cycle_id=cycle.pk).is_equal


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("standing = 'watch'", "standing"),
        ("score = 99", "score"),
        ('"rank" = 7', "rank"),
        ('diagnosis = \'{"cause": "awareness"}\'', "diagnosis"),
        ("evidence = '{}'", "evidence"),
        ("trend = '[]'", "trend"),
        ("peers = '{\"x\": 1}'", "peers"),
        ("expected = '{\"x\": 1}'", "expected"),
    ],
)
def test_a_scorecard_that_was_altered_is_named(program: Program, change: str, field: str) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)

    tamper("reviews_scorecard", change, card_where(cycle, "P2"))

    found = replay(cycle_id=cycle.pk)
    assert not found.is_equal
    assert [(entry.partner, entry.field) for entry in found.differences] == [("P2", field)]
    assert found.digest == found.recomputed
    assert (found.stored == found.digest) is (field not in {"standing", "diagnosis"})


def test_a_figure_that_was_altered_is_named_with_both_values(program: Program) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)
    card = cycle.scorecards.get(partner__external_id="P2")
    text = "replace(CAST(metrics AS text), '\"unlocks\": 90', '\"unlocks\": 95')"
    tamper("reviews_scorecard", f"metrics = {text}" + ("::jsonb" if connection.vendor == "postgresql" else ""), f"id = {card.pk}")

    [difference] = replay(cycle_id=cycle.pk).differences

    assert (difference.partner, difference.field, difference.stored, difference.recomputed) == ("P2", "metrics.unlocks", 95, 90)


def test_a_flag_and_a_digest_that_were_altered_are_named(program: Program) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)

    tamper("reviews_flag", "observed = 0.17")
    found = replay(cycle_id=cycle.pk)
    assert [(entry.partner, entry.field) for entry in found.differences] == [("P1", "flags")]
    assert found.stored != found.digest

    tamper("reviews_reviewcycle", f"digest = '{'0' * 64}'")
    assert not replay(cycle_id=cycle.pk).is_equal


def test_scorecards_that_were_removed_or_moved_are_named(program: Program) -> None:
    cycle, other = reviewed(program), reviewed(program, MAY)
    Decision.objects.filter(scorecard__cycle=other).delete()
    other.scorecards.filter(partner__external_id="P2").delete()
    cycle.scorecards.filter(partner__external_id="P2").update(cycle=other)

    assert [(entry.partner, entry.field, entry.stored) for entry in replay(cycle_id=cycle.pk).differences] == [
        ("P2", "scorecard", "missing")
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_arrival_makes_no_difference(seed: int) -> None:
    counts = {"P1": FELL, "P2": GOOD}
    digests = set()
    for code, shuffle in (("acme", False), ("other", True)):
        program = make_reviewable_program("P1", "P2", "P3", code=code)
        events = [
            event for month in ("2026-05", "2026-06") for name in counts for event in month_of_events(month, name, counts[name])
        ]
        if shuffle:
            Random(seed).shuffle(events)
            for start in range(0, len(events), 300):
                record(program, events[start : start + 300], at=IN_JULY)
        else:
            record(program, events, at=IN_JULY)
        cycle = reviewed(program)
        cycle.config["program"]["code"] = "the same"
        cycle.save(update_fields=["config"])
        digests.add(replay(cycle_id=cycle.pk).recomputed)

    assert len(digests) == 1


def test_diff_lists_late_events_and_what_they_moved(program: Program) -> None:
    cycle = reviewed(program, state=CycleState.CLOSED)
    record_month(program, "2026-06", {"P3": {"views": 2}}, tag="late", at=LATER)
    record_month(program, "2026-05", {"P3": {"views": 5}}, tag="late", at=LATER)
    reviewed(program, MAY, at=LATER)  # seals

    found = diff_review(cycle_id=cycle.pk)

    assert (found.late_count, found.late_by_partner) == (2, {"P3": 2})
    assert [event.event_id for event in found.late_events] == ["late2026-06-P3-views-0", "late2026-06-P3-views-1"]
    assert {(event.partner, event.offer, event.kind, event.status) for event in found.late_events} == {
        ("P3", "O-P3", "viewed", "confirmed")
    }
    moved: dict[tuple[str, str], tuple[Any, Any]] = {(row.partner, row.figure): (row.then, row.now) for row in found.moved}
    assert moved["P3", "views"] == (0, 2)
    assert moved["P3", "standing"] == ("no_activity", "insufficient_data")
    assert {partner for partner, _ in moved} == {"P3"}


def test_without_late_events_nothing_moved(program: Program) -> None:
    found = diff_review(cycle_id=reviewed(program).pk)

    assert (found.late_count, found.late_events, found.moved) == (0, [], [])


def test_what_was_not_consolidated_cannot_be_replayed(program: Program) -> None:
    cycle = open_cycle(program_id=program.pk, month_start_date=JUNE, actor="system", at=IN_JULY)

    for read in (replay, diff_review):
        with pytest.raises(UnableToReplay):
            read(cycle_id=cycle.pk)
        with pytest.raises(NotFound):
            read(cycle_id=cycle.pk + 1)
