"""
The rollups of distinct members: exact sets per day and grain, written by the sealer and made again by `verify rollups`.

A set is read, united with the members of the new events, and written back: only the sealer writes, one per program at a
time, in the transaction of the seal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import connection

from activity.models.ledger import POSITIONS
from activity.rules import add_members
from activity.services.rollups import BY_PARTNER, BY_SEGMENT, CELL, GRAINS, SLOT, TYPES, array_text, day_of, put_rows, split_ids

SETS = {BY_SEGMENT: "activity_daysegmentmembers", BY_PARTNER: "activity_daypartnermembers"}
SET_GRAINS = {table: GRAINS[rollup] for rollup, table in SETS.items()}
SLOT_OF_ROW = {vendor: slot.replace("e.", "t.") for vendor, slot in SLOT.items()}
CELLS_AT_ONCE = {"postgresql": 20_000, "sqlite": 1000}  # SQLite takes no more parameters than some thousands
DAYS_AT_ONCE = 10  # as much of the ledger as is held in memory to make sets again

Cell = tuple[Any, ...]  # slot, then the grain's own columns


def name_cell(table: str, cell: Cell) -> str:
    """A cell as a person can look it up."""
    slot, *own = cell
    named = {"local_date": day_of(slot), **dict(zip(SET_GRAINS[table], own, strict=True))}
    named |= {"kind": slot // 10 % 100, "status": slot % 10}
    return ", ".join(f"{name} {value}" for name, value in named.items())


def collect_members(table: str, condition: str) -> Iterator[tuple[Cell, Sequence[int]]]:
    """The cells of the events that meet `condition`, each with the ids of its members, repeated as they occur."""
    key = ", ".join([SLOT[connection.vendor], *SET_GRAINS[table].values()])
    ids = "string_agg(int8send(e.member_id), '')" if connection.vendor == "postgresql" else "group_concat(e.member_id)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {ids} FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id "
            f"WHERE ({condition}) AND e.member_id IS NOT NULL GROUP BY {key}"
        )
        while rows := cursor.fetchmany(5000):
            for *cell, packed in rows:
                yield tuple(cell), split_ids(packed)


def add_to_sets(*, program_id: int, table: str, members: Mapping[Cell, Sequence[int]]) -> None:
    """
    Put members, by cell, into the sets of one grain, in the caller's transaction. 0 is nobody.

    Raises: nothing of its own.
    Writes: activity_daysegmentmembers, activity_daypartnermembers.
    """
    cells = sorted(members)
    for start in range(0, len(cells), CELLS_AT_ONCE[connection.vendor]):
        _merge(table, program_id, cells[start : start + CELLS_AT_ONCE[connection.vendor]], members)


def fill_sets(*, program_id: int) -> None:
    """
    Make both grains from everything that is sealed, where there is none yet; what a migration does to a ledger that is there.

    Raises: nothing of its own.
    Writes: activity_daysegmentmembers, activity_daypartnermembers.
    """
    for _first, _last, condition in sealed_windows(program_id, "activity_daypartnerrollup"):
        for table in SET_GRAINS:
            add_to_sets(program_id=program_id, table=table, members=dict(collect_members(table, condition)))


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
    own = list(SET_GRAINS[table])
    values = ", ".join(["k.slot", *(f"k.{name}" for name in own), "t.members", "t.member_count"])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{TYPES[name]}[]" for name in ("slot", *own))
            match = " AND ".join(f"t.{name} = k.{name}" for name in own)
            cursor.execute(
                f"SELECT {values} FROM unnest({arrays}) AS k(slot, {', '.join(own)}) JOIN {table} t ON t.program_id = %s "
                f"AND t.local_date = DATE '1970-01-01' + k.slot / 1000 AND {match} "
                "AND t.kind = k.slot / 10 %% 100 AND t.status = k.slot %% 10",
                [*map(array_text, zip(*cells, strict=True)), program_id],
            )
        else:
            # CROSS JOIN: SQLite then looks each cell up by the index; a row value IN a list reads the whole program.
            names = ["slot", "local_date", "kind", "status", *own]
            given = ", ".join(f"column{number} AS {name}" for number, name in enumerate(names, start=1))
            match = " AND ".join(f"t.{name} = k.{name}" for name in names[1:])
            row = f"({', '.join(['%s'] * len(names))})"
            cursor.execute(
                f"SELECT {values} FROM (SELECT {given} FROM (VALUES {', '.join([row] * len(cells))})) k "
                f"CROSS JOIN {table} t WHERE t.program_id = %s AND {match}",
                [
                    *(
                        value
                        for slot, *rest in cells
                        for value in (slot, day_of(slot).isoformat(), slot // 10 % 100, slot % 10, *rest)
                    ),
                    program_id,
                ],
            )
        return {tuple(row[:-2]): (bytes(row[-2]), row[-1]) for row in cursor.fetchall()}


def list_sets(table: str, program_id: int, first: date, last: date) -> dict[Cell, tuple[bytes, int]]:
    """Every kept set of some days, the last one included: packed, and its count."""
    columns = ", ".join([SLOT_OF_ROW[connection.vendor], *SET_GRAINS[table]])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, t.members, t.member_count FROM {table} t "
            "WHERE program_id = %s AND local_date >= %s AND local_date <= %s",
            [program_id, str(first), str(last)],
        )
        return {tuple(row[:-2]): (bytes(row[-2]), row[-1]) for row in cursor.fetchall()}


def _merge(table: str, program_id: int, cells: Sequence[Cell], members: Mapping[Cell, Sequence[int]]) -> None:
    kept = read_sets(table, program_id, cells)
    changed, sets = [], []
    for cell in cells:
        before, count_before = kept.get(cell, (None, 0))
        ids = members[cell]
        after = add_members(before, [one for one in ids if one] if 0 in ids else ids)
        if after[1] != count_before:
            changed.append(cell)
            sets.append(after)
    if changed:
        own = SET_GRAINS[table]
        columns: dict[str, Sequence[Any]] = dict(zip(("slot", *own), zip(*changed, strict=True), strict=True))
        columns |= zip(("members", "member_count"), zip(*sets, strict=True), strict=True)
        change = "DO UPDATE SET members = excluded.members, member_count = excluded.member_count"
        put_rows(table, program_id, columns, {}, f"ON CONFLICT ({', '.join((*CELL, *own))}) {change}")


def _day(value: Any) -> date:
    """A day as PostgreSQL gives it, or as SQLite keeps it."""
    return value if isinstance(value, date) else date.fromisoformat(value)
