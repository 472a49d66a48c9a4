"""
How a transaction's identities, events and batches reach the two engines fast, a few statements for all of them.

PostgreSQL: events by binary COPY, and identities too while none of them is known; where some are, one statement over packed
bytes leaves those out. SQLite: prepared statements, row by row. Rows are made by `activity.services.rows`.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from struct import Struct
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction

from activity.models.ledger import POSITIONS
from activity.services.driver import copy_rows, raw_cursor
from activity.services.partitions import partition_name
from activity.services.rows import COLUMN_LIST, EVENT_COLUMNS

BATCH_COLUMNS = (
    "id",
    "program_id",
    "source_id",
    "origin",
    "token_id",
    "day",
    "recorded_at",
    "received_count",
    "accepted_count",
    "duplicate_count",
    "conflict_count",
    "rejected_count",
    "warning_count",
    "latest_occurred_at",
    "leaf_version",
    "root",
)
AT_ONCE = 5000

# One identity: key, content, which batch, position.
PACKED = Struct("!16s8sHH")
INSERT_PACKED = """
INSERT INTO activity_eventidentity (program_id, key, content, event_id)
SELECT %s, substr(t.packed, o, 16), substr(t.packed, o + 16, 8),
  t.batches[1 + get_byte(t.packed, o + 23) * 256 + get_byte(t.packed, o + 24)] * 8192
  + get_byte(t.packed, o + 25) * 256 + get_byte(t.packed, o + 26)
FROM (SELECT %b::bytea AS packed, %s::bigint[] AS batches) t, generate_series(1, %s, 28) o
ON CONFLICT DO NOTHING
"""
# The same as a row of COPY, which takes half the time and fails as a whole where one of them is known: then it was for nothing.
AS_ROW = Struct("!hiqi16si8siq")
FEW = 200  # identities for which the one statement costs less
CAREFUL = 32  # transactions of a program, after one that held repeats, that are taken to hold some as well

_careful: dict[int, int] = {}


class Identity(NamedTuple):
    """How one event is recognised, and which event it became: its batch as a place in the list of batches, and its position."""

    key: bytes
    content: bytes
    batch: int
    position: int


def open_transaction(*, program_id: int, batches: int) -> tuple[list[int], bool]:
    """
    What a transaction needs to begin with: so many batch ids that nobody else will get, and whether any identity of the
    program was ever blanked by purge or erasure. Only then may an id be kept in its other form.
    """
    blanked = "EXISTS (SELECT 1 FROM activity_eventidentity WHERE program_id = %s AND content IS NULL)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            next_id = "nextval(pg_get_serial_sequence('activity_ingestbatch', 'id'))"
            cursor.execute(f"SELECT {next_id}, {blanked} FROM generate_series(1, %s)", [program_id, batches])
            rows = cursor.fetchall()
            return [int(row[0]) for row in rows], bool(rows[0][1])
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) + 1, {blanked} FROM activity_ingestbatch", [program_id])
        first, has_blanked = cursor.fetchone()
        return list(range(int(first), int(first) + batches)), bool(has_blanked)


def find_identities(*, program_id: int, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes | None, int]]:
    """The content (None: blanked) and the event id of the keys that are known, by key."""
    found: dict[bytes, tuple[bytes | None, int]] = {}
    select = "SELECT key, content, event_id FROM activity_eventidentity WHERE program_id = %s AND key "
    with connection.cursor() as cursor:
        for start in range(0, len(keys), AT_ONCE):
            part = list(keys[start : start + AT_ONCE])
            if connection.vendor == "postgresql":
                cursor.execute(select + "= ANY(%s::bytea[])", [program_id, part])
            else:
                cursor.execute(select + f"IN ({','.join(['%s'] * len(part))})", [program_id, *part])
            for key, content, event_id in cursor.fetchall():
                found[bytes(key)] = (None if content is None else bytes(content), event_id)
    return found


def insert_identities(*, program_id: int, batch_ids: Sequence[int], rows: Sequence[Identity]) -> dict[bytes, bytes | None]:
    """
    Store the identities that are new. Returns the keys that were known already, each with the content kept for it.

    Rows go in key order, so that two transactions never wait for each other in a circle.
    """
    ordered = sorted(rows)
    if not ordered:
        return {}
    if connection.vendor == "postgresql":
        stored = _copy_or_pack(program_id, batch_ids, ordered)
    else:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO activity_eventidentity (program_id, key, content, event_id) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                [(program_id, key, content, batch_ids[batch] * POSITIONS + place) for key, content, batch, place in ordered],
            )
            stored = cursor.rowcount
    if stored == len(ordered):
        return {}
    found = find_identities(program_id=program_id, keys=[row.key for row in ordered])
    return {row.key: found[row.key][0] for row in ordered if found[row.key][1] != batch_ids[row.batch] * POSITIONS + row.position}


def _copy_or_pack(program_id: int, batch_ids: Sequence[int], ordered: Sequence[Identity]) -> int:
    """How many were stored. Senders that repeat themselves do so again and again: they are not tried by COPY each time."""
    if len(ordered) > FEW and not _careful.get(program_id):
        try:
            with transaction.atomic():
                _copy_identities(program_id, batch_ids, ordered)
            return len(ordered)
        except IntegrityError:
            pass
    stored = _insert_packed(program_id, batch_ids, ordered)
    _careful[program_id] = CAREFUL if stored < len(ordered) else max(_careful.get(program_id, 0) - 1, 0)
    return stored


def _copy_identities(program_id: int, batch_ids: Sequence[int], ordered: Sequence[Identity]) -> None:
    pack = AS_ROW.pack
    rows = [
        pack(4, 8, program_id, 16, key, 8, content, 8, batch_ids[batch] * POSITIONS + place)
        for key, content, batch, place in ordered
    ]
    copy_rows(table="activity_eventidentity", columns="program_id, key, content, event_id", rows=rows)


def _insert_packed(program_id: int, batch_ids: Sequence[int], ordered: Sequence[Identity]) -> int:
    pack = PACKED.pack
    packed = b"".join([pack(*row) for row in ordered])
    with raw_cursor() as cursor:
        cursor.execute(INSERT_PACKED, [program_id, packed, list(batch_ids), len(packed)], prepare=True)
        return int(cursor.rowcount)


def insert_events(rows: Sequence[Any], *, months: Collection[date]) -> None:
    """Append events, each as this engine's `activity.services.rows` made it. months: the UTC months in which they lie."""
    if connection.vendor == "postgresql":
        # Straight to where they belong, if that is one place: PostgreSQL need not look for the partition of each row.
        table = partition_name(*months) if len(months) == 1 else "activity_event"
        copy_rows(table=table, columns=COLUMN_LIST, rows=rows)
        return
    marks = ",".join(["%s"] * len(EVENT_COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO activity_event ({COLUMN_LIST}) VALUES ({marks})", rows)


def insert_batches(rows: Sequence[tuple[Any, ...]]) -> None:
    """Append batch rows, values in the order of BATCH_COLUMNS."""
    marks = ", ".join([f"({', '.join(['%s'] * len(BATCH_COLUMNS))})"] * len(rows))
    adapt = connection.ops.adapt_datetimefield_value
    values = [adapt(value) if isinstance(value, datetime) else value for row in rows for value in row]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO activity_ingestbatch ({', '.join(BATCH_COLUMNS)}) VALUES {marks}", values)
