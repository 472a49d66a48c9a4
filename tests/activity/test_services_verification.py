"""Whoever edits the ledger past the triggers is found, and the place is named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from activity.models import DayPartnerMembers, DayPartnerRollup, DaySegmentMembers, Event, IngestBatch, Seal
from activity.models.ledger import POSITIONS
from activity.rules import pack_members
from activity.services import seal_ledger, verification, verify_ledger, verify_rollups
from activity.services.anchors import anchor_file, list_anchors
from activity.services.member_sets import fill_sets
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines, pytest.mark.slow]
SETS = (DaySegmentMembers, DayPartnerMembers)
TABLES = ("activity_event", "activity_eventidentity", "activity_ingestbatch", "activity_seal")


def as_superuser(*statements: str) -> None:
    """Run statements with the triggers out of the way, as somebody with the database in hand would."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
        else:
            for table in TABLES:
                for verb in ("UPDATE", "DELETE"):
                    cursor.execute(f"DROP TRIGGER {table}_no_{verb}")
            cursor.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(
            "SET session_replication_role = DEFAULT" if connection.vendor == "postgresql" else "PRAGMA foreign_keys = ON"
        )


@pytest.fixture
def program() -> Program:
    """Three sealed batches of three events, anchored."""
    program = make_stocked_program()
    for batch in range(3):
        record(
            program,
            [
                event(f"{batch}-{number}", "redeemed", spend_amount=f"{number}.00", spend_currency="EUR", transaction_ref="T")
                for number in (1, 2, 3)
            ],
        )
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
    return program


def violations(program: Program) -> list[str]:
    return [text for verdict in verify_ledger(program=program) for text in verdict.violations]


def test_an_untouched_ledger_is_whole(program):
    assert violations(program) == []
    assert [anchor.number for anchor in list_anchors(program=program)] == [1, 2, 3]


def middle() -> int:
    return Event.objects.order_by("id")[4].pk


EDITS: dict[str, Callable[[int], str]] = {
    "amount": lambda row: f"UPDATE activity_event SET spend_minor = spend_minor + 1 WHERE id = {row}",
    "offer": lambda row: f"UPDATE activity_event SET offer_id = offer_id + 1 WHERE id = {row}",
    "status": lambda row: f"UPDATE activity_event SET status = 3 WHERE id = {row}",
    "time": lambda row: f"UPDATE activity_event SET occurred_at = '2026-06-15 10:00:01' WHERE id = {row}",
    "event id": lambda row: f"UPDATE activity_event SET event_key = 'other' WHERE id = {row}",
    "member": lambda row: f"UPDATE activity_event SET member_id = member_id + 1 WHERE id = {row}",
    "attributes": lambda row: f"UPDATE activity_event SET attribute_set_id = attribute_set_id + 1 WHERE id = {row}",
    "day": lambda row: f"UPDATE activity_event SET local_date = '2026-06-16' WHERE id = {row}",
    "nonce": lambda row: (
        f"UPDATE activity_event SET nonce = (SELECT nonce FROM activity_event WHERE id = {row - 1}) WHERE id = {row}"
    ),
}


def test_an_edit_behind_the_hash_of_an_erasure_is_named(program):
    as_superuser(f"UPDATE activity_event SET event_key = 'other', identity_hash = nonce WHERE id = {middle()}")
    assert len(violations(program)) == 1


def test_events_that_come_while_it_is_proved_raise_no_alarm(program, monkeypatch):
    """One view of the database for all checks: what is recorded and sealed in between belongs to the next run."""
    real = verification._verify_chain

    def busy(*arguments):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(record_and_seal, program).result(timeout=60)
        return real(*arguments)

    monkeypatch.setattr(verification, "_verify_chain", busy)
    assert violations(program) == []
    assert Seal.objects.count() == 4


def record_and_seal(program: Program) -> None:
    try:
        record(program, [event("meanwhile")])
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
    finally:
        connections.close_all()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_event_is_named_by_its_batch(program, edit):
    as_superuser(EDITS[edit](middle()))
    [text] = violations(program)
    assert text.startswith(f"batch {middle() // POSITIONS}: ")


@pytest.mark.parametrize("edit", ["amount", "offer", "status", "time"])
def test_an_edit_of_what_an_event_said_is_named_by_its_row(program, edit):
    as_superuser(EDITS[edit](middle()))
    assert f"event {middle()} was edited" in violations(program)[0]


def test_a_deleted_event_is_named(program):
    row = middle()
    as_superuser(f"DELETE FROM activity_event WHERE id = {row}")
    assert any(f"event {row} was deleted" in text for text in violations(program))


def test_an_event_deleted_with_its_identity_is_named_by_its_batch(program):
    row = middle()
    as_superuser(f"DELETE FROM activity_event WHERE id = {row}", f"DELETE FROM activity_eventidentity WHERE event_id = {row}")
    assert any(text.startswith(f"batch {row // POSITIONS}:") for text in violations(program))


def copy_of(row: int, to: int) -> str:
    columns = [field.column for field in Event._meta.concrete_fields if field.column != "id"]
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO activity_event (id, {names}) SELECT {to}, {names} FROM activity_event WHERE id = {row}"


def test_an_inserted_event_is_named(program):
    row = middle()
    as_superuser(copy_of(row, row + 100))
    assert any(f"event {row + 100} was inserted" in text for text in violations(program))
    assert any(f"event {row + 100} (batch {row // POSITIONS}) has no identity" in text for text in violations(program))


