"""How ledger rows reach the two engines fast: COPY and ON CONFLICT on PostgreSQL, executemany on SQLite."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

EVENT_COLUMNS = (
    "id",
    "program_id",
    "source_id",
    "event_key",
    "member_id",
    "offer_id",
    "attribute_set_id",
    "kind",
    "status",
    "reason_code",
    "occurred_at",
    "local_date",
    "spend_minor",
    "spend_currency",
    "reward_cost_minor",
    "reward_cost_currency",
    "transaction_ref",
    "reverses",
    "medium",
    "position",
    "received_at",
    "nonce",
    "identity_hash",
)
COLUMN_LIST = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
INSTANTS = (EVENT_COLUMNS.index("occurred_at"), EVENT_COLUMNS.index("received_at"))
LOCAL_DATE = EVENT_COLUMNS.index("local_date")

Identity = tuple[bytes, bytes, int]  # key, content digest, event id


def next_batch_id() -> int:
    """A batch id that nobody else will get, in the caller's transaction."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence('activity_ingestbatch', 'id'))")
        else:
            cursor.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM activity_ingestbatch")
        return int(cursor.fetchone()[0])


def find_identities(*, program_id: int, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
    """The content digests (None: blanked) of the keys that are known, by key."""
    found: dict[bytes, bytes | None] = {}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT key, content FROM activity_eventidentity WHERE program_id = %s AND key = ANY(%s::bytea[])",
                [program_id, list(keys)],
            )
            return {bytes(key): None if content is None else bytes(content) for key, content in cursor.fetchall()}
        for start in range(0, len(keys), 5000):
            part = keys[start : start + 5000]
            marks = ",".join(["%s"] * len(part))
            cursor.execute(
                f"SELECT key, content FROM activity_eventidentity WHERE program_id = %s AND key IN ({marks})", [program_id, *part]
            )
            found.update({bytes(key): None if content is None else bytes(content) for key, content in cursor.fetchall()})
    return found


def insert_identities(*, program_id: int, rows: Sequence[Identity]) -> set[bytes]:
    """
    Store the identities that are new; returns their keys. A key that another transaction stored first is left out.

    Rows go in key order, so that two transactions never wait for each other in a circle.
    """
    ordered = sorted(rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "INSERT INTO activity_eventidentity (program_id, key, content, event_id) "
                "SELECT %s, * FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING key",
                [program_id, [row[0] for row in ordered], [row[1] for row in ordered], [row[2] for row in ordered]],
            )
            return {bytes(row[0]) for row in cursor.fetchall()}
        # SQLite has one writer, and what was known was looked up under its lock: every row is new.
        cursor.executemany(
            "INSERT INTO activity_eventidentity (program_id, key, content, event_id) VALUES (%s, %s, %s, %s)",
            [(program_id, *row) for row in ordered],
        )
        return {row[0] for row in ordered}


def insert_events(rows: Iterable[tuple[Any, ...]]) -> None:
    """Append event rows, values in the order of EVENT_COLUMNS, instants aware UTC and dates as dates."""
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        with connection.connection.cursor().copy(f"COPY activity_event ({COLUMN_LIST}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ",".join(["%s"] * len(EVENT_COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO activity_event ({COLUMN_LIST}) VALUES ({marks})", [_sqlite_row(row) for row in rows])


def _sqlite_row(row: tuple[Any, ...]) -> list[Any]:
    values = list(row)
    for index in INSTANTS:
        values[index] = sqlite_instant(values[index])
    values[LOCAL_DATE] = values[LOCAL_DATE].isoformat()
    return values


def sqlite_instant(instant: datetime | None) -> str | None:
    """An instant as Django stores it on SQLite: UTC without an offset."""
    return None if instant is None else instant.replace(tzinfo=None).isoformat(" ")
