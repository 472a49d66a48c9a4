"""Rehearsals of ingest: what it would answer, without anything that stays."""

from collections.abc import Container, Sequence
from datetime import datetime

from django.db import transaction

from activity.choices import Origin
from activity.rules import IncomingEvent, Rejection
from activity.services.candidates import Draft, Submission, first_of_each, other_form, read_candidates
from activity.services.mixed import Item, record_mixed
from activity.services.receipts import Receipt, receipt_of
from activity.services.store import find_identities
from offers.rules import OfferFacts
from partners.models import Program


def rehearse_events(*, program: Program, items: Sequence[Item], at: datetime, strict: bool = False) -> Receipt:
    """
    Say what `record_mixed` would answer, and roll back: what a sandbox token sends never counts, and is never kept.

    Raises: UnableToRecordEvents, InvalidInput, as record_mixed does.
    Writes: nothing.
    """
    recorded_stages = program.recorded_stages
    with transaction.atomic():
        receipt = record_mixed(program=program, items=items, origin=Origin.API, at=at, strict=strict, keeps_strangers=False)
        transaction.set_rollback(True)
    program.recorded_stages = recorded_stages
    return receipt


def foresee_events(
    *,
    program: Program,
    events: Sequence[IncomingEvent | Rejection],
    catalog: dict[str, OfferFacts],
    strangers: Container[str] = (),
) -> Receipt:
    """
    Say what `record_events` would answer with this catalog, by looking only: fit for files of any size.

    strangers: outside ids of members whom the program would not take. What stands twice in a file is told apart only
    within one call.
    Raises: nothing of its own.
    Writes: nothing.
    """
    draft = Draft(Submission(events, Origin.FILE))
    candidates = read_candidates(program=program, drafts=[draft], catalog=catalog)
    forms = {candidate.index: (candidate.key, other_form(program=program, candidate=candidate)) for candidate in candidates}
    known = find_identities(program_id=program.pk, keys=[form for both in forms.values() for form in both])
    first, _repeats = first_of_each(candidates)
    for candidate in candidates:
        stored = [known[form] for form in forms[candidate.index] if form in known]
        before = first[candidate.key]
        if stored:
            candidate.repeat(stored[0][0])
        elif before is not candidate and (before.is_refused or before.event.member in strangers):
            candidate.repeats_untaken(before)
        elif before is not candidate:
            candidate.repeat(before.content)
        elif candidate.is_refused:
            candidate.refuse()
        elif candidate.event.member in strangers:
            detail = "Nobody in this program has this id. The event will wait in quarantine until the member arrives."
            draft.reject(candidate.index, candidate.event, "unknown_member", "member", detail)
    return receipt_of(events=events, told=draft.told)
