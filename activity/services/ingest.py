"""
Events come in: checked, recognised, appended. The one path for files, the API and the console.

One call is one transaction; it writes one batch per source, so that every source has its own outcome counts.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from activity.choices import Kind, Origin, Outcome, Status
from activity.models import EventSource, IngestBatch
from activity.models.ledger import POSITIONS
from activity.rules import (
    LEAF_VERSION,
    IncomingEvent,
    Rejection,
    business_half,
    content_digest,
    identity_half,
    identity_keys,
    leaf_hash,
    tree_root,
)
from activity.services.directory import MemberDirectory
from activity.services.partitions import prepare_partitions
from activity.services.store import find_identities, insert_events, insert_identities, next_batch_id
from offers.rules import OfferFacts
from offers.selectors import load_catalog
from partners.models import Program
from partners.services import grow_recorded_stages
from plum_site.lib import audit, jobs, keys
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.periods import local_date


class UnableToRecordEvents(DomainError):
    """Strict handling was asked for and not every event could be taken; nothing was stored. `receipt` says why."""

    status = 422

    def __init__(self, receipt: "Receipt") -> None:
        bad = receipt.rejected + receipt.conflict
        super().__init__("not_all_accepted", f"{bad} of {receipt.received} events cannot be taken, so none was stored.")
        self.receipt = receipt


@dataclass(slots=True)
class Result:
    """What became of one event: its place in the input, its id, the outcome, and why where it was not taken."""

    index: int
    event_id: str
    outcome: Outcome
    code: str = ""
    field: str = ""
    detail: str = ""
    warning: str = ""


@dataclass(slots=True)
class Receipt:
    """The answer to one call: received = accepted + duplicate + conflict + rejected, and a result per event, in order."""

    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    results: list[Result] = field(repr=False)


@dataclass(slots=True)
class Candidate:
    """One event on its way in: what it says, the offer it is about, and the keys by which it is recognised."""

    result: Result
    event: IncomingEvent
    offer: OfferFacts
    key: bytes
    hashed_key: bytes
    content: bytes
    day: date
    repeats: "Candidate | None" = None  # the one of the same call and id that came first
    source_id: int = 0
    row_id: int = 0


def record_events(
    *,
    program: Program,
    events: Sequence[IncomingEvent | Rejection],
    origin: Origin,
    at: datetime,
    token_id: int | None = None,
    strict: bool = False,
    directory: MemberDirectory | None = None,
    wakes_sealer: bool = True,
) -> Receipt:
    """
    Append the events that are new to the ledger, in one transaction, and say what became of each.

    events: at most 8,192, checked by `check_event`. directory: members remembered between the calls of one load.
    A stage that a program records for the first time is added to its recorded stages.
    strict: store nothing unless every event is accepted or a duplicate. wakes_sealer: whether the sealer is woken
    after the commit; a load that seals at its end says no.
    Raises: UnableToRecordEvents, InvalidInput ("too_many_events").
    Writes: activity_event, activity_eventidentity, activity_ingestbatch, activity_eventsource, activity_member,
    activity_vaultentry, activity_attributeset; partners_program and plum_auditevent where a stage is new.
    Source: docs/adr/0003-identity-and-batches.md
    """
    if len(events) > POSITIONS:
        raise InvalidInput(
            "too_many_events", f"{len(events)} events are more than one batch holds ({POSITIONS}). Nothing was stored."
        )
    catalog = load_catalog(program.pk)
    results: list[Result] = []
    sources: list[str] = []
    candidates = read_candidates(program=program, events=events, catalog=catalog, results=results, sources=sources)
    prepare_partitions(months={candidate.event.occurred_at.date().replace(day=1) for candidate in candidates})
    directory = directory or MemberDirectory(program)
    recorded_stages = program.recorded_stages
    try:
        with transaction.atomic():
            new = recognise(program=program, candidates=candidates)
            new = _resolve_members(program, new, directory, at)
            _reject_repeats(candidates)
            _append(program, new, results, sources, directory, origin, token_id, at)
            _grow_stages(program, candidates, token_id, at)
            receipt = receipt_of(results=results)
            if strict and receipt.rejected + receipt.conflict:
                raise UnableToRecordEvents(receipt)
            if receipt.accepted and wakes_sealer:
                jobs.wake("activity.seal_ledger", program_id=program.pk)
    except BaseException:
        directory.forget()
        program.recorded_stages = recorded_stages
        raise
    return receipt


def read_candidates(
    *,
    program: Program,
    events: Sequence[IncomingEvent | Rejection],
    catalog: dict[str, OfferFacts],
    results: list[Result],
    sources: list[str],
) -> list[Candidate]:
    """
    One Result per event, added to `results`, and its source to `sources`; a candidate for each that names a known offer.

    Raises: nothing of its own.
    Writes: nothing.
    """
    identity_key = keys.program_key(program.uuid, "identity")
    content_key = keys.program_key(program.uuid, "content")
    candidates = []
    for index, event in enumerate(events):
        result = Result(index, event.event_id, Outcome.REJECTED)
        results.append(result)
        sources.append(event.source)
        if isinstance(event, Rejection):
            result.code, result.field, result.detail = event.code, event.field, event.detail
            continue
        offer = catalog.get(event.offer)
        if offer is None:
            result.code, result.field = "unknown_offer", "offer"
            result.detail = f"There is no offer {event.offer!r} in this program. Add it to the catalog and send the event again."
            continue
        day = local_date(event.occurred_at, program.time_zone)
        if not any((start is None or start <= day) and (end is None or day < end) for start, end in offer.live):
            result.warning = "outside_offer_dates"
        key, hashed_key = identity_keys(identity_key, event.source, event.event_id)
        candidates.append(Candidate(result, event, offer, key, hashed_key, content_digest(content_key, event), day))
    return candidates


def recognise(*, program: Program, candidates: list[Candidate]) -> list[Candidate]:
    """
    The candidates whose id was never seen, not even earlier in this call; the others get their outcome.

    Raises: nothing of its own.
    Writes: nothing.
    """
    wanted = list({key for candidate in candidates for key in (candidate.key, candidate.hashed_key)})
    known = find_identities(program_id=program.pk, keys=wanted)
    first: dict[bytes, Candidate] = {}
    for candidate in candidates:
        stored = next((key for key in (candidate.key, candidate.hashed_key) if key in known), None)
        if stored is not None:
            _tell_repeat(candidate, known[stored])
        elif candidate.key in first:
            candidate.repeats = first[candidate.key]
            _tell_repeat(candidate, first[candidate.key].content)
        else:
            first[candidate.key] = candidate
    return list(first.values())


def _tell_repeat(candidate: Candidate, first_content: bytes | None) -> None:
    if first_content is None or first_content == candidate.content:
        candidate.result.outcome = Outcome.DUPLICATE
        return
    candidate.result.outcome = Outcome.CONFLICT
    candidate.result.code, candidate.result.field = "conflict", "event_id"
    candidate.result.detail = "This event id was recorded with other content, which stays. Send a correction under a new id."


def _resolve_members(program: Program, new: list[Candidate], directory: MemberDirectory, at: datetime) -> list[Candidate]:
    unknown = directory.look_up(candidate.event.member for candidate in new)
    if program.creates_unknown_members:
        directory.create(unknown, at)
        return new
    kept = []
    for candidate in new:
        if candidate.event.member in unknown:
            candidate.result.code, candidate.result.field = "unknown_member", "member"
            candidate.result.detail = "Nobody in this program has this id. Load the member and send the event again."
        else:
            kept.append(candidate)
    return kept


def _reject_repeats(candidates: list[Candidate]) -> None:
    """What repeats an event that was not taken is not taken either: nothing is called a duplicate that is not stored."""
    for candidate in candidates:
        if candidate.repeats is not None and candidate.repeats.result.code == "unknown_member":
            first = candidate.repeats.result
            candidate.result.outcome = first.outcome
            candidate.result.code, candidate.result.field, candidate.result.detail = first.code, first.field, first.detail


def _append(
    program: Program,
    new: list[Candidate],
    results: list[Result],
    sources: list[str],
    directory: MemberDirectory,
    origin: Origin,
    token_id: int | None,
    at: datetime,
) -> None:
    """Give row ids, store identities, drop the ones another transaction stored first, store the events and batches."""
    source_ids = _source_ids(program, set(sources), at)
    by_source: dict[str, list[Candidate]] = {code: [] for code in sorted(source_ids)}
    for candidate in new:
        by_source[candidate.event.source].append(candidate)
    batch_ids: dict[str, int] = {}
    for code, members in by_source.items():
        batch_ids[code] = next_batch_id() if connection.vendor == "postgresql" else _after(batch_ids) or next_batch_id()
        for position, candidate in enumerate(members):
            candidate.source_id, candidate.row_id = source_ids[code], batch_ids[code] * POSITIONS + position
    stored = insert_identities(program_id=program.pk, rows=[(c.key, c.content, c.row_id) for c in new])
    lost = [candidate for candidate in new if candidate.key not in stored]
    if lost:
        first = find_identities(program_id=program.pk, keys=[candidate.key for candidate in lost])
        for candidate in lost:
            _tell_repeat(candidate, first[candidate.key])
    taken = {code: [c for c in members if c.key in stored] for code, members in by_source.items()}
    rows: list[tuple[Any, ...]] = []
    roots = {code: tree_root(_leaves(program, members, directory, rows)) for code, members in taken.items()}
    insert_events(rows)
    outcomes: dict[str, Counter[Outcome]] = {code: Counter() for code in by_source}
    for result, code in zip(results, sources, strict=True):
        outcomes[code][result.outcome] += 1
    IngestBatch.objects.bulk_create(
        IngestBatch(
            pk=batch_ids[code],
            program=program,
            source_id=source_ids[code],
            origin=origin,
            token_id=token_id,
            day=local_date(at, program.time_zone),
            recorded_at=at,
            received_count=outcomes[code].total(),
            accepted_count=outcomes[code][Outcome.ACCEPTED],
            duplicate_count=outcomes[code][Outcome.DUPLICATE],
            conflict_count=outcomes[code][Outcome.CONFLICT],
            rejected_count=outcomes[code][Outcome.REJECTED],
            leaf_version=LEAF_VERSION,
            root=roots[code],
        )
        for code in by_source
    )


def _grow_stages(program: Program, candidates: list[Candidate], token_id: int | None, at: datetime) -> None:
    """A stage counts as recorded from its first confirmed event on; its figures would read 0 otherwise."""
    accepted = (candidate.event for candidate in candidates if candidate.result.outcome is Outcome.ACCEPTED)
    stages = {Kind(event.kind).label for event in accepted if event.status == Status.CONFIRMED} - set(program.recorded_stages)
    if stages:
        actor = audit.SYSTEM if token_id is None else f"token:{token_id}"
        program.recorded_stages = grow_recorded_stages(program_id=program.pk, stages=stages, actor=actor, at=at)


def _after(batch_ids: dict[str, int]) -> int:
    return max(batch_ids.values()) + 1 if batch_ids else 0


def _source_ids(program: Program, codes: set[str], at: datetime) -> dict[str, int]:
    def known() -> dict[str, int]:
        return dict(EventSource.objects.filter(program=program, code__in=codes).values_list("code", "pk"))

    found = known()
    missing = sorted(codes - found.keys())
    if missing:
        rows = [EventSource(program=program, code=code, created_at=at) for code in missing]
        EventSource.objects.bulk_create(rows, ignore_conflicts=True)
        found = known()
    return found


def _leaves(program: Program, taken: list[Candidate], directory: MemberDirectory, rows: list[tuple[Any, ...]]) -> list[bytes]:
    """The leaf of each accepted event; its row is added to `rows`."""
    nonces = os.urandom(16 * len(taken))
    leaves = []
    for index, candidate in enumerate(taken):
        event = candidate.event
        entry = directory.entries[event.member]
        set_id = directory.attribute_set_at(entry, event.occurred_at)
        nonce = nonces[index * 16 : index * 16 + 16]
        candidate.result.outcome = Outcome.ACCEPTED
        identity = identity_half(
            nonce, entry.key, event.event_id, event.source, event.occurred_at, event.transaction_ref, event.reverses
        )
        business = business_half(
            nonce,
            event.kind,
            event.status,
            event.reason_code,
            event.offer,
            candidate.day.isoformat(),
            directory.set_texts[set_id],
            event.spend_minor,
            event.spend_currency,
            event.reward_cost_minor,
            event.reward_cost_currency,
            event.medium,
            event.position,
        )
        leaves.append(leaf_hash(identity, business))
        rows.append(
            (
                candidate.row_id,
                program.pk,
                candidate.source_id,
                event.event_id,
                entry.member_id,
                candidate.offer.id,
                set_id,
                event.kind,
                event.status,
                event.reason_code,
                event.occurred_at,
                candidate.day,
                event.spend_minor,
                event.spend_currency,
                event.reward_cost_minor,
                event.reward_cost_currency,
                event.transaction_ref,
                event.reverses,
                event.medium,
                event.position,
                event.received_at,
                nonce,
                None,
            )
        )
    return leaves


def receipt_of(*, results: list[Result]) -> Receipt:
    """
    The receipt of results, counted.

    Raises: nothing of its own.
    Writes: nothing.
    """
    counts = Counter(result.outcome for result in results)
    return Receipt(
        received=len(results),
        accepted=counts[Outcome.ACCEPTED],
        duplicate=counts[Outcome.DUPLICATE],
        conflict=counts[Outcome.CONFLICT],
        rejected=counts[Outcome.REJECTED],
        results=results,
    )
