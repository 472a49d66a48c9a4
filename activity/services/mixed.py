"""What one sender sent at once, events and messages mixed: each goes its way, in one transaction, and all get one answer."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from django.db import transaction

from activity.choices import Origin, Outcome
from activity.rules import IncomingEvent, Rejection
from activity.rules.messages import IncomingMessage
from activity.services.ingest import record_events
from activity.services.messages import record_messages
from activity.services.receipts import Receipt, Result, UnableToRecordEvents, receipt_of
from partners.models import Program

Item = IncomingEvent | IncomingMessage | Rejection


def record_mixed(
    *,
    program: Program,
    items: Sequence[Item],
    origin: Origin,
    at: datetime,
    token_id: int | None = None,
    strict: bool = False,
    keeps_strangers: bool = True,
) -> Receipt:
    """
    As `record_events`, for events and messages: one transaction, one receipt, results in the order of the input.

    keeps_strangers: whether what is about people whom the program does not know waits in quarantine; with strict handling
    nothing does.
    Raises: UnableToRecordEvents, InvalidInput ("too_many_events").
    Writes: what record_events and record_messages write.
    """
    keeps = keeps_strangers and not strict
    messages = {index: item for index, item in enumerate(items) if isinstance(item, IncomingMessage)}
    if not messages:
        return record_events(
            program=program,
            events=cast(Sequence[IncomingEvent | Rejection], items),
            origin=origin,
            at=at,
            token_id=token_id,
            strict=strict,
            keeps_strangers=keeps,
        )
    events = {index: item for index, item in enumerate(items) if not isinstance(item, IncomingMessage)}
    told: dict[int, Result] = {}
    sent: dict[str, Any] = {"program": program, "origin": origin, "at": at, "token_id": token_id, "keeps_strangers": keeps}
    with transaction.atomic():
        results = record_messages(messages=list(messages.values()), **sent)
        for (index, message), result in zip(messages.items(), results, strict=True):
            if result.outcome is not Outcome.ACCEPTED:
                told[index] = Result(index, message.event_id, result.outcome, result.code, result.field, result.detail)
        if events:
            places = list(events)
            for notable in record_events(events=list(events.values()), **sent).notable:
                told[places[notable.index]] = replace(notable, index=places[notable.index])
        receipt = receipt_of(events=items, told=told)
        if strict and receipt.rejected + receipt.conflict:
            raise UnableToRecordEvents(receipt)
    return receipt
