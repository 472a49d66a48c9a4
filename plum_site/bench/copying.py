"""The limit that ingest is held against: COPY of the same rows into a table without index, key, trigger or partition."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.db.utils import load_backend
from psycopg.sql import SQL, Composed, Identifier

from activity.models import Event

CHUNK = 1 << 18
# What an event is without what only Plum's ledger adds to it: a narrower table, which is faster to fill.
NARROW = (
    "event_key", "source_id", "occurred_at", "member_id", "offer_id", "attribute_set_id", "kind", "status", "reason_code",
    "spend_minor", "spend_currency", "transaction_ref", "medium", "position",
)  # fmt: skip
FIELDS = {str(field.column): field for field in Event._meta.concrete_fields}


class Copying:
    """
    COPY in text form, over a connection of its own to PostgreSQL, of the first rows of a ledger. Timed by the caller.

    url: where; the database of the benchmark itself, or one beside it where that is SQLite.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.line = psycopg.connect(url, autocommit=True)
        self.is_prepared = False

    def prepare(self, program_id: int, rows: int) -> None:
        """Write the program's first `rows` events as the text that COPY reads, and make the tables."""
        for name, columns in (("whole", tuple(FIELDS)), ("narrow", NARROW)):
            parts = [SQL("{} {}").format(Identifier(column), SQL(type_of(column))) for column in columns]
            types = Composed(parts).join(", ")
            self.line.execute(SQL("CREATE TABLE {} ({})").format(_table(name), types))
            write_rows(self.folder / f"{name}.copy", columns, program_id, rows)
        self.is_prepared = True

    def run(self, name: str = "whole") -> None:
        """One COPY of all the rows, committed."""
        with (
            (self.folder / f"{name}.copy").open("rb") as file,
            self.line.cursor() as cursor,
            cursor.copy(SQL("COPY {} FROM STDIN").format(_table(name))) as copy,
        ):
            while chunk := file.read(CHUNK):
                copy.write(chunk)

    def empty(self, name: str = "whole") -> None:
        """Take the rows away again; in a transaction of its own, so that the next COPY writes its log as every other one."""
        self.line.execute(SQL("TRUNCATE {}").format(_table(name)))

    def close(self) -> None:
        """Remove the tables and close the connection."""
        self.line.execute(SQL("DROP TABLE IF EXISTS {}, {}").format(_table("whole"), _table("narrow")))
        self.line.close()


def _table(name: str) -> Identifier:
    return Identifier(f"bench_bare_{name}")


def type_of(column: str) -> Any:
    """The type of a column of the ledger on PostgreSQL, whatever the engine of this process."""
    wrapper = load_backend("django.db.backends.postgresql").DatabaseWrapper({**connection.settings_dict, "OPTIONS": {}})
    return FIELDS[column].db_type(wrapper)


def write_rows(path: Path, columns: Sequence[str], program_id: int, rows: int) -> None:
    """The first rows of a program's ledger as the text form of COPY."""
    with path.open("wb") as file:
        if connection.vendor == "postgresql":
            names = SQL(", ").join(map(Identifier, columns))
            table = Identifier(Event._meta.db_table)
            query: Composed = SQL("COPY (SELECT {} FROM {} WHERE program_id = {} ORDER BY id LIMIT {}) TO STDOUT").format(
                names, table, program_id, rows
            )
            connection.ensure_connection()
            with connection.connection.cursor().copy(query) as copy:
                for block in copy:
                    file.write(block)
            return
        for row in _first_rows(columns, program_id, rows):
            file.write(("\t".join(map(as_text, row)) + "\n").encode())


def _first_rows(columns: Sequence[str], program_id: int, rows: int) -> Iterator[tuple[Any, ...]]:
    attributes = [FIELDS[column].attname for column in columns]
    yield from Event.objects.filter(program=program_id).order_by("pk").values_list(*attributes)[:rows].iterator(10_000)


def as_text(value: object) -> str:
    """One value in the text form of COPY."""
    if value is None:
        return "\\N"
    if isinstance(value, bytes | memoryview):
        return "\\\\x" + bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
