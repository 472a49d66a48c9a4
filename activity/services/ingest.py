"""
Events come in: checked, recognised, appended. The one path for files, the API and the console.

One call is one transaction; it writes one batch for each source and sender, so that each has outcome counts of its own.
Steps: candidates (who knows the offer, which day), identities (what is new), members, leaves and rows, batches.
"""

import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction

from activity.choices import Kind, Origin, Outcome, Status
from activity.models.ledger import POSITIONS
from activity.rules import LEAF_VERSION, IncomingEvent, Rejection, hash_event, tree_root
from activity.services.candidates import (
    Batch,
    Candidate,
    Draft,
    Submission,
    first_of_each,
    open_batches,
    other_form,
    read_candidates,
)
from activity.services.directory import MemberDirectory
from activity.services.driver import refresh
from activity.services.partitions import prepare_partitions
from activity.services.quarantine import Stranger, keep_in_quarantine
from activity.services.receipts import Receipt, UnableToRecordEvents, receipt_of
from activity.services.rows import row_maker
from activity.services.sources import add_sources, find_sources
from activity.services.store import (
    Identity,
    find_identities,
    insert_batches,
    insert_events,
    insert_identities,
    open_transaction,
)
from activity.services.turns import ALONE, Turn
from offers.selectors import catalog_of
from partners.models import Program
from partners.services import grow_recorded_stages
from plum_site.lib import audit, jobs
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import local_date

# What is read again of a program, because callers keep one for longer than this holds.
NEEDED = (
    "uuid",
    "time_zone",
    "catalog_revision",
    "people_revision",
    "creates_unknown_members",
    "refuses_withdrawn_unlocks",
    "recorded_stages",
    "reporting_attributes",
)
UNKNOWN_MEMBER = "Nobody in this program has this id. Load the member and send the event again."


def record_events(
    *,
    program: Program,
    events: Sequence[IncomingEvent | Rejection],
    origin: Origin,
    at: datetime,
    token_id: int | None = None,
    strict: bool = False,
    wakes_sealer: bool = True,
    keeps_strangers: bool = True,
    turn: Turn = ALONE,
) -> Receipt:
    """
    Append the events that are new to the ledger, in one transaction, and say what became of each.

    events: at most 8,192, checked by `check_event`. A stage that a program records for the first time is added to its
    recorded stages. strict: store nothing unless every event is accepted or a duplicate. wakes_sealer: whether the sealer
    is woken after the commit; a load that seals at its end says no. keeps_strangers: whether events of people whom the
    program does not know wait in quarantine, where it makes no unknown members. turn: its place among transactions that run
    beside it.
    Raises: UnableToRecordEvents, InvalidInput ("too_many_events").
    Writes: activity_event, activity_eventidentity, activity_ingestbatch, activity_eventsource, activity_member,
    activity_vaultentry, activity_attributeset, activity_quarantinedevent; partners_program and plum_auditevent where a
    stage is new.
    Source: docs/adr/0003-identity-and-batches.md, docs/adr/0012-the-ingest-path.md
    """
    submission = Submission(events, origin, token_id, strict, keeps_strangers)
    return record_submissions(program=program, submissions=[submission], at=at, wakes_sealer=wakes_sealer, turn=turn)[0]


def record_submissions(
    *, program: Program, submissions: Sequence[Submission], at: datetime, wakes_sealer: bool = True, turn: Turn = ALONE
) -> list[Receipt]:
    """
    As `record_events`, for several senders in one transaction: a receipt for each, in order.

    Raises: as record_events; a submission that is strict must be the only one.
    Writes: as record_events.
    """
    count = sum(len(submission.events) for submission in submissions)
    if count > POSITIONS:
        raise InvalidInput("too_many_events", f"{count} events are more than one batch holds ({POSITIONS}). Nothing was stored.")
    refresh(program, NEEDED)
    drafts = [Draft(submission) for submission in submissions]
    months: set[date] = set()
    candidates = read_candidates(program=program, drafts=drafts, catalog=catalog_of(program), months=months)
    batches = open_batches(drafts)
    crashpoint("ingest.after_checks")
    prepare_partitions(months=months)
    crashpoint("ingest.after_partitions")
    directory = MemberDirectory(program)
    strangers = directory.look_up({candidate.event.member for candidate in candidates})
    source_ids = find_sources(program=program, codes={batch.source for batch in batches})
    stages = program.recorded_stages
    try:
        with transaction.atomic():
            crashpoint("ingest.after_begin")
            receipts = _record(program, drafts, batches, candidates, directory, strangers, source_ids, months, at, turn)
            if wakes_sealer and any(receipt.accepted for receipt in receipts):
                jobs.wake("activity.seal_ledger", program_id=program.pk)
            crashpoint("ingest.before_commit")
        crashpoint("ingest.after_commit")
    except BaseException:
        program.recorded_stages = stages
        raise
    directory.publish()
    return receipts


