"""
The ledger hashed again from its rows: read in portions, a batch at a time, in the order of their ids.

This is what `verify ledger` spends its time on, so rows stay as the engine gives them and are hashed in one loop. What is
no value of its column, which SQLite lets somebody write, makes the root of a batch None.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection
from psycopg import Cursor
from psycopg.types.numeric import Int4BinaryLoader, Int8BinaryLoader

from activity.models import AttributeSet, EventSource, IngestBatch, Member
from activity.models.ledger import POSITIONS
from activity.rules import LEAF_VERSION, business_half, hash_event, leaf_hash, microseconds, tree_root
from activity.services.people import canonical_values
from offers.models import Offer
from partners.models import Program

EVENTS_AT_ONCE = 16_384
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLENNIUM = date(2000, 1, 1)  # PostgreSQL counts from here
MILLENNIUM_MICROSECONDS = microseconds(datetime(2000, 1, 1, tzinfo=UTC))

COLUMNS = (
    "id",
    "nonce",
    "member_id",
    "event_key",
    "source_id",
    "occurred_at",
    "transaction_ref",
    "reverses",
    "kind",
    "status",
    "reason_code",
    "offer_id",
    "local_date",
    "attribute_set_id",
    "spend_minor",
    "spend_currency",
    "reward_cost_minor",
    "reward_cost_currency",
    "medium",
    "position",
    "identity_hash",
)
Row = tuple[Any, ...]  # values of COLUMNS, the instant and the day as the engine gives them


class Names:
    """Row ids of one program as the outside knows them: what the leaves are made from."""

    def __init__(self, program: Program) -> None:
        self.offers = dict(Offer.objects.filter(program=program).values_list("pk", "external_id"))
        self.sources = dict(EventSource.objects.filter(program=program).values_list("pk", "code"))
        self.members = {pk: bytes(key) for pk, key in Member.objects.filter(program=program).values_list("pk", "key").iterator()}
        self.sets = {row.pk: canonical_values(row.values) for row in AttributeSet.objects.filter(program=program)}


class HashedBatch(NamedTuple):
    """The rows that lie in one batch, by their ids, and the root over them."""

    batch_id: int
    rows: list[Row]
    root: bytes | None


def instant_of(row: Row) -> datetime | None:
    """When the event of a row happened; None where that is no instant."""
    instant = _instant()(row[5])
    return None if instant is None else EPOCH + timedelta(microseconds=instant)


def hash_batches(program: Program, batches: Sequence[IngestBatch], names: Names) -> Iterator[HashedBatch]:
    """Every batch that has rows, also one that is not among `batches`, in the order of their ids."""
    for low, high in _ranges(batches):
        for batch_id, rows in groupby(_read(program, low, high), key=lambda row: row[0] // POSITIONS):
            yield hash_batch(batch_id, list(rows), names)


def hash_batch(batch_id: int, rows: list[Row], names: Names) -> HashedBatch:
    """The root over the rows of one batch, in the order of their ids."""
    try:
        return HashedBatch(batch_id, rows, tree_root(_leaves(rows, names)))
    except (TypeError, ValueError, OverflowError):
        return HashedBatch(batch_id, rows, None)


def _leaves(rows: list[Row], names: Names) -> list[bytes]:
    offers, sources, members, sets = names.offers.get, names.sources.get, names.members.get, names.sets.get
    instant, day = _instant(), _day if connection.vendor == "postgresql" else str
    leaves = []
    for row in rows:
        business = (LEAF_VERSION, *row[8:11], offers(row[11], ""), day(row[12]), sets(row[13], ""), *row[14:20])
        if row[20] is not None and row[2] is None and row[3] is None:
            # A kept hash stands for fields that were blanked; where they are filled, they are what is hashed.
            leaves.append(leaf_hash(row[20], business_half(row[1], *business[1:])))
            continue
        identity = (LEAF_VERSION, members(row[2], b""), row[3] or "", sources(row[4], ""), instant(row[5]), row[6], row[7])
        leaves.append(hash_event(row[1], identity, business))
    return leaves


def _ranges(batches: Sequence[IngestBatch]) -> Iterator[tuple[int | None, int | None]]:
    """Portions of the ids, cut between batches, that leave nothing out: from (None: the first), below (None: the last)."""
    low, events = None, 0
    for batch in batches:
        if events and events + batch.accepted_count > EVENTS_AT_ONCE:
            yield low, batch.pk * POSITIONS
            low, events = batch.pk * POSITIONS, 0
        events += batch.accepted_count
    yield low, None


def _read(program: Program, low: int | None, high: int | None) -> Iterator[Row]:
    # + 0: not by the index of the program's events by time, which would read all of them for each portion.
    bounds = f"e.program_id + 0 = {int(program.pk)}"
    bounds += f" AND e.id >= {low}" if low is not None else ""
    bounds += f" AND e.id < {high}" if high is not None else ""
    select = "SELECT {} FROM activity_event e WHERE {} ORDER BY e.id"
    if connection.vendor != "postgresql":
        # As text, past the converters.
        names = {"occurred_at": "e.occurred_at || ''", "local_date": "e.local_date || ''", "position": 'e."position"'}
        with connection.cursor() as cursor:
            cursor.execute(select.format(", ".join(names.get(name, f"e.{name}") for name in COLUMNS), bounds))
            yield from cursor
        return
    connection.ensure_connection()
    with Cursor(connection.connection) as cursor:
        # Both types as the numbers that they are sent as: far cheaper than to make instants and take them apart again.
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        cursor.adapters.register_loader("date", Int4BinaryLoader)
        cursor.execute(select.format(", ".join(f'e."{name}"' for name in COLUMNS), bounds), binary=True)
        yield from cursor.fetchall()


def _instant() -> Callable[[Any], int | None]:
    """What makes microseconds since 1970 of an instant as the engine gives it."""
    return MILLENNIUM_MICROSECONDS.__add__ if connection.vendor == "postgresql" else _microseconds


@cache
def _day(number: int) -> str:
    return (MILLENNIUM + timedelta(days=number)).isoformat()


def _microseconds(text: str) -> int | None:
    try:
        return microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except (ValueError, TypeError):
        return None
