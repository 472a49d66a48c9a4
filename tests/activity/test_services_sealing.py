"""Sealing gives batches one dense order, and what many do at once ends as if one had done it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from threading import Event as Signal

import pytest
from django.db import connection, connections, transaction

from activity import tasks
from activity.models import (
    DayOfferRollup,
    DayPartnerMembers,
    DayPartnerRollup,
    DaySegmentRollup,
    Event,
    IngestBatch,
    Member,
    Seal,
)
from activity.services import prepare_partitions, seal_ledger, verify_ledger, verify_rollups
from activity.services import sealing as sealing_module
from activity.services.sealing import seal_when_due
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines, pytest.mark.slow]


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


class TestWhenItIsDue:
    """A wake-up seals what waits, but not after every commit of a busy program."""

    def seal(self, program: Program, seconds: float) -> bool:
        return seal_when_due(program_id=program.pk, at=RECORDED_AT + timedelta(seconds=seconds))

    def test_the_first_batch_is_sealed_at_once(self):
        program = make_stocked_program()
        record(program, [event(1)])
        assert self.seal(program, 0) is True
        assert Seal.objects.count() == 1

    def test_within_half_a_second_of_the_last_seal_it_is_left_for_later(self):
        program = make_stocked_program()
        record(program, [event(1)])
        self.seal(program, 0)
        record(program, [event(2)])
        assert self.seal(program, 0.45) is False
        assert Seal.objects.count() == 1
        assert self.seal(program, 0.5) is True
        assert Seal.objects.count() == 2
        assert violations(program) == []

    def test_a_seal_from_a_clock_that_was_ahead_holds_nothing_up(self):
        program = make_stocked_program()
        record(program, [event(1)])
        self.seal(program, 3600)
        record(program, [event(2)])
        assert self.seal(program, 0) is True
        assert Seal.objects.count() == 2

    def test_nobody_waits_half_a_second_to_get_it_all_sealed(self):
        program = make_stocked_program()
        record(program, [event(1)])
        self.seal(program, 0)
        record(program, [event(2)])
        assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 1

    @pytest.mark.parametrize(
        ("pass_seconds", "seals", "is_done"), [(0.1, 1, True), (0.6, 3, True), (6, 2, False)], ids=["short", "long", "for ever"]
    )
    def test_what_was_committed_during_a_long_pass_follows_at_once(self, monkeypatch, pass_seconds, seals, is_done):
        program = make_stocked_program()
        record(program, [event(0)])
        seal_some, passes, seconds = sealing_module._seal_some, [], [0.0]

        def seal_slowly(*given, **named):
            done = seal_some(*given, **named)
            passes.append(given[1])
            seconds[0] += pass_seconds
            if len(passes) < 3:  # somebody goes on sending
                record(program, [event(len(passes))])
            return done

        monkeypatch.setattr(sealing_module, "_seal_some", seal_slowly)
        monkeypatch.setattr(sealing_module, "monotonic", lambda: seconds[0])
        assert self.seal(program, 0) is is_done
        assert Seal.objects.count() == seals
        assert passes[:seals] == [RECORDED_AT + timedelta(seconds=pass_seconds * number) for number in range(seals)]
        assert violations(program) == []

    @pytest.mark.parametrize("is_due", [True, False])
    def test_a_wake_up_that_was_too_early_comes_again(self, monkeypatch, is_due: bool):
        again: list[dict[str, int]] = []
        monkeypatch.setattr(tasks, "seal_when_due", lambda **_: is_due)
        monkeypatch.setattr(tasks.jobs, "wake", lambda name, **ids: again.append({name: ids["program_id"]}))
        tasks.seal_ledger(program_id=7)
        assert again == ([] if is_due else [{"activity.seal_ledger": 7}])

    @pytest.mark.postgres
    def test_where_somebody_is_sealing_it_does_not_wait(self):
        program = make_stocked_program()
        record(program, [event(1)])

        def ask(number: int) -> bool:
            if number:
                with transaction.atomic():
                    assert sealing_module._lock(program, waits=True)
                    is_held.set()
                    assert asked.wait(20)
                return True
            assert is_held.wait(20)
            try:
                return self.seal(program, 0)
            finally:
                asked.set()

        is_held, asked = Signal(), Signal()
        assert together(2, ask) == [False, True]
        assert Seal.objects.count() == 0
        assert self.seal(program, 0) is True


def test_a_portion_has_so_many_events_at_most(monkeypatch):
    monkeypatch.setattr(sealing_module, "EVENTS_AT_ONCE", 5)
    program = make_stocked_program()
    sizes = [2, 3, 1, 7, 4, 1]
    for batch, size in enumerate(sizes):
        record(program, [event(f"{batch}-{number}") for number in range(size)])
    portions: list[list[int]] = []
    real = sealing_module._add_to_rollups

    def add(program: Program, batch_ids: list[int]) -> None:
        portions.append([sizes[batch_id - first] for batch_id in batch_ids])
        real(program, batch_ids)

    first = min(IngestBatch.objects.values_list("pk", flat=True))
    monkeypatch.setattr(sealing_module, "_add_to_rollups", add)
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == len(sizes)
    assert portions == [[2, 3], [1], [7], [4, 1]]
    assert violations(program) == []


def test_what_is_committed_while_a_portion_is_sealed_is_left_to_its_own_wake_up(monkeypatch):
    program = make_stocked_program()
    record(program, [event(1)])
    real = sealing_module._add_to_rollups

    def add(*arguments: object) -> None:
        real(*arguments)
        monkeypatch.setattr(sealing_module, "_add_to_rollups", real)
        record(program, [event(2)])

    monkeypatch.setattr(sealing_module, "_add_to_rollups", add)
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 1
    assert seal_ledger(program_id=program.pk, at=RECORDED_AT) == 1
    assert violations(program) == []


def test_an_event_whose_person_was_erased_before_its_seal_counts_without_a_member():
    program = make_stocked_program()
    record(program, [event(1), event(2, member="M2")])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO activity_ledgerpermit (reason, job_id, made_at) VALUES ('test', 1, '2026-07-01')")
        cursor.execute("UPDATE activity_event SET member_id = NULL WHERE id = (SELECT MAX(id) FROM activity_event)")
        cursor.execute("DELETE FROM activity_ledgerpermit")
    seal_ledger(program_id=program.pk, at=RECORDED_AT)
    assert list(DayPartnerRollup.objects.values_list("event_count", flat=True)) == [2]
    assert list(DayPartnerMembers.objects.values_list("member_count", flat=True)) == [1]
    assert [text for verdict in verify_rollups(program=program) for text in verdict.violations] == []
