"""Rehearsals of ingest: what it would answer, without anything that stays."""

from collections.abc import Container, Sequence
from datetime import datetime

from django.db import transaction

from activity.choices import Origin, Outcome
from activity.rules import IncomingEvent, Rejection
from activity.services.ingest import Receipt, Result, read_candidates, receipt_of, recognise, record_events
from offers.rules import OfferFacts
from partners.models import Program


def rehearse_events(
    *, program: Program, events: Sequence[IncomingEvent | Rejection], at: datetime, strict: bool = False
) -> Receipt:
    """
    Say what `record_events` would answer, and roll back: what a sandbox token sends never counts.

    Raises: UnableToRecordEvents, InvalidInput, as record_events does.
    Writes: nothing.
    """
    recorded_stages = program.recorded_stages
    with transaction.atomic():
        receipt = record_events(program=program, events=events, origin=Origin.API, at=at, strict=strict)
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
    results: list[Result] = []
    candidates = read_candidates(program=program, events=events, catalog=catalog, results=results, sources=[])
    for candidate in recognise(program=program, candidates=candidates):
        if candidate.event.member in strangers:
            candidate.result.code, candidate.result.field = "unknown_member", "member"
            candidate.result.detail = "Nobody in this program has this id, and this program takes no unknown members."
        else:
            candidate.result.outcome = Outcome.ACCEPTED
    return receipt_of(results=results)
