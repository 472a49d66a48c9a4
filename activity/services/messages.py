"""
Messages come in: by the same door as events, recognised in the same index, with the same outcomes.

They stand in tables of their own, beside the ledger: docs/adr/0013-messages-beside-the-ledger.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from activity.choices import Origin, Outcome
from activity.models import EventIdentity, MemberMessage, MessageBatch, MessageOffer
from activity.rules import Person, identity_keys
from activity.rules.messages import IncomingMessage, message_digest
from activity.services.quarantine import STRANGER, Stranger, keep_in_quarantine
from activity.services.sources import name_sources
from activity.services.vault import add_members, find_standings
from offers.selectors import load_catalog
from partners.models import Program
from plum_site.lib import keys
from plum_site.lib.periods import local_date

AT_ONCE = 1000
KNOWN_OTHERWISE = "This event id was recorded with other content, which stays. Send a correction under a new id."


@dataclass(slots=True)
class MessageResult:
    """What became of one message: the outcome, and why where it was not taken."""

    outcome: Outcome = Outcome.ACCEPTED
    code: str = ""
    field: str = ""
    detail: str = ""


@dataclass(slots=True)
class _Draft:
    """One message on its way in: the keys by which it is recognised, what it said as content, and what becomes of it."""

    message: IncomingMessage
    key: bytes
    hashed_key: bytes
    content: bytes
    result: MessageResult = field(default_factory=MessageResult)

    def refuse(self, code: str, at_field: str, detail: str) -> None:
        """It is not taken."""
        self.result = MessageResult(Outcome.REJECTED, code, at_field, detail)

    def repeat(self, first_content: bytes | None) -> None:
        """Its id was seen before: a duplicate if it said the same, or if what was said is no longer known."""
        if first_content is None or first_content == self.content:
            self.result = MessageResult(Outcome.DUPLICATE)
        else:
            self.result = MessageResult(Outcome.CONFLICT, "conflict", "event_id", KNOWN_OTHERWISE)


def record_messages(
    *,
    program: Program,
    messages: Sequence[IncomingMessage],
    origin: Origin,
    at: datetime,
    token_id: int | None = None,
    keeps_strangers: bool = True,
) -> list[MessageResult]:
    """
    Append the messages that are new, in one transaction, and say what became of each, in order.

    keeps_strangers: whether messages to people whom the program does not know wait in quarantine.
    Raises: nothing of its own.
    Writes: activity_membermessage, activity_messageoffer, activity_messagebatch, activity_eventidentity,
    activity_eventsource, activity_quarantinedevent; activity_member and activity_vaultentry where the program makes
    unknown members.
    Source: docs/adr/0013-messages-beside-the-ledger.md
    """
    identity_key, content_key = (keys.program_key(program.uuid, purpose) for purpose in ("identity", "content"))
    drafts = [
        _Draft(message, *identity_keys(identity_key, message.source, message.event_id), message_digest(content_key, message))
        for message in messages
    ]
    offers = {name: facts.id for name, facts in load_catalog(program.pk).items()}
    for draft in drafts:
        unknown = next((offer for offer in draft.message.offers if offer not in offers), None)
        if unknown is not None:
            detail = f"There is no offer {unknown!r} in this program. Add it to the catalog and send the message again."
            draft.refuse("unknown_offer", "offers", detail)
    with transaction.atomic():
        pending, repeats = _recognise(program, [draft for draft in drafts if draft.result.outcome is Outcome.ACCEPTED])
        members = _find_members(program, pending, at)
        strange = {draft.key for draft in pending if draft.message.member not in members}
        # What repeats the id of one that is not taken is not taken either: nothing is a duplicate of what is not stored.
        refused = [draft for draft in [*pending, *repeats] if draft.key in strange]
        _refuse_strangers(program, refused, origin, token_id, at, keeps_strangers=keeps_strangers)
        row_ids = _insert_identities(program, [draft for draft in pending if draft.key not in strange])
        rest = [draft for draft in repeats if draft.key not in strange]
        known = _known(program, list({draft.key for draft in rest}))
        for draft in rest:
            draft.repeat(known[draft.key])
        _insert(program, drafts, row_ids, members, offers, origin, token_id, at)
    return [draft.result for draft in drafts]


def _recognise(program: Program, drafts: list[_Draft]) -> tuple[list[_Draft], list[_Draft]]:
    """The first of each id that was never seen, and those that repeat one of them; the others get their outcome."""
    known = _known(program, list({key for draft in drafts for key in (draft.key, draft.hashed_key)}))
    first: dict[bytes, _Draft] = {}
    repeats = []
    for draft in drafts:
        stored = next((key for key in (draft.key, draft.hashed_key) if key in known), None)
        if stored is not None:
            draft.repeat(known[stored])
        elif first.setdefault(draft.key, draft) is not draft:
            repeats.append(draft)
    return list(first.values()), repeats


def _known(program: Program, wanted: Sequence[bytes]) -> dict[bytes, bytes | None]:
    """The content (None: blanked) of the keys that are known."""
    found: dict[bytes, bytes | None] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = EventIdentity.objects.filter(program_id=program.pk, key__in=wanted[start : start + AT_ONCE])
        for key, content in rows.values_list("key", "content"):
            found[bytes(key)] = None if content is None else bytes(content)
    return found


def _find_members(program: Program, drafts: list[_Draft], at: datetime) -> dict[str, int]:
    """Row ids of the members by outside id, made where the program does so."""
    wanted = {draft.message.member for draft in drafts}
    found = {name: row.member_id for name, row in find_standings(program=program, external_ids=wanted).items()}
    missing = sorted(wanted - found.keys())
    if missing and program.creates_unknown_members:
        made = add_members(program=program, people=[Person(name) for name in missing], at=at)
        found |= {name: member.pk for name, member in made.items()}
    return found


def _refuse_strangers(
    program: Program, drafts: list[_Draft], origin: Origin, token_id: int | None, at: datetime, *, keeps_strangers: bool
) -> None:
    if not drafts:
        return
    details = [f"{STRANGER} Load the member and send the message again."] * len(drafts)
    if keeps_strangers:
        strangers = [Stranger(draft.message, draft.key, draft.content) for draft in drafts]
        details = keep_in_quarantine(program=program, strangers=strangers, origin=origin, token_id=token_id, at=at)
    for draft, detail in zip(drafts, details, strict=True):
        draft.refuse("unknown_member", "member", detail)


def _insert_identities(program: Program, drafts: list[_Draft]) -> dict[bytes, int]:
    """Store what was never seen; row ids for the messages by key. What another transaction stored first is a repeat."""
    ordered = sorted(drafts, key=lambda draft: draft.key)  # so that two transactions never wait for each other in a circle
    row_ids = dict(zip((draft.key for draft in ordered), _next_row_ids(len(ordered)), strict=True))
    if not ordered:
        return {}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO activity_eventidentity (program_id, key, content, event_id) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(program.pk, draft.key, draft.content, -row_ids[draft.key]) for draft in ordered],
        )
    stored = EventIdentity.objects.filter(program_id=program.pk)
    for start in range(0, len(ordered), AT_ONCE):
        part = {draft.key: draft for draft in ordered[start : start + AT_ONCE]}
        for key, content, event_id in stored.filter(key__in=list(part)).values_list("key", "content", "event_id"):
            if event_id != -row_ids[bytes(key)]:
                part[bytes(key)].repeat(None if content is None else bytes(content))
                del row_ids[bytes(key)]
    return row_ids


def _next_row_ids(count: int) -> list[int]:
    """Row ids of messages that nobody else will get, in the caller's transaction."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence('activity_membermessage', 'id')) FROM generate_series(1, %s)", [count]
            )
            return [int(row[0]) for row in cursor.fetchall()]
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM activity_membermessage")
        first = int(cursor.fetchone()[0]) + 1
        return list(range(first, first + count))


