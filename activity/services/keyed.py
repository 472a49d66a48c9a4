"""Events that come with an Idempotency-Key: what was answered stands with what was recorded, or neither does."""

from collections.abc import Callable

from django.db import transaction

from activity.services.receipts import Receipt
from partners.models import Program


def record_and_keep(*, program: Program, record: Callable[[], Receipt], keep: Callable[[Receipt], None]) -> Receipt:
    """
    Call `record`, which is record_events with its arguments, and hand the receipt to `keep` in the same transaction.

    Raises: UnableToRecordEvents, InvalidInput, as record_events does, and what `keep` raises; nothing was stored then.
    Writes: what record_events writes, and what `keep` does.
    """
    recorded_stages = program.recorded_stages
    try:
        with transaction.atomic():
            receipt = record()
            keep(receipt)
    except BaseException:
        program.recorded_stages = recorded_stages
        raise
    return receipt
