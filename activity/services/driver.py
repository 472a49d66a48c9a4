"""The database driver itself, for what happens once for every event."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

COPY_START, COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
# From PostgreSQL 17 on, each of the first 1,000 rows of a COPY takes the longer, the more came before it: so one that is not
# much longer is faster in parts, and one of many thousand rows is not (measured: a third at a time saves 1.2 of 6 us a row).
SHORT, PART = 1700, 350


@contextmanager
def raw_cursor(*, binary: bool = False) -> Iterator[Any]:
    """
    The driver's own cursor on PostgreSQL: binary values, prepared statements and COPY are not part of Django's. Its errors
    become Django's, or a full disk and a broken line would be taken for faults of Plum.

    binary: whether rows come in the driver's binary form.
    """
    connection.ensure_connection()
    psycopg: Any = connection.Database  # type: ignore[attr-defined]
    # Not `connection.cursor()`, which writes every value into the text of the statement.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.format = psycopg.pq.Format(int(binary))
        yield cursor


def copy_rows(*, table: str, columns: str, rows: Sequence[bytes]) -> None:
    """
    Append rows that are in the form of PostgreSQL's binary COPY, in the caller's transaction.

    Writes: `table`.
    """
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)"
    step = PART if len(rows) <= SHORT else len(rows)
    with raw_cursor() as cursor:
        for start in range(0, len(rows), step):
            with cursor.copy(statement) as copy:
                copy.write(b"".join([COPY_START, *rows[start : start + step], COPY_END]))
