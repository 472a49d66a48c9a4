"""Events of people whom a program does not know: kept sealed, once, for 30 days, and recorded when the person arrives."""

import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from activity import tasks
from activity.choices import Noun, Origin, Outcome
from activity.models import Event, EventIdentity, IngestBatch, MemberMessage, QuarantinedEvent
from activity.rules import check_event
from activity.selectors.quarantine import (
    find_ready,
    list_programs_to_expire,
    list_programs_to_replay,
    list_refusals,
    list_replayed,
    list_waiting,
    summarise_quarantine,
)
from activity.services import MemberRow, Person, UnableToRecordEvents, apply_people, quarantine, replay
from activity.services.loading import NewProgram, load_folder
from activity.services.mixed import record_mixed
from activity.services.quarantine import discard_quarantine, expire_quarantine, open_quarantined, retry_quarantine
from activity.services.rehearsal import rehearse_events
from activity.services.replay import replay_quarantine
from partners.models import Program
from plum_site.lib import jobs, keys
from plum_site.lib.errors import DomainError
from plum_site.lib.models import AuditEvent, Job
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program, record, write_folder
from tests.factories.messages import message
from tests.factories.offers import make_offer

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

LATER = RECORDED_AT + timedelta(days=2)
OVER = RECORDED_AT + timedelta(days=30)


@pytest.fixture
def program() -> Program:
    """One that takes nobody it does not know."""
    return make_stocked_program(creates_unknown_members=False)


def arrive(program: Program, *names: str) -> None:
    rows = [MemberRow(Person(name), {"business_unit": "cards"}) for name in names]
    apply_people(program=program, source="file", rows=rows, actor="system", at=LATER)


def waiting() -> list[str]:
    return [open_quarantined(program=row.program, row=row).event_id for row in QuarantinedEvent.objects.order_by("pk")]


def outcomes(result: dict[str, Any]) -> dict[str, int]:
    return {name: result[name] for name in ("accepted", "duplicate", "conflict", "rejected") if result[name]}


def test_a_stranger_s_event_is_rejected_and_kept(program: Program) -> None:
    receipt = record(program, [event(1), event(2, member="M9")])

    assert (receipt.accepted, receipt.rejected) == (1, 1)
    result = receipt.results[1]
    assert (result.code, result.field) == ("unknown_member", "member")
    assert "kept in quarantine until 2026-08-14 09:30 UTC" in result.detail
    assert waiting() == ["e2"]
    batch = IngestBatch.objects.get()
    assert (batch.received_count, batch.accepted_count, batch.rejected_count) == (2, 1, 1)


def test_nothing_is_kept_where_the_program_makes_unknown_members() -> None:
    program = make_stocked_program()

    assert record(program, [event(1, member="M9")]).accepted == 1
    assert waiting() == []


def test_only_strangers_wait(program: Program) -> None:
    record(program, [event(1, member="M9", offer="none"), event(2, kind="stolen", member="M9")])

    assert waiting() == []


def test_the_same_event_waits_once_and_the_first_content_stays(program: Program) -> None:
    first = record(program, [event(1, member="M9")])
    again = record(program, [event(1, member="M9")], at=LATER)
    other = record(program, [event(1, member="M9", offer="O2")], at=LATER)

    assert "is kept in quarantine" in first.results[0].detail
    assert "waits in quarantine already, until 2026-08-14 09:30 UTC" in again.results[0].detail
    assert "Other content with this event id waits in quarantine" in other.results[0].detail
    [row] = QuarantinedEvent.objects.all()
    assert row.kept_at == RECORDED_AT
    assert open_quarantined(program=program, row=row).offer == "O1"


def test_twice_in_one_call_waits_once(program: Program) -> None:
    receipt = record(program, [event(1, member="M9"), event(1, member="M9"), event(1, member="M9", offer="O2")])

    assert [result.outcome for result in receipt.results] == [Outcome.REJECTED] * 3
    assert waiting() == ["e1"]
    assert "is kept in quarantine" in receipt.results[0].detail
    assert "was not kept" in receipt.results[2].detail


def test_strict_handling_and_sandbox_tokens_keep_nothing(program: Program) -> None:
    with pytest.raises(UnableToRecordEvents) as refusal:
        record(program, [event(1, member="M9")], strict=True)
    sandbox = rehearse_events(
        program=program, items=[check_event(event(1, member="M9"), source="file", at=RECORDED_AT)], at=RECORDED_AT
    )

    assert waiting() == []
    for receipt in (refusal.value.receipt, sandbox):
        assert receipt.results[0].code == "unknown_member"
        assert "quarantine" not in receipt.results[0].detail


