"""What a token sends: rehearsed for a sandbox, recorded with others where it is small, else on its own."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime

from django.db import connection, transaction

from activity.choices import Origin
from activity.rules import IncomingEvent, Rejection
from activity.services.candidates import Submission
from activity.services.ingest import record_events
from activity.services.receipts import Receipt
from activity.services.rehearsal import rehearse_events
from activity.services.shared_commits import SMALL, record_with_others
from partners.selectors import get_program_by_id
from plum_site.lib.models import ApiToken


def receive_events(
    *,
    token: ApiToken,
    events: Sequence[IncomingEvent | Rejection],
    at: datetime,
    strict: bool = False,
    keep: Callable[[Receipt], None] | None = None,
) -> Receipt:
    """
    Record what a token sends to its program, and say what became of each event.

    events: at most 8,192, checked by `check_event`. strict: store nothing unless every event is accepted or a duplicate.
    keep: called with the receipt in the transaction of the recording, so that both stand or neither does.
    Raises: UnableToRecordEvents, NotFound, and what `keep` raises; nothing was stored then.
    Writes: as record_events, and what `keep` does; nothing for a sandbox token.
    """
    if len(events) <= SMALL and not (strict or keep or token.is_sandbox or connection.in_atomic_block):
        submission = Submission(events, Origin.API, token.pk)
        return record_with_others(program_id=token.program_id, submission=submission, at=at)
    program = get_program_by_id(token.program_id)
    if token.is_sandbox:
        return rehearse_events(program=program, events=events, at=at, strict=strict)
    with transaction.atomic() if keep else nullcontext():
        receipt = record_events(program=program, events=events, origin=Origin.API, token_id=token.pk, at=at, strict=strict)
        if keep:
            keep(receipt)
    return receipt