def _record(
    program: Program,
    drafts: Sequence[Draft],
    batches: Sequence[Batch],
    candidates: Sequence[Candidate],
    directory: MemberDirectory,
    strangers: set[str],
    source_ids: dict[str, int],
    months: set[date],
    at: datetime,
    turn: Turn,
) -> list[Receipt]:
    first, repeats = first_of_each(candidates)
    seen: dict[bytes, bytes | None] = {}
    turn.wait_to_claim()
    batch_ids, has_blanked = open_transaction(program_id=program.pk, batches=len(batches))
    pending = list(first.values())
    if has_blanked:
        pending = _leave_out_blanked(program, pending, seen)
    if program.refuses_withdrawn_unlocks:
        pending = _leave_out(program, pending, [one for one in pending if one.is_refused], Candidate.refuse, seen)
    if strangers and not program.creates_unknown_members:
        unknown = [one for one in pending if one.event.member in strangers]
        pending = _leave_out(program, pending, unknown, _refuse_stranger, seen)
    for batch, batch_id in zip(batches, batch_ids, strict=True):
        batch.id = batch_id
    seen |= insert_identities(program_id=program.pk, batch_ids=batch_ids, rows=[_identity(candidate) for candidate in pending])
    crashpoint("ingest.after_identities")
    taken: list[list[Candidate]] = [[] for _ in batches]
    for candidate in pending:
        if candidate.key in seen:
            candidate.repeat(seen[candidate.key])
        else:
            taken[candidate.draft.batches[candidate.event.source].number].append(candidate)
    for candidate in repeats:
        _tell_repeat(candidate, first[candidate.key], seen)
    if strangers and not program.creates_unknown_members:
        _keep_strangers(program, candidates, at)
    if strangers:
        directory.create(sorted(strangers & {candidate.event.member for part in taken for candidate in part}), at)
    crashpoint("ingest.after_members")
    new = {batch.source for batch in batches} - source_ids.keys()
    if new:
        source_ids |= add_sources(program=program, codes=new, at=at)
    turn.end_claim()
    _append(program, drafts, batches, taken, directory, source_ids, months, at)
    receipts = [receipt_of(events=draft.submission.events, told=draft.told) for draft in drafts]
    for draft, receipt in zip(drafts, receipts, strict=True):
        if draft.submission.strict and receipt.rejected + receipt.conflict:
            raise UnableToRecordEvents(receipt)
    turn.wait_to_commit()
    _grow_stages(program, batches, taken, at)
    return receipts


def _leave_out_blanked(program: Program, candidates: list[Candidate], seen: dict[bytes, bytes | None]) -> list[Candidate]:
    """Without those whose id is kept in the form that erasure leaves behind; they are repeats."""
    others = {other_form(program=program, candidate=candidate): candidate for candidate in candidates}
    known = find_identities(program_id=program.pk, keys=list(others))
    for form, (content, _event_id) in known.items():
        seen[others[form].key] = content
        others[form].repeat(content)
    return [candidate for candidate in candidates if candidate.key not in seen]


def _leave_out(
    program: Program,
    candidates: list[Candidate],
    unwanted: list[Candidate],
    refuse: Callable[[Candidate], None],
    seen: dict[bytes, bytes | None],
) -> list[Candidate]:
    """Without those that cannot be taken: repeats of what was recorded once, or refused."""
    if not unwanted:
        return candidates
    known = find_identities(program_id=program.pk, keys=[candidate.key for candidate in unwanted])
    for candidate in unwanted:
        if candidate.key in known:
            seen[candidate.key] = known[candidate.key][0]
            candidate.repeat(seen[candidate.key])
        else:
            refuse(candidate)
    left = {candidate.key for candidate in unwanted}
    return [candidate for candidate in candidates if candidate.key not in left]


def _refuse_stranger(candidate: Candidate) -> None:
    candidate.draft.reject(candidate.index, candidate.event, "unknown_member", "member", UNKNOWN_MEMBER)