def test_a_full_quarantine_says_so(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST_KEPT", 2)

    receipt = record(program, [event(number, member="M9") for number in range(4)])

    assert waiting() == ["e0", "e1"]
    assert "The quarantine is full (2 events wait), so this one was not kept." in receipt.results[3].detail


def test_the_outside_id_lies_there_sealed_only(program: Program) -> None:
    record(program, [event("of-someone", member="someone@example.org", transaction_ref="ORDER-77")])

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM activity_quarantinedevent")
        [row] = cursor.fetchall()
    stored = b"\x00".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in row)
    for secret in (b"someone", b"ORDER-77"):
        assert secret not in stored
    [kept] = QuarantinedEvent.objects.all()
    assert b"someone@example.org" in keys.unseal(keys.program_key(program.uuid, "quarantine"), bytes(kept.sealed))


def test_what_waited_is_recorded_when_the_person_arrives(program: Program) -> None:
    bought = event(1, "redeemed", member="M9", spend_amount="12.50", spend_currency="EUR")
    record(program, [bought], source="till")
    record(program, [event(2, member="M8")], source="till")
    arrive(program, "M9")

    result = replay_quarantine(program_id=program.pk, at=LATER)

    assert outcomes(result) == {"accepted": 1}
    assert waiting() == ["e2"]
    recorded = Event.objects.get()
    assert (recorded.event_key, recorded.source.code, recorded.spend_minor) == ("e1", "till", 1250)
    assert recorded.attribute_set.values["business_unit"] == "cards"
    batch = IngestBatch.objects.latest("pk")
    assert (batch.origin, batch.token_id, batch.source.code) == (Origin.QUARANTINE, None, "till")
    assert (
        record(
            program, [event(1, member="M9", spend_amount="12.50", spend_currency="EUR", kind="redeemed")], source="till"
        ).duplicate
        == 1
    )


def test_a_replay_twice_records_once(program: Program) -> None:
    record(program, [event(1, member="M9")])
    arrive(program, "M9")

    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"accepted": 1}
    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {}
    assert Event.objects.count() == 1


