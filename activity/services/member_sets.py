"""
The rollups of distinct members: exact sets per day and grain, written by the sealer and made again by `verify rollups`.

A set is read, united with the members of the new events, and written back: only the sealer writes, one per program at a
time, in the transaction of the seal.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import connection

from activity.models.ledger import POSITIONS
from activity.rules import add_members

# As expressions over the event `e` and its offer `o`, with the type that PostgreSQL needs to know.
SET_GRAINS: dict[str, dict[str, tuple[str, str]]] = {
    "activity_daysegmentmembers": {
        "offer_type": ("o.offer_type", "text"),
        "attribute_set_id": ("e.attribute_set_id", "bigint"),
    },
    "activity_daypartnermembers": {"partner_id": ("o.partner_id", "bigint")},
}
CELLS_AT_ONCE = {"postgresql": 5000, "sqlite": 1000}  # SQLite takes no more parameters than some thousands
DAYS_AT_ONCE = 10  # as much of the ledger as is held in memory to make sets again

Cell = tuple[Any, ...]


def key_columns(table: str) -> list[str]:
    """The columns that name a cell of one program, in the order of a Cell."""
    return ["local_date", *SET_GRAINS[table], "kind", "status"]


def collect_members(table: str, condition: str) -> Iterator[tuple[Cell, Sequence[int]]]:
    """The cells of the events that meet `condition`, each with the ids of its members, repeated as they occur."""
    own = [expression for expression, _type in SET_GRAINS[table].values()]
    key = ", ".join(["e.local_date", *own, "e.kind", "e.status"])
    is_postgres = connection.vendor == "postgresql"
    ids = "string_agg(int8send(e.member_id), '')" if is_postgres else "group_concat(e.member_id)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {ids} FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id "
            f"WHERE ({condition}) AND e.member_id IS NOT NULL GROUP BY {key}"
        )
        while rows := cursor.fetchmany(5000):
            for *cell, packed in rows:
                yield (_day(cell[0]), *cell[1:]), _big_endian(packed) if is_postgres else [int(n) for n in packed.split(",")]


def add_to_sets(*, program_id: int, condition: str) -> None:
    """
    Put the members of the events that meet `condition` into the sets of both grains, in the caller's transaction.

    Raises: nothing of its own.
    Writes: activity_daysegmentmembers, activity_daypartnermembers.
    """
    for table in SET_GRAINS:
        part: dict[Cell, Sequence[int]] = {}
        for cell, ids in collect_members(table, condition):
            part[cell] = ids
            if len(part) == CELLS_AT_ONCE[connection.vendor]:
                _merge(table, program_id, part)
                part = {}
        if part:
            _merge(table, program_id, part)


def fill_sets(*, program_id: int) -> None:
    """
    Make both grains from everything that is sealed, where there is none yet; what a migration does to a ledger that is there.

    Raises: nothing of its own.
    Writes: activity_daysegmentmembers, activity_daypartnermembers.
    """
    for _first, _last, condition in sealed_windows(program_id, "activity_daypartnerrollup"):
        add_to_sets(program_id=program_id, condition=condition)


def sealed_windows(program_id: int, *tables: str) -> Iterator[tuple[date, date, str]]:
    """
    The days that the tables have cells of, a few at a time: first and last day, and the condition over `e` of the sealed
    events in between.
    """
    for days in _windows(program_id, tables):
        first, last = days[0], days[-1]
        yield (
            first,
            last,
            f"e.program_id = {int(program_id)} AND e.local_date >= '{first}' AND e.local_date <= '{last}' "
            f"AND e.occurred_at >= '{first - timedelta(days=2)}' AND e.occurred_at < '{last + timedelta(days=3)}' "
            f"AND EXISTS (SELECT 1 FROM activity_seal s WHERE s.batch_id = e.id / {POSITIONS})",
        )


def _windows(program_id: int, tables: Iterable[str]) -> Iterator[list[date]]:
    days: set[date] = set()
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT DISTINCT local_date FROM {table} WHERE program_id = %s", [program_id])
            days.update(_day(row[0]) for row in cursor.fetchall())
    window: list[date] = []
    for day in sorted(days):
        if window and (day - window[0]).days >= DAYS_AT_ONCE:
            yield window
            window = []
        window.append(day)
    if window:
        yield window


def read_sets(table: str, program_id: int, cells: Sequence[Cell]) -> dict[Cell, tuple[bytes, int]]:
    """What is kept of these cells: the packed set and its count; a cell without a set is missing."""
    names = key_columns(table)
    columns = ", ".join(f"t.{name}" for name in names)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{kind}[]" for kind in _types(table))
            match = " AND ".join(f"t.{name} = k.{name}" for name in names)
            cursor.execute(
                f"SELECT {columns}, t.members, t.member_count FROM unnest({arrays}) AS k({', '.join(names)}) "
                f"JOIN {table} t ON t.program_id = %s AND {match}",
                [*(list(values) for values in zip(*cells, strict=True)), program_id],
            )
        else:
            # CROSS JOIN: SQLite then looks each cell up by the index; a row value IN a list reads the whole program.
            row = f"({', '.join(['%s'] * len(names))})"
            match = " AND ".join(f"t.{name} = k.column{number}" for number, name in enumerate(names, start=1))
            cursor.execute(
                f"SELECT {columns}, t.members, t.member_count FROM (VALUES {', '.join([row] * len(cells))}) k "
                f"CROSS JOIN {table} t WHERE t.program_id = %s AND {match}",
                [*(str(value) if isinstance(value, date) else value for cell in cells for value in cell), program_id],
            )
        return {(_day(row[0]), *row[1:-2]): (bytes(row[-2]), row[-1]) for row in cursor.fetchall()}


def list_sets(table: str, program_id: int, first: date, last: date) -> dict[Cell, tuple[bytes, int]]:
    """Every kept set of some days, the last one included: packed, and its count."""
    columns = ", ".join(key_columns(table))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, members, member_count FROM {table} "
            "WHERE program_id = %s AND local_date >= %s AND local_date <= %s",
            [program_id, str(first), str(last)],
        )
        return {(_day(row[0]), *row[1:-2]): (bytes(row[-2]), row[-1]) for row in cursor.fetchall()}


def _merge(table: str, program_id: int, part: Mapping[Cell, Sequence[int]]) -> None:
    cells = sorted(part)
    kept = read_sets(table, program_id, cells)
    rows = []
    for cell in cells:
        before, count_before = kept.get(cell, (None, 0))
        packed, count = add_members(before, part[cell])
        if count != count_before:
            rows.append((*cell, packed, count))
    if rows:
        _write(table, program_id, rows)


def _write(table: str, program_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    names = [*key_columns(table), "members", "member_count"]
    conflict = ", ".join(["program_id", *key_columns(table)])
    change = "DO UPDATE SET members = excluded.members, member_count = excluded.member_count"
    insert = f"INSERT INTO {table} (program_id, {', '.join(names)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{kind}[]" for kind in [*_types(table), "bytea", "integer"])
            cursor.execute(
                f"{insert} SELECT %s, * FROM unnest({arrays}) ON CONFLICT ({conflict}) {change}",
                [program_id, *(list(values) for values in zip(*rows, strict=True))],
            )
            return
        marks = ", ".join(["%s"] * (len(names) + 1))
        cursor.executemany(
            f"{insert} VALUES ({marks}) ON CONFLICT ({conflict}) {change}",
            [(program_id, row[0].isoformat(), *row[1:]) for row in rows],
        )


def _types(table: str) -> list[str]:
    """The PostgreSQL types of a cell's columns."""
    return ["date", *(kind for _expression, kind in SET_GRAINS[table].values()), "smallint", "smallint"]


def _big_endian(packed: bytes) -> Sequence[int]:
    ids = array("q")
    ids.frombytes(packed)
    ids.byteswap()
    return ids


def _day(value: Any) -> date:
    """A day as PostgreSQL gives it, or as SQLite keeps it."""
    return value if isinstance(value, date) else date.fromisoformat(value)
