"""A rehearsal of ingest: everything is done as for real, and nothing stays."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from activity.choices import Origin
from activity.rules import IncomingEvent, Rejection
from activity.services.ingest import Receipt, record_events
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
