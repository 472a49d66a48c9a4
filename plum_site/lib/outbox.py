"""
The outbox: whatever leaves Plum is first a row, written in the transaction that causes it, and is sent after the commit.

A message (`plum_outbox`) is unique by its `dedup_key` and keeps its `message_id` over all attempts. A sender claims it by
compare-and-set, which gives it a lease and a fence; only the holder of the present fence may say how it ended. Who dies
between sending and saying so leaves a lease that runs out: the message is sent once more, with the same id. What fails
for now is tried again on the schedule of its channel, spread by ±10 %, and then given up, with the reason.

Messages to different recipients leave side by side, so that a slow one holds up nobody else; one that does not answer
within PATIENCE is left. Instants come from the database's clock.
"""

import hashlib
import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from plum_site.lib import audit, jobs
from plum_site.lib.choices import AttemptStatus, OutboxState
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import Outbox, OutboxAttempt, User

SEND = "plum.send_outbox"
LEASE = timedelta(seconds=45)
RENEW_SECONDS = 10
LOOK_SECONDS = 1  # how soon what is new is taken up beside a recipient that hangs
PATIENCE_SECONDS = 120  # a channel bounds its own time; whoever still hangs after so long is left
AT_ONCE = 4  # recipients served side by side
PASS_SECONDS = 30  # then a pass ends and wakes the next, so that other work gets its turn
LONGEST_PAUSE = timedelta(hours=24)
JITTER_PERCENT = 10
DETAIL_LENGTH = 4000
KEEP_ATTEMPTS = timedelta(days=30)
KEEP_PAYLOADS = timedelta(days=90)
CUT_OFF = "The sender stopped without a word while it was at it: the message may have arrived."

log = logging.getLogger("plum.outbox")