def test_an_event_in_a_batch_that_never_was_is_named(program):
    row = middle()
    as_superuser(copy_of(row, 999 * POSITIONS))
    assert any("batch 999: 1 events lie in a batch that does not exist" in text for text in violations(program))


def test_two_events_that_changed_places_are_named(program):
    first, second = middle(), middle() + 1
    swap = [
        f"UPDATE activity_event SET id = -1 WHERE id = {first}",
        f"UPDATE activity_event SET id = {first} WHERE id = {second}",
        f"UPDATE activity_event SET id = {second} WHERE id = -1",
        f"UPDATE activity_eventidentity SET event_id = -1 WHERE event_id = {first}",
        f"UPDATE activity_eventidentity SET event_id = {first} WHERE event_id = {second}",
        f"UPDATE activity_eventidentity SET event_id = {second} WHERE event_id = -1",
    ]
    as_superuser(*swap)
    [text] = violations(program)
    assert f"batch {first // POSITIONS}: its rows were reordered" in text


def test_a_batch_that_lost_all_its_events_is_named(program):
    batch = IngestBatch.objects.order_by("pk")[1]
    low, high = batch.pk * POSITIONS, batch.pk * POSITIONS + POSITIONS - 1
    as_superuser(f"DELETE FROM activity_event WHERE id BETWEEN {low} AND {high}")
    assert any(f"batch {batch.pk}: all of its 3 events were deleted" in text for text in violations(program))


def test_a_tail_cut_with_every_trace_is_named_by_the_anchor(program):
    last = Seal.objects.latest("number")
    low = last.batch_id * POSITIONS
    as_superuser(
        f"DELETE FROM activity_event WHERE id >= {low}",
        f"DELETE FROM activity_eventidentity WHERE event_id >= {low}",
        f"DELETE FROM activity_seal WHERE id = {last.pk}",
        f"DELETE FROM activity_ingestbatch WHERE id = {last.batch_id}",
    )
    assert violations(program) == ["the ledger ends at seal 2, but seal 3 was anchored: the tail was cut off after seal 2"]


def test_a_seal_taken_out_of_the_middle_is_named(program):
    as_superuser("DELETE FROM activity_seal WHERE number = 2")
    assert "seal 2 is missing: seal 3 follows seal 1" in violations(program)


@pytest.mark.parametrize("column", ["root", "chain"])
def test_an_altered_seal_is_named(program, column):
    as_superuser(f"UPDATE activity_seal SET {column} = (SELECT {column} FROM activity_seal WHERE number = 1) WHERE number = 2")
    assert any(text.startswith("seal 2: ") for text in violations(program))


def test_outcome_counts_are_part_of_the_chain(program):
    as_superuser("UPDATE activity_ingestbatch SET accepted_count = 2, rejected_count = 1")
    assert "seal 1: the chain breaks here; this seal, its batch or one before it was altered" in violations(program)


def test_a_head_that_was_forged_is_named(program):
    path = anchor_file(program)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace('"number": 2', '"number": 1'), lines[2][:50]]) + "\n")
    texts = violations(program)
    assert len(texts) == 2
    assert all("not a head signed" in text for text in texts)


def test_an_unsealed_batch_is_proved_as_well(program):
    record(program, [event("tail")])
    assert violations(program) == []
    as_superuser("UPDATE activity_event SET kind = 3 WHERE event_key = 'etail'")
    assert len(violations(program)) == 1


def test_rollups_equal_the_ledger_and_an_altered_cell_is_named(program):
    assert [verdict.violations for verdict in verify_rollups(program=program)] == [[]] * 6
    cell = DayPartnerRollup.objects.filter(measure=2).get()
    assert (cell.event_count, cell.amount_minor) == (9, 1800)
    DayPartnerRollup.objects.filter(pk=cell.pk).update(amount_minor=1801)
    [*_, [text]] = sorted((verdict.violations for verdict in verify_rollups(program=program)), key=len)
    assert "9 events and 1801 minor units, the ledger has 9 and 1800" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": pack_members([10**6])}, "lacks 1 and has 1 too many of the 1 members"),
        ({"members": b"\x07"}, "cannot be read, the ledger has 1 members"),
        ({"member_count": 2}, "says that it holds 2 members, and holds 1"),
        ({"kind": 1}, "no set, the ledger has 1 members"),
    ],
)
@pytest.mark.parametrize("model", [DaySegmentMembers, DayPartnerMembers])
def test_an_altered_set_of_members_is_named(program, model, change, words):
    cell = model.objects.get()
    model.objects.filter(pk=cell.pk).update(**change)
    texts = [text for verdict in verify_rollups(program=program) for text in verdict.violations]
    [text] = [text for text in texts if words in text]
    assert text.startswith(f"{model._meta.db_table} at local_date 2026-06-15, ")
    assert len(texts) == (2 if "kind" in change else 1)


def test_sets_are_made_again_from_a_ledger_that_is_there(program):
    before = [list(model.objects.order_by("pk").values_list("members", "member_count")) for model in SETS]
    for model in SETS:
        model.objects.all().delete()
    fill_sets(program_id=program.pk)
    assert [list(model.objects.order_by("pk").values_list("members", "member_count")) for model in SETS] == before
    assert [verdict.violations for verdict in verify_rollups(program=program)] == [[]] * 6
