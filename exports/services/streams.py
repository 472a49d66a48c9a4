"""Rows of a SELECT as bytes of a file: by COPY on PostgreSQL, which sends finished lines; row by row on SQLite."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connection

from exports.choices import ExportFormat

AT_ONCE = 4096
# Lines of JSON hold no control characters, so that with these as quote and delimiter they leave COPY as they are.
AS_IS = "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"


def header_of(form: str, names: Sequence[str]) -> bytes:
    """
    What a file begins with.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return _csv_lines([names]) if form == ExportFormat.CSV else b""


def stream_rows(form: str, sql: str, params: dict[str, Any], names: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    """
    The lines of a file, some thousand at a time, each with their number; memory stays flat however many there are.

    sql: gives a column for each name. CSV lines end with CRLF, JSON lines with LF.
    Raises: DatabaseError.
    Writes: nothing.
    """
    if connection.vendor == "postgresql":
        yield from _copy(form, sql, params, names)
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(AT_ONCE):
            yield (_csv_lines(rows) if form == ExportFormat.CSV else _json_lines(names, rows)), len(rows)


def _copy(form: str, sql: str, params: dict[str, Any], names: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    is_csv = form == ExportFormat.CSV
    if not is_csv:
        params = params | {f"name_{number}": name for number, name in enumerate(names)}
        listed = ", ".join(f'x."c{number}"' for number in range(len(names)))
        pairs = ", ".join(f"%(name_{number})s::text, {column}" for number, column in enumerate(listed.split(", ")))
        sql = f"SELECT json_build_object({pairs}) FROM ({sql}) x"
    connection.ensure_connection()
    with connection.connection.cursor().copy(f"COPY ({sql}) TO STDOUT ({'FORMAT csv' if is_csv else AS_IS})", params) as copy:
        lines = iter(copy)
        while rows := list(islice(lines, AT_ONCE)):
            text = b"".join(rows)
            if is_csv:
                # A line break inside a quoted cell is the cell's own and stays; there are hardly ever any.
                is_plain = text.count(b"\n") == len(rows)
                text = text.replace(b"\n", b"\r\n") if is_plain else b"".join(bytes(row)[:-1] + b"\r\n" for row in rows)
            yield text, len(rows)


def _csv_lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _json_lines(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, separators=(",", ":")) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()