class TryLater(Exception):
    """Not delivered for now; `after` overrides the pause of the channel's schedule (an attempt is used up all the same)."""

    def __init__(self, detail: str, after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.detail, self.after = detail, after


class Refused(Exception):
    """The other side said no and would say so again: the message is given up at once."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True)
class Delivered:
    """It arrived. status: what the other side answered, in short ("204", "250"); detail: the rest of it."""

    status: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Channel:
    """A way out: how one message is delivered, and the pauses before the second, third, ... attempt."""

    deliver: Callable[[Outbox], Delivered]
    delays: tuple[timedelta, ...]


@dataclass(frozen=True)
class _End:
    """How one attempt ended."""

    status: AttemptStatus
    detail: str
    milliseconds: int
    after: timedelta | None = None


CHANNELS: dict[str, Channel] = {}


def channel(name: str, *, delays: tuple[timedelta, ...]) -> Callable[[Callable[[Outbox], Delivered]], Callable]:
    """
    Register `deliver(message) -> Delivered` for messages of one channel; it raises TryLater or Refused otherwise.

    It runs in a thread, outside any transaction, may read the database, and bounds its own time (under a minute). Any
    other exception counts as TryLater.
    """

    def register(deliver: Callable[[Outbox], Delivered]) -> Callable[[Outbox], Delivered]:
        CHANNELS[name] = Channel(deliver, delays)
        return deliver

    return register


def put(
    *,
    channel: str,
    recipient: str,
    dedup_key: str,
    payload: dict[str, Any],
    program_id: int | None,
    at: datetime,
    due_at: datetime | None = None,
    message_id: str | None = None,
) -> Outbox:
    """
    Have one message sent once: one row a `dedup_key`, whoever asks and however often; the first payload stays.

    payload: JSON, what `deliver` needs to send the same bytes at every attempt. The sender is woken after the commit.
    Writes: plum_outbox, in the caller's transaction.
    """
    message, created = Outbox.objects.get_or_create(
        dedup_key=dedup_key,
        defaults={
            "program_id": program_id,
            "channel": channel,
            "recipient": recipient,
            "message_id": message_id or f"msg_{uuid.uuid4().hex}",
            "payload": payload,
            "created_at": at,
            "due_at": due_at or at,
        },
    )
    if created and message.due_at <= at:
        jobs.wake(SEND)
    return message


def put_many(messages: Sequence[Outbox]) -> None:
    """
    Have many messages sent, each once, as `put` does for one: those whose `dedup_key` is known already stay as they are.

    Writes: plum_outbox, in the caller's transaction.
    """
    if messages:
        Outbox.objects.bulk_create(messages, ignore_conflicts=True, batch_size=1000)
        jobs.wake(SEND)


def has_due(at: datetime) -> bool:
    """Whether a message waits that nobody is sending just now."""
    return _due(at).exists()


def _due(at: datetime) -> QuerySet[Outbox]:
    # A lease further ahead than any sender takes is one from before a clock was set back.
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=at) | Q(lease_until__gt=at + 2 * LEASE)
    return Outbox.objects.filter(free, state=OutboxState.WAITING, due_at__lte=at).order_by("due_at", "pk")


def list_late(at: datetime, patience: timedelta) -> QuerySet[Outbox]:
    """
    What should have been tried for longer than `patience` and was not, oldest first.

    What waits behind a recipient that keeps failing is not late: it is tried one message at a time, and the fault is theirs.
    """
    failing = OutboxAttempt.objects.filter(
        message__channel=OuterRef("channel"),
        message__recipient=OuterRef("recipient"),
        status=AttemptStatus.LATER,
        at__gte=at - patience,
    )
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=at - patience)
    late = Outbox.objects.filter(free, state=OutboxState.WAITING, due_at__lt=at - patience).exclude(Exists(failing))
    return late.order_by("due_at", "pk")


def _claim(message: Outbox, at: datetime) -> bool:
    """
    Take a due message by compare-and-set on its fence: of any number of senders exactly one gets it.

    A message whose every attempt was cut off is given up here: nobody lived to do it.
    """
    was_cut_off = message.lease_until is not None
    is_spent = was_cut_off and pause_before(message, message.attempts) is None
    values: dict[str, Any] = {"fence": message.fence + 1}
    if is_spent:
        values |= {"state": OutboxState.DEAD, "lease_until": None, "due_at": at, "error": CUT_OFF}
    else:
        values |= {"attempts": message.attempts + 1, "lease_until": at + LEASE}
    with transaction.atomic():
        if not _due(at).order_by().filter(pk=message.pk, fence=message.fence).update(**values):
            return False
        if was_cut_off:
            _note(message, at, _End(AttemptStatus.LATER, CUT_OFF, 0))
    for name, value in values.items():
        setattr(message, name, value)
    return not is_spent


def _attempt(message: Outbox) -> _End:
    """Deliver once, whatever comes of it."""
    began = monotonic()

    def end(status: AttemptStatus, detail: str, after: timedelta | None = None) -> _End:
        return _End(status, detail.replace("\0", "")[:DETAIL_LENGTH], int((monotonic() - began) * 1000), after)

    known = CHANNELS.get(message.channel)
    if known is None:
        return end(AttemptStatus.LATER, f"Nobody here delivers {message.channel!r}: is this worker older than the message?")
    try:
        done = known.deliver(message)
    except TryLater as later:
        return end(AttemptStatus.LATER, later.detail, later.after)
    except Refused as refused:
        return end(AttemptStatus.REFUSED, refused.detail)
    except Exception as error:  # a fault of the channel must not stop the others' messages
        log.exception("Message %s could not be delivered", message.pk)
        return end(AttemptStatus.LATER, f"{type(error).__name__}: {error}")
    return end(AttemptStatus.OK, f"{done.status} {done.detail}".strip())


def _attempt_in_thread(message: Outbox) -> _End:
    try:
        return _attempt(message)
    finally:
        connection.close()  # this thread's own


def pause_before(message: Outbox, number: int, after: timedelta | None = None) -> timedelta | None:
    """The pause before attempt number + 1, spread by ±10 % (always the same for one message); None where it was the last."""
    known = CHANNELS.get(message.channel)
    delays = known.delays if known else (timedelta(minutes=5),)
    if number > len(delays):
        return None
    draw = int.from_bytes(hashlib.sha256(f"{message.message_id}:{number}".encode()).digest()[:4]) / 2**32
    spread = 1 + (2 * draw - 1) * JITTER_PERCENT / 100
    return min(after or delays[number - 1] * spread, LONGEST_PAUSE)


def _note(message: Outbox, at: datetime, end: _End) -> None:
    OutboxAttempt.objects.create(
        message_id=message.pk, at=at, status=end.status, detail=end.detail, milliseconds=end.milliseconds
    )


def _finish(message: Outbox, end: _End, at: datetime) -> bool:
    """Write how an attempt ended, if the message is still ours; whether the attempt delivered it."""
    if end.status == AttemptStatus.OK:
        values: dict[str, Any] = {"state": OutboxState.SENT, "sent_at": at, "error": ""}
    else:
        pause = None if end.status == AttemptStatus.REFUSED else pause_before(message, message.attempts, end.after)
        state = OutboxState.DEAD if pause is None else OutboxState.WAITING
        values = {"state": state, "due_at": at + (pause or timedelta()), "error": end.detail}
        how = "given up" if pause is None else "to be tried again"
        log.warning("Message %s (%s), attempt %s, %s: %s", message.pk, message.channel, message.attempts, how, end.detail[:200])
    with transaction.atomic():
        mine = Outbox.objects.filter(pk=message.pk, fence=message.fence, state=OutboxState.WAITING)
        if not mine.update(lease_until=None, **values):
            log.warning("Message %s was taken over before its end; how this attempt ended is not kept", message.pk)
            return False
        _note(message, at, end)
    return end.status == AttemptStatus.OK


class _Pass:
    """One round of the sender: what is under way, whom to leave alone, and how many arrived."""

    def __init__(self, at: datetime | None) -> None:
        self._at = at
        self._until = monotonic() + PASS_SECONDS
        self._renew_at = monotonic() + RENEW_SECONDS
        self._held: set[str] = set()  # recipients that are being served, or that failed in this round
        self._running: dict[Future[_End], tuple[Outbox, float]] = {}
        self.sent = 0

    def now(self) -> datetime:
        return self._at or jobs.database_now()

    def take(self) -> Outbox | None:
        """Claim the next due message whose recipient is not held."""
        at = self.now()
        for message in _due(at).exclude(recipient__in=self._held)[: 2 * AT_ONCE]:
            if _claim(message, at):
                self._held.add(message.recipient)
                return message
        return None

    def settle(self, message: Outbox, end: _End) -> None:
        """Keep how it ended; a recipient that failed for now is left alone until the next round."""
        self.sent += _finish(message, end, self.now())
        if end.status != AttemptStatus.LATER:
            self._held.discard(message.recipient)

    def run_here(self) -> None:
        """One after the other in this thread."""
        while message := self.take():
            self.settle(message, _attempt(message))

    def run_side_by_side(self) -> None:
        """AT_ONCE at a time; ends when nothing is left to do for it, or its time is over."""
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="outbox")
        try:
            while self._fill(pool) or self._running:
                ended, _ = wait(self._running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in ended:
                    message, _ = self._running.pop(future)
                    self.settle(message, future.result())
                self._renew()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if monotonic() >= self._until and has_due(self.now()):
            jobs.wake(SEND)

    def _fill(self, pool: ThreadPoolExecutor) -> bool:
        """Hand out work until all hands are full or nothing is due; whether anything was handed out."""
        before = len(self._running)
        while len(self._running) < AT_ONCE and monotonic() < self._until and (message := self.take()):
            self._running[pool.submit(_attempt_in_thread, message)] = message, monotonic()
        return len(self._running) > before

    def _renew(self) -> None:
        """Keep the leases of what is under way; leave what hangs."""
        if monotonic() < self._renew_at:
            return
        self._renew_at = monotonic() + RENEW_SECONDS
        at = self.now()
        for future, (message, began) in list(self._running.items()):
            spent = monotonic() - began
            if spent > PATIENCE_SECONDS:
                del self._running[future]
                end = _End(AttemptStatus.LATER, f"No end after {spent:.0f} s; it may have arrived.", int(spent * 1000))
                self.settle(message, end)
                continue
            Outbox.objects.filter(pk=message.pk, fence=message.fence, state=OutboxState.WAITING).update(lease_until=at + LEASE)


def send_due(at: datetime | None = None) -> int:
    """
    Send what is due; how many messages arrived. With `at` everything happens in this thread, at that instant.

    Writes: plum_outbox, plum_outboxattempt; one short transaction before and one after each attempt.
    """
    round_ = _Pass(at)
    if at is None:
        round_.run_side_by_side()
    else:
        round_.run_here()
    return round_.sent


def revive(*, message_id: int, actor: User | str, at: datetime) -> None:
    """
    Give a message that was given up all its attempts again.

    Raises: NotFound, or DomainError "message_not_dead" or "message_emptied".
    Writes: plum_outbox, plum_auditevent; one transaction.
    """
    with transaction.atomic():
        message = Outbox.objects.select_for_update().filter(pk=message_id).first()
        if message is None:
            raise NotFound("message", message_id)
        if message.state != OutboxState.DEAD:
            state = message.get_state_display().lower()
            raise DomainError("message_not_dead", f"Message {message_id} is {state}; only one that was given up is tried again.")
        if not message.payload:
            raise DomainError("message_emptied", f"What message {message_id} said is no longer kept. Nothing was sent.")
        Outbox.objects.filter(pk=message_id).update(state=OutboxState.WAITING, due_at=at, attempts=0, lease_until=None)
        before = {"state": OutboxState.DEAD.value}
        audit.record(program_id=message.program_id, actor=actor, action="plum.revive_message", row=message, at=at, before=before)
        jobs.wake(SEND)


def prune(*, at: datetime) -> dict[str, int]:
    """
    Remove the log of attempts after 30 days and what ended messages said after 90; the messages' rows stay.

    Writes: plum_outboxattempt, plum_outbox.
    """
    removed, _ = OutboxAttempt.objects.filter(at__lt=at - KEEP_ATTEMPTS).delete()
    ended = Outbox.objects.exclude(state=OutboxState.WAITING).filter(due_at__lt=at - KEEP_PAYLOADS).exclude(payload={})
    return {"attempts_removed": removed, "messages_emptied": ended.update(payload={})}
