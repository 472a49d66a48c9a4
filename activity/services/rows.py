"""One ledger row as each engine takes it: PostgreSQL's binary COPY format, or a tuple for SQLite."""

from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from struct import Struct
from typing import Any

from django.db import connection

from activity.rules import IncomingEvent
from activity.rules.leaves import microseconds
from activity.services.candidates import Candidate

# What every event has stands first, so that PostgreSQL's part of it is packed in one go.
EVENT_COLUMNS = (
    "id",
    "program_id",
    "source_id",
    "member_id",
    "offer_id",
    "attribute_set_id",
    "kind",
    "status",
    "occurred_at",
    "local_date",
    "nonce",
    "event_key",
    "reason_code",
    "spend_minor",
    "spend_currency",
    "reward_cost_minor",
    "reward_cost_currency",
    "transaction_ref",
    "reverses",
    "medium",
    "position",
    "received_at",
    "identity_hash",
)
COLUMN_LIST = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
# PostgreSQL counts instants in microseconds and days from 2000-01-01.
ITS_EPOCH, ITS_FIRST_DAY = 946_684_800_000_000, date(2000, 1, 1).toordinal()
# The count of columns; then each value after its length in bytes.
ALWAYS = Struct("!hiqiqiqiqiqiqihihiqiii16s")
LONG, INTEGER, LENGTH = Struct("!iq"), Struct("!ii"), Struct("!i")
NULL = b"\xff\xff\xff\xff"
NO_MONEY, NO_REFERENCES = NULL * 4, NULL * 2

MakeRow = Callable[..., Any]


def row_maker() -> MakeRow:
    """
    The function that makes rows for the engine in use.

    Its arguments: the candidate, row id, program id, source id, member id, attribute set id, nonce.
    """
    return postgresql_row if connection.vendor == "postgresql" else sqlite_row


def postgresql_row(
    candidate: Candidate, row_id: int, program_id: int, source_id: int, member_id: int, set_id: int, nonce: bytes
) -> bytes:
    """One row of binary COPY, columns in the order of EVENT_COLUMNS."""
    event = candidate.event
    key = event.event_id.encode()
    position, received_at = event.position, event.received_at
    has_money = event.spend_minor is not None or event.reward_cost_minor is not None
    has_references = event.transaction_ref is not None or event.reverses is not None
    return b"".join(
        (
            ALWAYS.pack(
                23, 8, row_id, 8, program_id, 8, source_id, 8, member_id, 8, candidate.offer_id, 8, set_id,
                2, event.kind, 2, event.status, 8, candidate.at - ITS_EPOCH, 4, candidate.day.toordinal() - ITS_FIRST_DAY,
                16, nonce,
            ),
            LENGTH.pack(len(key)),
            key,
            NULL if event.reason_code is None else _word(event.reason_code),
            _money(event) if has_money else NO_MONEY,
            _text(event.transaction_ref) + _text(event.reverses) if has_references else NO_REFERENCES,
            NULL if event.medium is None else _word(event.medium),
            NULL if position is None else INTEGER.pack(4, position),
            NULL if received_at is None else LONG.pack(8, microseconds(received_at) - ITS_EPOCH),
            NULL,
        )
    )  # fmt: skip


def _money(event: IncomingEvent) -> bytes:
    amounts = ((event.spend_minor, event.spend_currency), (event.reward_cost_minor, event.reward_cost_currency))
    return b"".join(
        NULL * 2 if minor is None or currency is None else LONG.pack(8, minor) + _word(currency) for minor, currency in amounts
    )


def _text(text: str | None) -> bytes:
    if text is None:
        return NULL
    encoded = text.encode()
    return LENGTH.pack(len(encoded)) + encoded


@lru_cache(maxsize=1024)
def _word(text: str) -> bytes:
    """A text of which there are few: currencies, media, reason codes."""
    return _text(text)


def sqlite_row(
    candidate: Candidate, row_id: int, program_id: int, source_id: int, member_id: int, set_id: int, nonce: bytes
) -> tuple[Any, ...]:
    """One row of values as SQLite keeps them, in the order of EVENT_COLUMNS."""
    event = candidate.event
    return (
        row_id,
        program_id,
        source_id,
        member_id,
        candidate.offer_id,
        set_id,
        event.kind,
        event.status,
        sqlite_instant(event.occurred_at),
        candidate.day_text,
        nonce,
        event.event_id,
        event.reason_code,
        event.spend_minor,
        event.spend_currency,
        event.reward_cost_minor,
        event.reward_cost_currency,
        event.transaction_ref,
        event.reverses,
        event.medium,
        event.position,
        sqlite_instant(event.received_at),
        None,
    )


def sqlite_instant(instant: datetime | None) -> str | None:
    """An instant as Django stores it on SQLite: UTC without an offset."""
    return None if instant is None else instant.replace(tzinfo=None).isoformat(" ")
