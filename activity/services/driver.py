"""The database driver itself, for what happens once for every event."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


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
