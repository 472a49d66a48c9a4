"""Events come in once, whatever happens; every one that is sent has one outcome."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.choices import Outcome
from activity.models import Event, EventIdentity, IngestBatch, Member, VaultEntry
from activity.models.ledger import POSITIONS
from activity.rules import Rejection
from activity.services import MemberRow, Person, UnableToRecordEvents, apply_people, record_events, seal_ledger, verify_ledger
from activity.services import ingest as ingest_module
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record
from tests.factories.offers import make_offer

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_a_batch_of_every_outcome_adds_up(at):
    program = make_stocked_program()
    record(program, [event(1)])
    receipt = record(
        program, [event(1), event(1, kind="unlocked"), event(2), event(2), event(3, offer="nope"), event(4, kind="?")]
    )
    assert [result.outcome for result in receipt.results] == [
        "duplicate",
        "conflict",
        "accepted",
        "duplicate",
        "rejected",
        "rejected",
    ]
    assert [result.code for result in receipt.results] == ["", "conflict", "", "", "unknown_offer", "unknown_kind"]
    batch = IngestBatch.objects.latest("pk")
    counts = (batch.received_count, batch.accepted_count, batch.duplicate_count, batch.conflict_count, batch.rejected_count)
    assert counts == (6, 1, 2, 1, 2)
    assert Event.objects.count() == EventIdentity.objects.count() == 2


def test_an_event_id_is_its_batch_and_its_place(at):
    program = make_stocked_program()
    record(program, [event(1), event(2)])
    batch = IngestBatch.objects.get()
    assert list(Event.objects.order_by("id").values_list("id", flat=True)) == [batch.pk * POSITIONS, batch.pk * POSITIONS + 1]


def test_each_source_has_its_own_batch_and_its_own_ids(at):
    program = make_stocked_program()
    receipt = record(program, [event(1, source="shop"), event(1, source="app"), event(2, source="shop")])
    assert receipt.accepted == 3
    assert {(b.source.code, b.accepted_count) for b in IngestBatch.objects.select_related("source")} == {("app", 1), ("shop", 2)}


def test_a_uuid7_is_one_event_in_any_spelling(at):
    program = make_stocked_program()
    uuid7 = str(uuid.UUID("0192f1c2-7b1e-7c3a-8000-0123456789ab"))
    receipt = record(program, [event(event_id=uuid7), event(event_id=uuid7.upper())])
    assert (receipt.accepted, receipt.duplicate) == (1, 1)


def test_what_was_erased_answers_duplicate(at):
    program = make_stocked_program()
    record(program, [event(1)])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO activity_ledgerpermit (reason, job_id, made_at) VALUES ('erasure', 1, %s)", [RECORDED_AT])
    EventIdentity.objects.update(content=None)
    assert record(program, [event(1, kind="redeemed")]).duplicate == 1


def test_an_unknown_member_is_created_pseudonymously(at):
    program = make_stocked_program()
    receipt = record(program, [event(1, member="stranger"), event(2, member="stranger")])
    assert receipt.accepted == 2
    entry = VaultEntry.objects.latest("member_id")
    assert b"stranger" not in bytes(entry.external_id_sealed)
    assert len({row.member_id for row in Event.objects.all()}) == 1
    assert Event.objects.first().attribute_set.values == {"business_unit": "", "region": ""}


def test_a_program_may_refuse_unknown_members(at):
    program = make_stocked_program(creates_unknown_members=False)
    receipt = record(program, [event(1, member="stranger"), event(2)])
    assert (receipt.accepted, receipt.rejected) == (1, 1)
    assert receipt.results[0].code == "unknown_member"
    again = record(program, [event(3, member="stranger"), event(3, member="stranger")])
    assert [result.outcome for result in again.results] == ["rejected", "rejected"]
    assert Member.objects.count() == 2


def test_an_event_outside_its_offers_dates_is_taken_with_a_warning(at):
    program = make_stocked_program()
    make_offer(program, "O9", starts_date=datetime(2026, 7, 1, tzinfo=UTC).date())
    receipt = record(program, [event(1, offer="O9"), event(2, offer="O9", occurred_at="2026-07-01T10:00:00Z")])
    assert [result.warning for result in receipt.results] == ["outside_offer_dates", ""]
    assert receipt.accepted == 2


def test_the_attributes_are_those_of_the_moment(at):
    program = make_stocked_program()
    moved_at = datetime(2026, 6, 20, tzinfo=UTC)
    apply_people(
        program=program,
        rows=[MemberRow(Person("M1"), {"business_unit": "loans", "region": "north"})],
        source="file",
        actor="system",
        at=moved_at,
    )
    record(program, [event(1, occurred_at="2026-06-19T23:59:59Z"), event(2, occurred_at="2026-06-20T00:00:00Z")])
    assert [row.attribute_set.values["business_unit"] for row in Event.objects.order_by("id")] == ["cards", "loans"]


def test_the_day_is_the_programs(at):
    program = make_stocked_program(time_zone="Asia/Kolkata")
    record(program, [event(1, occurred_at="2026-06-30T18:29:59Z"), event(2, occurred_at="2026-06-30T18:30:00Z")])
    assert [str(row.local_date) for row in Event.objects.order_by("id")] == ["2026-06-30", "2026-07-01"]


def test_strict_stores_nothing_unless_all_can_be_taken(at):
    program = make_stocked_program()
    with pytest.raises(UnableToRecordEvents) as refused:
        record(program, [event(1, member="new"), event(2, offer="nope")], strict=True)
    assert refused.value.receipt.rejected == 1
    assert not Event.objects.exists()
    assert not IngestBatch.objects.exists()
    assert Member.objects.count() == 2
    assert record(program, [event(1, member="new")], strict=True).accepted == 1


def test_too_many_events_are_refused_whole(at):
    program = make_stocked_program()
    with pytest.raises(InvalidInput, match="Nothing was stored"):
        record_events(
            program=program, events=[Rejection("x", "y", "z", source="file")] * (POSITIONS + 1), origin="file", at=RECORDED_AT
        )


def test_a_fault_in_the_middle_leaves_nothing_behind(at, monkeypatch):
    program = make_stocked_program()

    def fail(rows: object, **_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(ingest_module, "insert_events", fail)
    with pytest.raises(OSError, match="disk full"):
        record(program, [event(1, member="new")])
    monkeypatch.undo()
    assert not EventIdentity.objects.exists()
    assert Member.objects.count() == 2
    assert record(program, [event(1, member="new")]).accepted == 1


def test_two_programs_share_nothing(at):
    first, second = make_stocked_program("one"), make_stocked_program("two")
    uuid7 = "0192f1c2-7b1e-7c3a-8000-0123456789ab"
    assert record(first, [event(1), event(event_id=uuid7)]).accepted == 2
    assert record(second, [event(1), event(event_id=uuid7)]).accepted == 2
    assert len({bytes(row.lookup) for row in VaultEntry.objects.all()}) == 4


@pytest.mark.parametrize(
    "sql", ["UPDATE activity_event SET kind = 2", "DELETE FROM activity_event", "DELETE FROM activity_eventidentity"]
)
def test_the_database_refuses_edits(at, sql):
    program = make_stocked_program()
    record(program, [event(1)])
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert Event.objects.count() == 1


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 5))
def test_repetition_and_order_change_nothing(numbers, size):
    """The set of events decides, not how often or in how many calls they were sent."""
    with transaction.atomic():
        program = make_stocked_program("order")
        start = datetime(2026, 6, 1, tzinfo=UTC)
        events = [event(number, occurred_at=(start + timedelta(hours=number)).isoformat()) for number in numbers]
        receipts = [record(program, events[index : index + size]) for index in range(0, len(events), size)]
        assert sum(receipt.accepted for receipt in receipts) == len(set(numbers))
        assert sum(receipt.duplicate for receipt in receipts) == len(numbers) - len(set(numbers))
        assert {row.event_key for row in Event.objects.all()} == {f"e{number}" for number in numbers}
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
        assert [verdict.violations for verdict in verify_ledger(program=program)] == [[], [], [], []]
        transaction.set_rollback(True)


def test_a_stage_is_recorded_from_its_first_confirmed_event_on(at):
    program = make_stocked_program()
    assert program.recorded_stages == []
    record(program, [event(1, "unlocked"), event(2, "activated", status="failed")])
    record(program, [event(3, "viewed")], token_id=7)
    program.refresh_from_db()
    assert program.recorded_stages == ["viewed", "unlocked"]
    grown = AuditEvent.objects.filter(action="partners.grow_recorded_stages").order_by("id")
    assert [entry.actor for entry in grown] == ["system", "token:7"]


def test_a_stage_of_a_call_that_failed_is_not_recorded(at):
    program = make_stocked_program()
    with pytest.raises(UnableToRecordEvents):
        record(program, [event(1, "unlocked"), event(2, offer="nope")], strict=True)
    assert program.recorded_stages == []
    record(program, [event(1, "unlocked")])
    program.refresh_from_db()
    assert program.recorded_stages == ["unlocked"]


def test_outcomes_are_words_that_people_see():
    assert [outcome.value for outcome in Outcome] == ["accepted", "duplicate", "conflict", "rejected"]
