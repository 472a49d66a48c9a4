"""What leaves is a row first: sent once after the commit, tried again on a schedule, given up with a reason (I22)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from plum_site import schedule
from plum_site.lib import jobs, outbox
from plum_site.lib.choices import AttemptStatus, OutboxState
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import AuditEvent, Outbox, OutboxAttempt, User
from plum_site.verify import check_outbox

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
DELAYS = (10 * SECOND, MINUTE)


@contextmanager
def delivering(deliver: Callable[[Outbox], outbox.Delivered]) -> Iterator[None]:
    """A channel called "test" while the block runs."""
    outbox.channel("test", delays=DELAYS)(deliver)
    try:
        yield
    finally:
        del outbox.CHANNELS["test"]


def put(at: datetime, number: int = 1, **changes: Any) -> Outbox:
    """A message that is due at `at`."""
    values = {
        "channel": "test",
        "recipient": f"r{number}",
        "dedup_key": f"k{number}",
        "payload": {"n": number},
        "program_id": None,
    }
    return outbox.put(**(values | {"at": at} | changes))


def arrive(message: Outbox) -> outbox.Delivered:
    return outbox.Delivered("250", "queued as 77")


def fail(detail: str = "451 busy", after: timedelta | None = None) -> Callable[[Outbox], outbox.Delivered]:
    def deliver(message: Outbox) -> outbox.Delivered:
        raise outbox.TryLater(detail, after)

    return deliver


def refuse(message: Outbox) -> outbox.Delivered:
    raise outbox.Refused("550 no such user")


def tries() -> list[tuple[str, str]]:
    return list(OutboxAttempt.objects.order_by("pk").values_list("status", "detail"))


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The wake-ups that would have been sent."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs.SENDER, "add", lambda arguments, priority=0: messages.append(arguments))
    return messages


@pytest.mark.django_db
@pytest.mark.both_engines
def test_putting_twice_with_one_key_sends_once_and_keeps_the_first(at: datetime) -> None:
    first, again = put(at), put(at, recipient="other", payload={"n": 2})

    with delivering(arrive):
        assert outbox.send_due(at) == 1
        assert outbox.send_due(at + DAY) == 0

    assert first.pk == again.pk
    message = Outbox.objects.get()
    assert (message.payload, message.state, message.sent_at, message.attempts) == ({"n": 1}, OutboxState.SENT, at, 1)
    assert tries() == [("ok", "250 queued as 77")]


@pytest.mark.django_db(transaction=True)
def test_the_sender_is_woken_after_the_commit_only(at: datetime, woken: list[dict[str, Any]]) -> None:
    def put_and_fail() -> None:
        with transaction.atomic():
            put(at)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_and_fail()
    assert (woken, Outbox.objects.count()) == ([], 0)

    with transaction.atomic():
        put(at)
        assert woken == []
    put(at)
    put(at, 2, due_at=at + DAY)

    assert woken == [{"name": "plum.send_outbox", "ids": {}}]


@pytest.mark.django_db
@pytest.mark.both_engines
def test_what_fails_is_tried_again_on_the_schedule_of_its_channel_and_then_given_up(at: datetime) -> None:
    message = put(at)
    instants = [at]
    with delivering(fail()):
        for delay in DELAYS:
            outbox.send_due(instants[-1])
            message.refresh_from_db()
            pause = message.due_at - instants[-1]
            assert 0.9 * delay <= pause <= 1.1 * delay
            assert (message.state, message.lease_until, message.error) == (OutboxState.WAITING, None, "451 busy")
            assert outbox.send_due(message.due_at - SECOND) == 0, "not before its time"
            assert OutboxAttempt.objects.count() == len(instants)
            instants.append(message.due_at)
        outbox.send_due(instants[-1])

    message.refresh_from_db()
    assert (message.state, message.attempts, message.error) == (OutboxState.DEAD, 3, "451 busy")
    assert tries() == [("later", "451 busy")] * 3


@pytest.mark.django_db
def test_pauses_are_spread_and_always_the_same_for_one_message(at: datetime) -> None:
    with delivering(arrive):
        messages = [put(at, number) for number in range(40)]
        pauses = [outbox.pause_before(message, 1) for message in messages]
        assert pauses == [outbox.pause_before(message, 1) for message in messages]

    seconds = sorted(pause.total_seconds() for pause in pauses if pause)
    assert 9 <= seconds[0] < 9.5
    assert 10.5 < seconds[-1] <= 11


@pytest.mark.django_db
def test_the_other_side_may_name_the_pause_but_not_for_ever(at: datetime) -> None:
    polite, greedy = put(at, 1), put(at, 2)
    with delivering(lambda message: fail(after=90 * DAY if message.pk == greedy.pk else 7 * MINUTE)(message)):
        outbox.send_due(at)

    polite.refresh_from_db()
    greedy.refresh_from_db()
    assert (polite.due_at - at, greedy.due_at - at) == (7 * MINUTE, DAY)


@pytest.mark.django_db
@pytest.mark.both_engines
def test_what_is_refused_is_given_up_at_once_and_can_be_tried_again_by_a_person(at: datetime) -> None:
    person = User.objects.create_user("ada")
    message = put(at, program_id=4)
    with delivering(refuse):
        outbox.send_due(at)
    message.refresh_from_db()
    assert (message.state, message.error, tries()) == (OutboxState.DEAD, "550 no such user", [("refused", "550 no such user")])

    outbox.revive(message_id=message.pk, actor=person, at=at + DAY)
    with delivering(arrive):
        assert outbox.send_due(at + DAY) == 1

    message.refresh_from_db()
    assert (message.state, message.attempts) == (OutboxState.SENT, 1)
    entry = AuditEvent.objects.get(action="plum.revive_message")
    assert (entry.actor, entry.program_id, entry.object_ref) == (f"user:{person.pk}", 4, f"plum.Outbox:{message.pk}")
    with pytest.raises(DomainError, match="only one that was given up"):
        outbox.revive(message_id=message.pk, actor=person, at=at)
    with pytest.raises(NotFound):
        outbox.revive(message_id=message.pk + 1, actor=person, at=at)


@pytest.mark.django_db
def test_a_fault_of_the_channel_stops_nobody_elses_message(at: datetime, caplog: pytest.LogCaptureFixture) -> None:
    broken, whole, unknown = put(at, 1), put(at, 2), put(at, 3, channel="pigeon")

    def deliver(message: Outbox) -> outbox.Delivered:
        return arrive(message) if message.pk == whole.pk else message.payload["missing"]

    with delivering(deliver):
        assert outbox.send_due(at) == 1

    states = dict(Outbox.objects.values_list("pk", "state"))
    assert states == {broken.pk: "waiting", whole.pk: "sent", unknown.pk: "waiting"}
    assert sorted(tries())[0] == ("later", "KeyError: 'missing'")
    assert "Nobody here delivers 'pigeon'" in Outbox.objects.get(pk=unknown.pk).error


@pytest.mark.django_db
def test_a_recipient_that_fails_is_left_alone_for_the_rest_of_the_round(at: datetime) -> None:
    asked: list[str] = []
    for number in range(5):
        put(at, number, recipient="slow")
    put(at, 9, recipient="quick")
    put(at, 10, recipient="quick")

    def deliver(message: Outbox) -> outbox.Delivered:
        asked.append(message.recipient)
        return arrive(message) if message.recipient == "quick" else fail()(message)

    with delivering(deliver):
        assert outbox.send_due(at) == 2

    assert sorted(asked) == ["quick", "quick", "slow"]


@pytest.mark.django_db
@pytest.mark.both_engines
def test_a_sender_that_dies_leaves_a_lease_and_its_message_is_sent_again_with_the_same_id(at: datetime) -> None:
    message = put(at)
    ids: list[str] = []
    assert outbox._claim(Outbox.objects.get(), at), "a sender took it and died"

    def deliver(sent: Outbox) -> outbox.Delivered:
        ids.append(sent.message_id)
        return arrive(sent)

    with delivering(deliver):
        assert outbox.send_due(at + outbox.LEASE - SECOND) == 0, "somebody has it"
        assert not outbox.has_due(at + outbox.LEASE - SECOND)
        assert outbox.send_due(at + outbox.LEASE + SECOND) == 1

    assert ids == [message.message_id]
    assert tries() == [("later", outbox.CUT_OFF), ("ok", "250 queued as 77")]


@pytest.mark.django_db
def test_a_message_that_kills_its_senders_is_given_up(at: datetime) -> None:
    put(at)
    with delivering(arrive):
        for _ in range(len(DELAYS) + 1):
            assert outbox._claim(Outbox.objects.get(), at)
            at += outbox.LEASE + SECOND
        assert outbox.send_due(at) == 0

    message = Outbox.objects.get()
    assert (message.state, message.attempts, message.error) == (OutboxState.DEAD, 3, outbox.CUT_OFF)


@pytest.mark.django_db
def test_who_was_overtaken_may_not_say_how_it_ended(at: datetime) -> None:
    put(at)
    first = Outbox.objects.get()
    assert outbox._claim(first, at)
    with delivering(arrive):
        assert outbox.send_due(at + 2 * outbox.LEASE) == 1

    ended = outbox._End(AttemptStatus.REFUSED, "too late", 3)
    assert outbox._finish(first, ended, at) is False
    assert Outbox.objects.get().state == OutboxState.SENT
    assert ("refused", "too late") not in tries()


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
def test_a_slow_recipient_does_not_hold_up_the_others(at: datetime) -> None:
    arrived: list[str] = []
    others_are_done = threading.Event()
    now = jobs.database_now()
    put(now - MINUTE, 0, recipient="slow")
    for number in range(1, 13):
        put(now, number)

    def deliver(message: Outbox) -> outbox.Delivered:
        if message.recipient == "slow":
            assert others_are_done.wait(30), "the others were not served meanwhile"
        arrived.append(message.recipient)
        if len(arrived) == 12:
            others_are_done.set()
        return arrive(message)

    with delivering(deliver):
        assert outbox.send_due() == 13

    assert arrived[-1] == "slow"
    assert set(Outbox.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_engines
@pytest.mark.slow
def test_many_senders_at_once_send_each_message_once() -> None:
    now = jobs.database_now()
    for number in range(40):
        put(now, number, recipient=f"r{number % 7}")
    sent: list[str] = []
    barrier = threading.Barrier(3)

    def deliver(message: Outbox) -> outbox.Delivered:
        sent.append(message.dedup_key)
        return arrive(message)

    def send() -> None:
        try:
            barrier.wait(30)
            outbox.send_due()
        finally:
            connection.close()

    with delivering(deliver):
        senders = [threading.Thread(target=send) for _ in range(3)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        outbox.send_due()

    assert sorted(sent) == sorted(f"k{number}" for number in range(40))
    assert OutboxAttempt.objects.filter(status="ok").count() == 40


@pytest.mark.django_db(transaction=True)
def test_what_never_answers_is_left_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(outbox, "RENEW_SECONDS", 0.05)
    put(jobs.database_now())
    is_over = threading.Event()

    def hang(message: Outbox) -> outbox.Delivered:
        is_over.wait(30)
        return arrive(message)

    with delivering(hang):
        assert outbox.send_due() == 0
        is_over.set()

    assert Outbox.objects.get().state == OutboxState.WAITING
    assert "it may have arrived" in tries()[0][1]


@pytest.mark.django_db
def test_the_schedule_finds_messages_whose_wake_up_was_lost(at: datetime, woken: list[dict[str, Any]]) -> None:
    row = next(row for row in schedule.ROWS if row.name == outbox.SEND)
    put(at, due_at=at + MINUTE)

    assert list(row.list_due(at)) == []
    assert len(list(row.list_due(at + MINUTE))) == 1


@pytest.mark.django_db
def test_verify_names_what_waits_past_its_schedule(at: datetime) -> None:
    put(jobs.database_now() - 5 * MINUTE)
    [finding] = check_outbox()
    assert finding.checked == 1
    assert "test" in finding.violations[0]

    with delivering(arrive):
        outbox.send_due(jobs.database_now())
    [finding] = check_outbox()
    assert finding.violations == []


@pytest.mark.django_db
@pytest.mark.both_engines
def test_what_waits_behind_a_failing_recipient_is_not_late(at: datetime) -> None:
    for number in range(3):
        put(at, number, recipient="busy")
    put(at, 7, recipient="idle", due_at=at + MINUTE)

    def fail(message: Outbox) -> outbox.Delivered:
        raise outbox.TryLater("503 busy")

    with delivering(fail):
        outbox.send_due(at + 20 * SECOND)

    assert [row.recipient for row in outbox.list_late(at + 3 * MINUTE, 2 * MINUTE)] == ["busy"] * 3
    assert [row.recipient for row in outbox.list_late(at + 2 * MINUTE, MINUTE)] == ["busy"] * 3
    assert list(outbox.list_late(at + 80 * SECOND, MINUTE)) == []
    assert [row.recipient for row in outbox.list_late(at + 4 * MINUTE, 2 * MINUTE)] == ["busy"] * 3 + ["idle"]


@pytest.mark.django_db
def test_old_attempts_and_old_words_go_and_the_key_stays(at: datetime) -> None:
    put(at)
    put(at, 2, due_at=at + 200 * DAY)
    with delivering(arrive):
        outbox.send_due(at)

    assert outbox.prune(at=at + 29 * DAY) == {"attempts_removed": 0, "messages_emptied": 0}
    assert outbox.prune(at=at + 91 * DAY) == {"attempts_removed": 1, "messages_emptied": 1}

    assert put(at + 91 * DAY).payload == {}, "the same key sends nothing again"
    assert Outbox.objects.get(dedup_key="k2").payload == {"n": 2}, "what waits keeps its words"
    with delivering(arrive):
        assert outbox.send_due(at + 92 * DAY) == 0
