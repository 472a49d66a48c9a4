"""Sealing gives batches one dense order, and what many do at once ends as if one had done it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections

from activity.models import DayOfferRollup, DayPartnerRollup, DaySegmentRollup, Event, IngestBatch, Member, Seal
from activity.services import prepare_partitions, seal_ledger, verify_ledger, verify_rollups
from activity.services import sealing as sealing_module
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def violations(program: Program) -> list[str]:
    return [
        text for verify in (verify_ledger, verify_rollups) for verdict in verify(program=program) for text in verdict.violations
    ]


def together(count: int, work):
    """Run `work(number)` in `count` threads that start at the same moment, each with a connection of its own."""
    barrier = Barrier(count)

    def one(number: int):
        try:
            barrier.wait(timeout=20)
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_cells_count_events_and_amounts_by_currency():
    program = make_stocked_program()
    record(
        program,
        [
            event(1, "redeemed", spend_amount="1.00", spend_currency="EUR", reward_cost_amount="2", reward_cost_currency="JPY"),
            event(2, "redeemed", spend_amount="2.50", spend_currency="EUR"),
            event(3, "redeemed", spend_amount="1.00", spend_currency="USD"),
            event(4, "redeemed"),
            event(5, "redeemed", status="reversed", spend_amount="1.00", spend_currency="EUR"),
        ],
    )
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    cells = DayPartnerRollup.objects.values_list("status", "measure", "currency", "event_count", "amount_minor")
    expected = [
        (1, 1, "", 4, 0),
        (1, 2, "EUR", 2, 350),
        (1, 2, "USD", 1, 100),
        (1, 3, "JPY", 1, 2),
        (3, 1, "", 1, 0),
        (3, 2, "EUR", 1, 100),
    ]
    assert sorted(cells) == expected
    assert DayOfferRollup.objects.count() == DaySegmentRollup.objects.count() == len(expected)


def test_a_cell_grows_with_later_batches():
    program = make_stocked_program()
    for number in (1, 2, 3):
        record(program, [event(number)])
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
    assert list(DayOfferRollup.objects.values_list("event_count", flat=True)) == [3]
    assert list(Seal.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]


def test_nothing_to_seal_is_no_work():
    program = make_stocked_program()
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 0


def test_many_batches_are_sealed_in_portions(monkeypatch):
    monkeypatch.setattr(sealing_module, "BATCHES_AT_ONCE", 2)
    program = make_stocked_program()
    for number in range(5):
        record(program, [event(number)])
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 5
    assert violations(program) == []


def test_a_crash_while_sealing_leaves_everything_unsealed(monkeypatch):
    program = make_stocked_program()
    record(program, [event(1)])

    def fail(*args: object) -> None:
        raise OSError("power")

    monkeypatch.setattr(Seal.objects.__class__, "bulk_create", fail)
    with pytest.raises(OSError, match="power"):
        seal_ledger(program_id=program.pk, at=RECORDED_AT)
    monkeypatch.undo()
    assert not DayOfferRollup.objects.exists()
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 1
    assert violations(program) == []


def test_other_programs_batches_in_between_stay_apart():
    one, two = make_stocked_program("one"), make_stocked_program("two")
    for number in range(3):
        record(one, [event(number)])
        record(two, [event(number), event(f"x{number}")])
    seal_ledger(program_id=one.pk, at=RECORDED_AT)
    assert sum(DayOfferRollup.objects.values_list("event_count", flat=True)) == 3
    seal_ledger(program_id=two.pk, at=RECORDED_AT)
    assert violations(one) == violations(two) == []


def test_many_sealers_seal_each_batch_once():
    program = make_stocked_program()
    for number in range(6):
        record(program, [event(number)])
    together(4, lambda number: seal_ledger(program_id=program.pk, at=RECORDED_AT))
    assert sorted(Seal.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert violations(program) == []


def test_the_same_events_from_many_senders_are_stored_once():
    program = make_stocked_program()
    events = [event(number, member=f"new{number % 7}", source="shop") for number in range(40)]

    def send(number: int) -> tuple[int, int]:
        receipt = record(program, events[number:] + events[:number], wakes_sealer=False)
        return receipt.accepted, receipt.duplicate

    outcomes = together(4, send)
    assert sum(accepted for accepted, _ in outcomes) == 40
    assert sum(duplicate for _, duplicate in outcomes) == 120
    assert Event.objects.count() == 40
    assert Member.objects.count() == 2 + 7
    assert sum(IngestBatch.objects.values_list("accepted_count", flat=True)) == 40
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    assert violations(program) == []


@pytest.mark.postgres
def test_partitions_are_made_once_and_the_default_stays_empty():
    program = make_stocked_program()
    prepare_partitions(months=set())
    record(program, [event(1, occurred_at="2019-02-28T23:59:59Z"), event(2, occurred_at="2019-03-01T00:00:00Z")])
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM activity_event ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == ["activity_event_2019_02", "activity_event_2019_03"]
        cursor.execute("SELECT COUNT(*) FROM activity_event_default")
        assert cursor.fetchone()[0] == 0