def _insert(
    program: Program,
    drafts: list[_Draft],
    row_ids: Mapping[bytes, int],
    members: Mapping[str, int],
    offers: Mapping[str, int],
    origin: Origin,
    token_id: int | None,
    at: datetime,
) -> None:
    """One batch for each source, with the outcome of everything it sent, and the messages that are taken."""
    by_source: dict[str, list[_Draft]] = {}
    for draft in drafts:
        by_source.setdefault(draft.message.source, []).append(draft)
    source_ids = name_sources(program=program, codes=by_source, at=at)
    rows: list[MemberMessage] = []
    about: list[MessageOffer] = []
    for source, own in sorted(by_source.items()):
        taken = [draft for draft in own if draft.result.outcome is Outcome.ACCEPTED]
        counts = Counter(draft.result.outcome for draft in own)
        batch = MessageBatch.objects.create(
            program=program,
            source_id=source_ids[source],
            origin=origin,
            token_id=token_id,
            day=local_date(at, program.time_zone),
            recorded_at=at,
            received_count=len(own),
            latest_occurred_at=max((draft.message.occurred_at for draft in taken), default=None),
            **{f"{outcome.value}_count": counts[outcome] for outcome in Outcome},
        )
        for draft in taken:
            rows.append(_row(program, batch, draft.message, row_ids[draft.key], members))
            about += [MessageOffer(message_id=row_ids[draft.key], offer_id=offers[name]) for name in draft.message.offers]
    MemberMessage.objects.bulk_create(rows, batch_size=AT_ONCE)
    MessageOffer.objects.bulk_create(about, batch_size=AT_ONCE)


def _row(
    program: Program, batch: MessageBatch, message: IncomingMessage, row_id: int, members: Mapping[str, int]
) -> MemberMessage:
    return MemberMessage(
        pk=row_id,
        program=program,
        batch=batch,
        event_key=message.event_id,
        member_id=members[message.member],
        kind=message.kind,
        push_ref=message.push_ref,
        reason_code=message.reason_code,
        occurred_at=message.occurred_at,
        local_date=local_date(message.occurred_at, program.time_zone),
    )
