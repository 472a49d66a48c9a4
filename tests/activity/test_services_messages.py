"""Messages of an organisation's own messenger: one identity with events, one answer, tables of their own."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction

from activity.choices import Origin, Outcome
from activity.models import (
    Event,
    EventIdentity,
    IngestBatch,
    LedgerPermit,
    Member,
    MemberMessage,
    MessageBatch,
    MessageOffer,
)
from activity.rules import Rejection, check_event
from activity.rules.messages import check_message
from activity.selectors import summarise
from activity.selectors.messages import MessageCounts, summarise_messages
from activity.services import Receipt, UnableToRecordEvents, messages, seal_ledger, verify_ledger, verify_rollups
from activity.services.message_checks import verify_messages
from activity.services.messages import record_messages
from activity.services.mixed import record_mixed
from activity.services.rehearsal import rehearse_events
from partners.models import Program
from tests.factories.ledger import RECORDED_AT, event, make_stocked_program
from tests.factories.messages import message

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

LATER = RECORDED_AT + timedelta(hours=1)


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


def send(program: Program, *items: Any, **options: Any) -> Receipt:
    """Events as fields, messages as they are."""
    checked = [check_event(item, source="messenger", at=RECORDED_AT) if isinstance(item, dict) else item for item in items]
    return record_mixed(program=program, items=checked, origin=Origin.API, at=RECORDED_AT, **options)


def outcomes(receipt: Receipt) -> list[Outcome]:
    return [result.outcome for result in receipt.results]


def test_a_message_is_stored_with_its_offers(program: Program) -> None:
    receipt = send(program, message(1, "bounced", offers=["O2", "O1", "O2"], reason_code="mailbox_full"), token_id=7)

    assert receipt.accepted == 1
    stored = MemberMessage.objects.get()
    assert (stored.event_key, stored.push_ref, stored.reason_code) == ("m1", "spring", "mailbox_full")
    assert stored.local_date == date(2026, 6, 15)
    assert sorted(stored.offers.values_list("offer__external_id", flat=True)) == ["O1", "O2"]
    batch = MessageBatch.objects.get()
    assert (batch.received_count, batch.accepted_count, batch.token_id, batch.source.code) == (1, 1, 7, "messenger")
    assert batch.latest_occurred_at == stored.occurred_at


def test_again_is_a_duplicate_and_other_content_a_conflict(program: Program) -> None:
    send(program, message(1, offers=["O1", "O2"]))

    receipt = send(
        program, message(1, offers=["O2", "O1"]), message(1, "opened"), message(2), message(2), message(2, push_ref="x")
    )

    assert outcomes(receipt) == [Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.CONFLICT]
    assert MemberMessage.objects.count() == 2
    assert MessageBatch.objects.latest("pk").received_count == 5


@pytest.mark.parametrize("message_first", [True, False])
def test_an_id_is_an_event_or_a_message_never_both(program: Program, message_first: bool) -> None:
    pair = [message("x"), event("x", event_id="mx")]
    first, second = pair if message_first else pair[::-1]
    assert send(program, first).accepted == 1

    receipt = send(program, second)

    assert outcomes(receipt) == [Outcome.CONFLICT]
    assert EventIdentity.objects.count() == 1
    assert Event.objects.count() + MemberMessage.objects.count() == 1


def test_events_and_messages_in_one_call_are_answered_in_order(program: Program) -> None:
    bad = Rejection("malformed", "", "Not JSON.", "", "messenger")

    receipt = send(program, event(1), message(1), bad, message(2, offers=["none"]), event(2, offer="none"), event(3))

    assert [(result.index, result.code) for result in receipt.results] == [
        (0, ""),
        (1, ""),
        (2, "malformed"),
        (3, "unknown_offer"),
        (4, "unknown_offer"),
        (5, ""),
    ]
    assert (receipt.received, receipt.accepted, receipt.rejected) == (6, 3, 3)
    assert IngestBatch.objects.get().received_count + MessageBatch.objects.get().received_count == 6


def test_strict_handling_stores_all_or_nothing(program: Program) -> None:
    with pytest.raises(UnableToRecordEvents) as refusal:
        send(program, event(1), message(1), message(2, offers=["none"]), strict=True)

    assert refusal.value.receipt.rejected == 1
    assert (Event.objects.count(), MemberMessage.objects.count(), MessageBatch.objects.count()) == (0, 0, 0)
    assert send(program, event(1), message(1), strict=True).accepted == 2


def test_a_sandbox_token_s_messages_are_answered_and_forgotten(program: Program) -> None:
    receipt = rehearse_events(program=program, items=[message(1), message(2, offers=["none"])], at=RECORDED_AT)

    assert outcomes(receipt) == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert (MemberMessage.objects.count(), EventIdentity.objects.count()) == (0, 0)


def test_unknown_members_are_made_where_the_program_does_so(program: Program) -> None:
    assert send(program, message(1, member="M9")).accepted == 1

    assert Member.objects.filter(program=program).count() == 3


def test_one_id_for_a_stranger_and_for_a_member_in_one_call_is_refused_whole() -> None:
    program = make_stocked_program(creates_unknown_members=False)

    receipt = send(program, message(1, member="M9"), message(1))

    assert [result.code for result in receipt.results] == ["unknown_member", "unknown_member"]
    assert MemberMessage.objects.count() == 0
    assert send(program, message(1)).accepted == 1


def test_whoever_lost_a_race_is_told_what_is_stored(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and storing, somebody else stored the same ids."""
    send(program, message(1), message(2))
    known = messages._known
    calls: list[int] = []

    def look(program: Program, wanted: list[bytes]) -> dict[bytes, bytes | None]:
        calls.append(1)
        return {} if len(calls) == 1 else known(program, wanted)

    monkeypatch.setattr(messages, "_known", look)
    told = record_messages(
        program=program, messages=[message(1), message(2, "opened"), message(3), message(1)], origin=Origin.API, at=LATER
    )

    assert [one.outcome for one in told] == [Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert MemberMessage.objects.count() == 3


def test_messages_are_no_part_of_ledger_rollups_or_metrics(program: Program) -> None:
    send(program, event(1), message(1), message(2, "opened", member="M2"))
    seal_ledger(program_id=program.pk, at=LATER)

    verdicts = [*verify_ledger(program=program), *verify_rollups(program=program), verify_messages(program=program)]
    assert [verdict.violations for verdict in verdicts if verdict.violations] == []
    [row] = summarise(program=program, starts_date=date(2026, 6, 1), ends_date=date(2026, 7, 1), by=[], where={}).rows
    assert (row["views"], row["members_any"]) == (1, 1)


def test_a_message_that_is_gone_or_came_by_another_way_is_named(program: Program) -> None:
    send(program, message(1), message(2))
    gone, strange = MemberMessage.objects.order_by("pk")
    with transaction.atomic():
        LedgerPermit.objects.create(reason="a test", job_id=1, made_at=LATER)
        MessageOffer.objects.filter(message=gone).delete()
        gone_id = gone.pk
        gone.delete()
        EventIdentity.objects.filter(event_id=-strange.pk).delete()
        LedgerPermit.objects.all().delete()

    verdict = verify_messages(program=program)

    assert verdict.violations == [
        f"message {gone_id} is known by its identity but is gone",
        f"message {strange.pk} has no identity: it came in by no door",
    ]


def test_how_a_push_went(program: Program) -> None:
    send(
        program,
        message(1, offers=["O1", "O2"]),
        message(2, "delivered"),
        message(3, "opened"),
        message(4, "opened"),
        message(5, member="M2"),
        message(6, "bounced", member="M2"),
        message(7, push_ref="summer", occurred_at="2026-07-01T10:00:00Z"),
        message(8, "delivered", push_ref="summer", occurred_at="2026-07-01T10:00:01Z", offers=["O3"]),
    )

    first, last = date(2026, 6, 15), date(2026, 7, 1)
    spring = MessageCounts("spring", 2, 1, 1, 2, 2, 1, 1, first, first)
    summer = MessageCounts("summer", 1, 1, 0, 0, 1, 1, 0, last, last)
    assert summarise_messages(program.pk, by="push") == [spring, summer]
    assert summarise_messages(program.pk, by="push", starts_date=last) == [summer]
    assert summarise_messages(program.pk, by="push", ends_date=last) == [spring]
    [whole] = summarise_messages(program.pk)
    assert (whole.sent, whole.members_reached, whole.last_date) == (3, 1, last)
    by_offer = {one.key: (one.sent, one.delivered) for one in summarise_messages(program.pk, by="offer")}
    assert by_offer == {"O1": (3, 1), "O2": (1, 0), "O3": (0, 1)}
    [of_o2] = summarise_messages(program.pk, push_ref="spring", offer_id=program.offers.get(external_id="O2").pk)
    assert (of_o2.sent, of_o2.opened) == (1, 0)
    assert [(one.key, one.sent) for one in summarise_messages(program.pk, by="month")] == [
        (date(2026, 6, 1), 2),
        (date(2026, 7, 1), 1),
    ]
    assert summarise_messages(program.pk, push_ref="autumn") == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"event_id": ""}, "required", "event_id"),
        ({"kind": "read"}, "unknown_kind", "kind"),
        ({"occurred_at": "2026-06-15T10:00:00"}, "invalid", "occurred_at"),
        ({"occurred_at": "yesterday"}, "invalid", "occurred_at"),
        ({"occurred_at": "1989-06-15T10:00:00Z"}, "invalid", "occurred_at"),
        ({"occurred_at": "2026-07-15T09:41:00Z"}, "time_in_future", "occurred_at"),
        ({"offers": []}, "required", "offers"),
        ({"offers": "O1"}, "required", "offers"),
        ({"offers": ["O1", 2]}, "invalid", "offers"),
        ({"offers": [""]}, "invalid", "offers"),
        ({"offers": [f"O{number}" for number in range(101)]}, "invalid", "offers"),
        ({"push_ref": None}, "required", "push_ref"),
        ({"push_ref": "x" * 201}, "invalid", "push_ref"),
        ({"member": "a\x00b"}, "invalid", "member"),
        ({"member": "\ud800"}, "invalid", "member"),
        ({"reason_code": "full"}, "invalid", "reason_code"),
    ],
)
def test_what_is_no_message_is_refused_with_its_field(fields: dict[str, Any], code: str, field: str) -> None:
    given = {
        "event_id": "m1",
        "source": "messenger",
        "occurred_at": "2026-06-15T10:00:00Z",
        "kind": "sent",
        "member": "M1",
        "offers": ["O1"],
        "push_ref": "spring",
    }
    refused = check_message({**given, **fields}, at=RECORDED_AT)

    assert isinstance(refused, Rejection)
    assert (refused.code, refused.field) == (code, field)
    assert refused.detail.endswith((".", "]."))