def _keep_strangers(program: Program, candidates: Sequence[Candidate], at: datetime) -> None:
    """Put what was rejected only for its member into quarantine, and tell its sender so."""
    strange: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        sent, told = candidate.draft.submission, candidate.draft.told.get(candidate.index)
        if told and told.code == "unknown_member" and sent.keeps_strangers and not sent.strict:
            strange.setdefault(id(candidate.draft), []).append(candidate)
    for members in strange.values():
        sent = members[0].draft.submission
        items = [Stranger(candidate.event, candidate.key, candidate.content) for candidate in members]
        details = keep_in_quarantine(program=program, strangers=items, origin=sent.origin, token_id=sent.token_id, at=at)
        for candidate, detail in zip(members, details, strict=True):
            candidate.draft.told[candidate.index].detail = detail


def _identity(candidate: Candidate) -> Identity:
    """What is kept to recognise a candidate again; gives it its position."""
    batch = candidate.draft.batches[candidate.event.source]
    candidate.position = batch.positions
    batch.positions += 1
    return Identity(candidate.key, candidate.content, batch.number, candidate.position)


def _tell_repeat(candidate: Candidate, first: Candidate, seen: dict[bytes, bytes | None]) -> None:
    """What became of an event whose id stands earlier in the same call."""
    told = first.draft.told.get(first.index)
    if told is not None and told.outcome is Outcome.REJECTED:
        candidate.repeats_untaken(first)
    else:
        candidate.repeat(seen.get(candidate.key, first.content))


def _append(
    program: Program,
    drafts: Sequence[Draft],
    batches: Sequence[Batch],
    taken: Sequence[Sequence[Candidate]],
    directory: MemberDirectory,
    source_ids: dict[str, int],
    months: set[date],
    at: datetime,
) -> None:
    """Hash and store the events that are taken, and the batches with the outcome of everything that was sent."""
    rows: list[Any] = []
    roots = [
        tree_root(_hash_rows(program, batch.id, source_ids[batch.source], part, directory, rows))
        for batch, part in zip(batches, taken, strict=True)
    ]
    if rows:
        insert_events(rows, months=months)
    crashpoint("ingest.after_events")
    for draft in drafts:
        for index, result in draft.told.items():
            draft.batches[draft.submission.events[index].source].outcomes[result.outcome] += 1
    day = local_date(at, program.time_zone)
    insert_batches(
        [
            (
                batch.id,
                program.pk,
                source_ids[batch.source],
                batch.origin.value,
                batch.token_id,
                day,
                at,
                batch.received,
                len(part),
                batch.outcomes[Outcome.DUPLICATE],
                batch.outcomes[Outcome.CONFLICT],
                batch.outcomes[Outcome.REJECTED],
                batch.outcomes[Outcome.ACCEPTED],  # told of, although accepted: with a warning
                max((candidate.event.occurred_at for candidate in part), default=None),
                LEAF_VERSION,
                root,
            )
            for batch, part, root in zip(batches, taken, roots, strict=True)
        ]
    )
    crashpoint("ingest.after_batches")


def _hash_rows(
    program: Program,
    batch_id: int,
    source_id: int,
    taken: Sequence[Candidate],
    directory: MemberDirectory,
    rows: list[Any],
) -> list[bytes]:
    """The leaf of each event that is taken; its row is added to `rows`. In one loop, because it is run for every event."""
    nonces = os.urandom(16 * len(taken))
    member_at, make_row, program_id, base = directory.member_at, row_maker(), program.pk, batch_id * POSITIONS
    leaves = []
    for start, candidate in enumerate(taken):
        event, at, nonce = candidate.event, candidate.at, nonces[start * 16 : start * 16 + 16]
        member_id, member_key, set_id, values = member_at(event.member, event.occurred_at)
        who = (LEAF_VERSION, member_key, event.event_id, event.source, at, event.transaction_ref, event.reverses)
        what = (
            LEAF_VERSION, event.kind, event.status, event.reason_code, event.offer, candidate.day_text, values, event.spend_minor,
            event.spend_currency, event.reward_cost_minor, event.reward_cost_currency, event.medium, event.position,
        )  # fmt: skip
        leaves.append(hash_event(nonce, who, what))
        rows.append(make_row(candidate, base + candidate.position, program_id, source_id, member_id, set_id, nonce))
    return leaves


def _grow_stages(program: Program, batches: Sequence[Batch], taken: Sequence[Sequence[Candidate]], at: datetime) -> None:
    """A stage counts as recorded from its first confirmed event on; its figures would read 0 otherwise."""
    for batch, part in zip(batches, taken, strict=True):
        kinds = {candidate.event.kind for candidate in part if candidate.event.status == Status.CONFIRMED}
        stages = {Kind(kind).label for kind in kinds} - set(program.recorded_stages)
        if stages:
            actor = audit.SYSTEM if batch.token_id is None else f"token:{batch.token_id}"
            program.recorded_stages = grow_recorded_stages(program_id=program.pk, stages=stages, actor=actor, at=at)
