"""
The quarantine: events of people whom a program does not know yet, kept for 30 days, until they arrive.

Nothing here can be read without the program's keys: of the person there is the look-up that the vault will have, and
what was said is sealed. `activity.services.replay` records what can be recorded after all.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from activity.choices import Noun
from activity.models import QuarantinedEvent
from activity.rules import IncomingEvent
from activity.rules.messages import IncomingMessage
from activity.services.sources import name_sources
from activity.services.vault import lookup_of
from partners.models import Program
from plum_site.lib import audit, jobs, keys
from plum_site.lib.errors import DomainError
from plum_site.lib.models import Job, User

KEPT_FOR = timedelta(days=30)
MOST_KEPT = 100_000  # in one program: a sender that was pointed at the wrong program must not fill the disk
AT_ONCE = 1000
REPLAY, EXPIRE, RETRY = "activity.replay_quarantine", "activity.expire_quarantine", "activity.retry_quarantine"
STRANGER = "Nobody in this program has this id."

_encode = msgspec.msgpack.Encoder().encode
_decode_event = msgspec.msgpack.Decoder(IncomingEvent).decode
_decode_message = msgspec.msgpack.Decoder(IncomingMessage).decode


class Stranger(NamedTuple):
    """An event or message of somebody unknown, with the key and the content by which it is recognised again."""

    said: IncomingEvent | IncomingMessage
    key: bytes
    content: bytes


def keep_in_quarantine(
    *, program: Program, strangers: Sequence[Stranger], origin: str, token_id: int | None, at: datetime
) -> list[str]:
    """
    Keep what was rejected only because nobody knows the person, in the caller's transaction; what to tell the sender.

    One sentence each, in order. The same id is kept once: what came first stays.
    Raises: nothing of its own.
    Writes: activity_quarantinedevent, activity_eventsource.
    """
    wanted = list({stranger.key for stranger in strangers})
    before = _waiting(program, wanted)
    room = MOST_KEPT - QuarantinedEvent.objects.filter(program=program).count()
    source_ids = name_sources(program=program, codes={stranger.said.source for stranger in strangers}, at=at)
    sealing_key = keys.program_key(program.uuid, "quarantine")
    new: dict[bytes, QuarantinedEvent] = {}
    for stranger in strangers:
        if stranger.key in before or stranger.key in new or len(new) >= room:
            continue
        new[stranger.key] = QuarantinedEvent(
            program=program,
            source_id=source_ids[stranger.said.source],
            noun=Noun.MESSAGE if isinstance(stranger.said, IncomingMessage) else Noun.EVENT,
            key=stranger.key,
            content=stranger.content,
            lookup=lookup_of(program.uuid, stranger.said.member),
            sealed=keys.seal(sealing_key, _encode(stranger.said)),
            origin=origin,
            token_id=token_id,
            kept_at=at,
            expires_at=at + KEPT_FOR,
        )
    # Whoever keeps the same id at the same moment is told of here: one of the two was first.
    QuarantinedEvent.objects.bulk_create(new.values(), batch_size=AT_ONCE, ignore_conflicts=True)
    kept = before | _waiting(program, list(new))
    told: set[bytes] = set()
    sentences = []
    for stranger in strangers:
        sentences.append(_sentence(stranger, kept.get(stranger.key), is_new=stranger.key in new and stranger.key not in told))
        told.add(stranger.key)
    return sentences


def _waiting(program: Program, wanted: Sequence[bytes]) -> dict[bytes, tuple[bytes, datetime]]:
    """Content and end of what waits, by key."""
    found = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = QuarantinedEvent.objects.filter(program=program, key__in=wanted[start : start + AT_ONCE])
        for key, content, expires_at in rows.values_list("key", "content", "expires_at"):
            found[bytes(key)] = (bytes(content), expires_at)
    return found


def _sentence(stranger: Stranger, kept: tuple[bytes, datetime] | None, *, is_new: bool) -> str:
    if kept is None:
        return (
            f"{STRANGER} The quarantine is full ({MOST_KEPT:,} events wait), so this one was not kept. "
            "Load the member and send the event again."
        )
    content, expires_at = kept
    until = f"{expires_at:%Y-%m-%d %H:%M} UTC"
    if content != stranger.content:
        return (
            f"{STRANGER} Other content with this event id waits in quarantine until {until} and stays; this was not kept. "
            "Send a correction under a new id."
        )
    if not is_new:
        return f"{STRANGER} The event waits in quarantine already, until {until}; sending it again changes nothing."
    return f"{STRANGER} The event is kept in quarantine until {until}, and recorded by itself once the member arrives."


def open_quarantined(*, program: Program, row: QuarantinedEvent) -> IncomingEvent | IncomingMessage:
    """
    What a row in quarantine said.

    Raises: cryptography's InvalidTag, if the master key is not the one it was sealed with.
    Writes: nothing.
    """
    plain = keys.unseal(keys.program_key(program.uuid, "quarantine"), bytes(row.sealed))
    return _decode_message(plain) if row.noun == Noun.MESSAGE else _decode_event(plain)


def retry_quarantine(*, program: Program, actor: User | str, at: datetime) -> Job:
    """
    Have everything tried again whose person is there, also what was refused before.

    Raises: DomainError ("nothing_waits").
    Writes: plum_job, plum_auditevent; one transaction.
    """
    with transaction.atomic():
        if not QuarantinedEvent.objects.filter(program=program).exists():
            raise DomainError("nothing_waits", "Nothing waits in quarantine, so there is nothing to try again.")
        job = jobs.plan(
            name=RETRY,
            key=f"{RETRY}:{program.pk}:{at:%Y-%m-%dT%H:%M:%S}",
            program_id=program.pk,
            arguments={"program_id": program.pk},
            due_at=at,
            at=at,
        )
        audit.record(program_id=program.pk, actor=actor, action=RETRY, row=program, at=at)
    return job


def discard_quarantine(
    *, program: Program, actor: User | str, at: datetime, reason: str, source_id: int | None = None, only_refused: bool = False
) -> int:
    """
    Throw away what waits, for good; how many. source_id: of one source alone. only_refused: what a replay did not take.

    Raises: DomainError ("nothing_waits").
    Writes: activity_quarantinedevent, plum_auditevent; one transaction.
    """
    with transaction.atomic():
        rows = QuarantinedEvent.objects.filter(program=program)
        if source_id is not None:
            rows = rows.filter(source_id=source_id)
        if only_refused:
            rows = rows.exclude(refusal_code="")
        after = _remove(rows)
        if not after:
            raise DomainError("nothing_waits", "Nothing of that waits in quarantine any more. Nothing was discarded.")
        audit.record(
            program_id=program.pk,
            actor=actor,
            action="activity.discard_quarantine",
            row=program,
            at=at,
            after={"discarded": after},
            comment=reason,
        )
    return sum(after.values())


def expire_quarantine(*, program_id: int, at: datetime) -> int:
    """
    Remove what has waited for 30 days; how many. Safe to run twice.

    Raises: nothing of its own.
    Writes: activity_quarantinedevent, plum_auditevent where there was any; one transaction.
    """
    with transaction.atomic():
        program = Program.objects.get(pk=program_id)
        after = _remove(QuarantinedEvent.objects.filter(program=program, expires_at__lte=at))
        if after:
            audit.record(program_id=program_id, actor=audit.SYSTEM, action=EXPIRE, row=program, at=at, after={"expired": after})
    return sum(after.values())


def _remove(rows: QuerySet[QuarantinedEvent]) -> dict[str, int]:
    """Remove rows, locked first so that exactly those are counted; how many of each source."""
    locked = list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", "source__code"))
    for start in range(0, len(locked), AT_ONCE):
        QuarantinedEvent.objects.filter(pk__in=[pk for pk, _ in locked[start : start + AT_ONCE]]).delete()
    return dict(sorted(Counter(code for _, code in locked).items()))
