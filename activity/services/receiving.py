"""What a token sends: rehearsed for a sandbox, recorded with others where it is small, else on its own."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime

from django.db import connection, transaction

from activity.choices import Origin
from activity.rules.messages import IncomingMessage
from activity.services.candidates import Submission
from activity.services.mixed import Item, record_mixed
from activity.services.receipts import Receipt
from activity.services.rehearsal import rehearse_events
from activity.services.shared_commits import SMALL, record_with_others
from partners.selectors import get_program_by_id
from plum_site.lib.models import ApiToken


def receive_events(
    *,
    token: ApiToken,
    events: Sequence[Item],
    at: datetime,
    strict: bool = False,
    keep: Callable[[Receipt], None] | None = None,
) -> Receipt:
    """
    Record what a token sends to its program, and say what became of each event.

    events: at most 8,192, messages among them, checked by `check_event` and `check_message`. strict: store nothing unless
    every one is accepted or a duplicate.
    keep: called with the receipt in the transaction of the recording, so that both stand or neither does.
    Raises: UnableToRecordEvents, NotFound, and what `keep` raises; nothing was stored then.
    Writes: as record_mixed, and what `keep` does; nothing for a sandbox token.
    """
    plain = [event for event in events if not isinstance(event, IncomingMessage)] if len(events) <= SMALL else []
    shares = plain and len(plain) == len(events)
    if shares and not (strict or keep or token.is_sandbox or connection.in_atomic_block):
        submission = Submission(plain, Origin.API, token.pk)
        return record_with_others(program_id=token.program_id, submission=submission, at=at)
    program = get_program_by_id(token.program_id)
    if token.is_sandbox:
        return rehearse_events(program=program, items=events, at=at, strict=strict)
    with transaction.atomic() if keep else nullcontext():
        receipt = record_mixed(program=program, items=events, origin=Origin.API, token_id=token.pk, at=at, strict=strict)
        if keep:
            keep(receipt)
    return receipt