def test_a_replay_that_dies_leaves_everything_waiting(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row goes in the transaction that records its event: there is no instant in which it is in neither place."""
    record(program, [event(1, member="M9")])
    arrive(program, "M9")

    def die(**_: Any) -> None:
        record_mixed(**_)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replay, "record_mixed", die)
        with pytest.raises(KeyboardInterrupt):
            replay_quarantine(program_id=program.pk, at=LATER)
    assert (waiting(), Event.objects.count()) == (["e1"], 0)

    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"accepted": 1}
    assert (waiting(), EventIdentity.objects.count()) == ([], 1)


def test_what_was_sent_again_meanwhile_is_a_duplicate_and_goes(program: Program) -> None:
    record(program, [event(1, member="M9")])
    arrive(program, "M9")
    record(program, [event(1, member="M9")], at=LATER)

    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"duplicate": 1}
    assert (waiting(), Event.objects.count()) == ([], 1)


def test_what_a_replay_refuses_waits_with_its_reason_until_it_can_be_taken(program: Program) -> None:
    record(program, [event(1, member="M9"), event(2, member="M9")])
    arrive(program, "M9")
    record(program, [event(1, member="M9", offer="O2")], at=LATER)

    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"accepted": 1, "conflict": 1}
    assert list_refusals(program.pk) == [("file", "conflict", 1, LATER)]
    assert not find_ready(program).exists()
    assert summarise_quarantine(program.pk).refused == 1
    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER, with_refused=True)) == {"conflict": 1}
    [replayed] = list_replayed(program.pk)
    assert (replayed.accepted, replayed.conflict, replayed.last_at) == (1, 2, LATER)


def test_everything_is_ready_once_the_program_makes_unknown_members(program: Program) -> None:
    record(program, [event(1, member="M9")])
    assert list_programs_to_replay() == []

    Program.objects.filter(pk=program.pk).update(creates_unknown_members=True)

    assert [one.pk for one in list_programs_to_replay()] == [program.pk]
    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"accepted": 1}


def test_the_schedule_finds_what_a_lost_wake_up_left(program: Program) -> None:
    record(program, [event(1, member="M9")])
    assert list_programs_to_replay() == []

    arrive(program, "M9")

    assert [one.pk for one in list_programs_to_replay()] == [program.pk]


def test_arriving_wakes_the_replay(
    program: Program, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = []
    monkeypatch.setattr(jobs.SENDER, "add", lambda what, *_: woken.append(what))

    with django_capture_on_commit_callbacks(execute=True):
        arrive(program, "M9")

    assert {"name": "activity.replay_quarantine", "ids": {"program_id": program.pk}} in woken


def test_many_are_replayed_in_steps(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "AT_ONCE", 3)
    record(program, [event(number, member=f"M{10 + number % 2}") for number in range(10)])
    arrive(program, "M10")
    steps: list[tuple[int, int]] = []

    replay_quarantine(program_id=program.pk, at=LATER, progress=lambda done, total, note: steps.append((done, total)))

    assert steps == [(3, 5), (5, 5)]
    assert len(waiting()) == 5


def test_messages_wait_too(program: Program) -> None:
    receipt = record_mixed(program=program, items=[message(1, member="M9")], origin=Origin.API, at=RECORDED_AT)
    assert receipt.results[0].code == "unknown_member"
    assert QuarantinedEvent.objects.get().noun == Noun.MESSAGE
    arrive(program, "M9")

    assert outcomes(replay_quarantine(program_id=program.pk, at=LATER)) == {"accepted": 1}
    assert MemberMessage.objects.get().event_key == "m1"
    assert waiting() == []


def test_after_thirty_days_it_is_over(program: Program) -> None:
    record(program, [event(1, member="M9")])
    record(program, [event(2, member="M9")], at=LATER)

    assert list_programs_to_expire(OVER - timedelta(seconds=1)) == []
    assert list_programs_to_expire(OVER) == [program.pk]
    assert expire_quarantine(program_id=program.pk, at=OVER) == 1
    assert expire_quarantine(program_id=program.pk, at=OVER) == 0

    assert waiting() == ["e2"]
    [logged] = AuditEvent.objects.filter(action="activity.expire_quarantine")
    assert (logged.after, logged.actor) == ({"expired": {"file": 1}}, "system")


def test_what_is_discarded_is_logged(program: Program) -> None:
    record(program, [event(1, member="M9"), event(2, member="M8")])
    record(program, [event(3, member="M9")], source="till")
    [file, till] = list_waiting(program.pk)
    assert (file.waiting.count, till.waiting.count) == (2, 1)

    number = discard_quarantine(program=program, actor="user:1", at=LATER, reason="A test system.", source_id=file.source_id)

    assert (number, waiting()) == (2, ["e3"])
    [logged] = AuditEvent.objects.filter(action="activity.discard_quarantine")
    assert (logged.after, logged.comment) == ({"discarded": {"file": 2}}, "A test system.")
    with pytest.raises(DomainError, match="Nothing of that waits"):
        discard_quarantine(program=program, actor="user:1", at=LATER, reason="", only_refused=True)


def test_one_program_s_quarantine_is_not_another_s(program: Program) -> None:
    other = make_stocked_program("other", creates_unknown_members=False)
    record(program, [event(1, member="M9")])
    record(other, [event(1, member="M9")])
    arrive(other, "M9")

    replay_quarantine(program_id=other.pk, at=LATER)

    assert [row.program_id for row in QuarantinedEvent.objects.all()] == [program.pk]
    assert list_programs_to_replay() == []


def test_trying_again_is_a_job_that_is_logged(program: Program) -> None:
    with pytest.raises(DomainError, match="Nothing waits"):
        retry_quarantine(program=program, actor="user:1", at=LATER)
    record(program, [event(1, member="M9", offer="O1")])
    arrive(program, "M9")
    make_offer(program, "O9")

    job = retry_quarantine(program=program, actor="user:1", at=LATER)
    again = retry_quarantine(program=program, actor="user:1", at=LATER)

    assert job.pk == again.pk
    assert job.name in jobs.HANDLERS, tasks
    assert jobs.run_job(job.pk, at=LATER) == "done", Job.objects.get(pk=job.pk).error
    job.refresh_from_db()
    assert job.result["accepted"] == 1
    assert AuditEvent.objects.filter(action="activity.retry_quarantine").count() == 2


def test_a_file_s_row_goes_to_the_rejects_and_says_that_it_waits(program: Program, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", [event(1), event(2, member="M9")])

    report = load_folder(folder=folder, new_program=NewProgram(program.code), actor="system", at=RECORDED_AT, source="till")

    assert (report.accepted, report.rejected) == (1, 1)
    [row] = list(csv.DictReader(Path(report.rejects_file).read_text(encoding="utf-8").splitlines()))
    assert (row["column"], row["reason"]) == ("member", "unknown_member")
    assert "is kept in quarantine until 2026-08-14 09:30 UTC" in row["detail"]
    [kept] = list_waiting(program.pk)
    assert (kept.source, kept.waiting.count) == ("till", 1)
