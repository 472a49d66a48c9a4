"""
The rollup cells: counted from the events of a seal, and added to what is there.

They are counted here, from events that are read once; the grains that also have sets of members by the members of each cell.
`verify rollups` has the database count all of them (`cells_sql`) and compares.
"""

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from django.db import connection

from activity.choices import Measure

BY_SEGMENT, BY_OFFER, BY_PARTNER = "activity_daysegmentrollup", "activity_dayofferrollup", "activity_daypartnerrollup"
BY_SOURCE = "activity_daysourcerollup"
GRAINS = {
    BY_SEGMENT: {"offer_type": "o.offer_type", "attribute_set_id": "e.attribute_set_id"},
    BY_OFFER: {"offer_id": "e.offer_id"},
    BY_PARTNER: {"partner_id": "o.partner_id"},
    BY_SOURCE: {"source_id": "e.source_id"},
}

# Each event makes a cell that counts it, and one more for each amount that it carries.
MEASURES = (
    (Measure.EVENTS, "''", "0", "TRUE"),
    (Measure.SPEND, "e.spend_currency", "e.spend_minor", "e.spend_minor IS NOT NULL"),
    (Measure.REWARD_COST, "e.reward_cost_currency", "e.reward_cost_minor", "e.reward_cost_minor IS NOT NULL"),
)
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# A slot is a day, a kind and a status in one number, which groups faster than three: 1000 * day + 10 * kind + status.
SLOT = {
    "postgresql": "(e.local_date - DATE '1970-01-01') * 1000 + e.kind * 10 + e.status",
    "sqlite": "CAST(julianday(e.local_date) - 2440587.5 AS INTEGER) * 1000 + e.kind * 10 + e.status",
}
DAY_OF_SLOT = "DATE '1970-01-01' + slot / 1000"
MEMBER = "COALESCE(e.member_id, 0)"


class Portion(NamedTuple):
    """
    The events of some batches, column by column, in one order: slot, offer, source, attribute set, member (0: none).

    money: the rows of the events that carry an amount, as (slot, offer, source, attribute set, spend, its currency,
    reward cost, its currency). catalog: offer type and partner by offer.
    """

    slots: Sequence[int]
    offers: Sequence[int]
    sources: Sequence[int]
    sets: Sequence[int]
    members: Sequence[int]
    money: list[tuple[Any, ...]]
    catalog: Mapping[int, tuple[str, int]]


Key = tuple[Any, ...]  # slot, then the grain's own columns
Counts = Mapping[Key, int]  # events by key
Groups = Mapping[Key, Sequence[int]]  # the members of the events of each key, repeated as they occur; 0 is nobody
Amounts = Mapping[Key, Sequence[int]]  # [events, minor units] by key, measure and currency


def cells_sql(table: str, condition: str) -> str:
    """
    The SELECT that makes the cells of one rollup table from the events that meet `condition`.

    Columns: program_id, local_date, kind, status, measure, currency, the grain's own, event_count, amount_minor.
    """
    own = ", ".join(GRAINS[table].values())
    joined = " JOIN offers_offer o ON o.id = e.offer_id" if "o." in own else ""
    parts = [
        f"SELECT e.program_id, e.local_date, e.kind, e.status, {int(measure)} AS measure, {currency} AS currency, {own}, "
        f"COUNT(*) AS event_count, SUM({amount}) AS amount_minor "
        f"FROM activity_event e{joined} WHERE ({condition}) AND {carries} "
        f"GROUP BY e.program_id, e.local_date, e.kind, e.status, {own}" + ("" if measure == Measure.EVENTS else f", {currency}")
        for measure, currency, amount, carries in MEASURES
    ]
    return " UNION ALL ".join(parts)


def cell_columns(table: str) -> str:
    """The columns of a rollup table, in the order of `cells_sql`."""
    return ", ".join(
        ["program_id", "local_date", "kind", "status", "measure", "currency", *GRAINS[table], "event_count", "amount_minor"]
    )


def read_portion(condition: str) -> Portion:
    """The events that meet `condition`, which is over the event `e`."""
    slot, is_postgres = SLOT[connection.vendor], connection.vendor == "postgresql"
    # One row of five long values: a tenth of the work of a row for each event.
    as_one = "string_agg(int8send({}), '')" if is_postgres else "group_concat({})"
    values = ", ".join(as_one.format(each) for each in (slot, "e.offer_id", "e.source_id", "e.attribute_set_id", MEMBER))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {values} FROM activity_event e WHERE {condition}")
        slots, offers, sources, sets, members = (split_ids(packed) for packed in cursor.fetchone())
        carries = "e.spend_minor IS NOT NULL OR e.reward_cost_minor IS NOT NULL"
        cursor.execute(
            f"SELECT {slot}, e.offer_id, e.source_id, e.attribute_set_id, e.spend_minor, e.spend_currency, "
            f"e.reward_cost_minor, e.reward_cost_currency FROM activity_event e WHERE ({condition}) AND ({carries})"
        )
        money = cursor.fetchall()
        wanted = ", ".join(map(str, set(offers))) or "NULL"
        cursor.execute(f"SELECT id, offer_type, partner_id FROM offers_offer WHERE id IN ({wanted})")
        catalog = {offer_id: (offer_type, partner_id) for offer_id, offer_type, partner_id in cursor.fetchall()}
    return Portion(slots, offers, sources, sets, members, money, catalog)


def group_members(portion: Portion) -> dict[str, Groups]:
    """The members of each cell of the two grains that have sets, by rollup table. An event whose offer is gone has no cell."""
    keys = keys_of(portion.slots, portion.offers, portion.sources, portion.sets, portion.catalog)
    groups: dict[str, Groups] = {}
    for table in (BY_SEGMENT, BY_PARTNER):
        found: defaultdict[Key, list[int]] = defaultdict(list)
        for key, member in zip(keys[table], portion.members, strict=True):
            found[key].append(member)
        groups[table] = {key: members for key, members in found.items() if key[1] is not None}
    return groups


def count_events(portion: Portion, groups: Mapping[str, Groups]) -> dict[str, Counts]:
    """How many events each cell has, by rollup table; where members are grouped already, there are as many as members."""
    keys = keys_of(portion.slots, portion.offers, portion.sources, portion.sets, portion.catalog)
    counts: dict[str, Counts] = {table: Counter(keys[table]) for table in (BY_OFFER, BY_SOURCE)}
    return counts | {table: {key: len(members) for key, members in cells.items()} for table, cells in groups.items()}


def add_amounts(portion: Portion) -> dict[str, Amounts]:
    """What the events of each cell carry, by rollup table."""
    slots, offers, sources, sets, *sums = zip(*portion.money, strict=True) if portion.money else ((),) * 8
    amounts: dict[str, Amounts] = {}
    for table, keys in keys_of(slots, offers, sources, sets, portion.catalog).items():
        found: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
        for key, spend, spend_currency, cost, cost_currency in zip(keys, *sums, strict=True):
            for measure, minor, currency in (
                (int(Measure.SPEND), spend, spend_currency),
                (int(Measure.REWARD_COST), cost, cost_currency),
            ):
                if minor is not None and key[1] is not None:
                    cell = found[(*key, measure, currency)]
                    cell[0] += 1
                    cell[1] += minor
        amounts[table] = found
    return amounts


def keys_of(
    slots: Iterable[int],
    offers: Sequence[int],
    sources: Iterable[int],
    sets: Iterable[int],
    catalog: Mapping[int, tuple[str, int]],
) -> dict[str, Iterable[Key]]:
    """The key of each event by rollup table, in the order of the events; each can be gone through once."""
    types = {offer: offer_type for offer, (offer_type, _partner) in catalog.items()}
    partners = {offer: partner for offer, (_offer_type, partner) in catalog.items()}
    return {
        BY_OFFER: zip(slots, offers, strict=True),
        BY_SOURCE: zip(slots, sources, strict=True),
        BY_SEGMENT: zip(slots, map(types.get, offers), sets, strict=True),
        BY_PARTNER: zip(slots, map(partners.get, offers), strict=True),
    }


def add_to_cells(*, program_id: int, table: str, counts: Counts, amounts: Amounts) -> None:
    """
    Add what was counted to the cells of one rollup table, in the caller's transaction.

    Raises: nothing of its own.
    Writes: activity_daysegmentrollup, activity_dayofferrollup, activity_daypartnerrollup, activity_daysourcerollup.
    """
    if not counts:
        return
    names = ("slot", *GRAINS[table])
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*counts, strict=True), strict=True))
    columns["event_count"] = list(counts.values())
    fixed = {"measure": str(int(Measure.EVENTS)), "currency": "''", "amount_minor": "0"}
    put_rows(table, program_id, columns, fixed, _addition(table))
    if amounts:
        sums: dict[str, Sequence[Any]] = dict(zip((*names, "measure", "currency"), zip(*amounts, strict=True), strict=True))
        sums |= zip(("event_count", "amount_minor"), zip(*amounts.values(), strict=True), strict=True)
        put_rows(table, program_id, sums, {}, _addition(table))


def _addition(table: str) -> str:
    """What happens to a cell that is there already."""
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in ("event_count", "amount_minor"))
    return f"ON CONFLICT ({', '.join(CELL)}, {', '.join(GRAINS[table])}, measure, currency) DO UPDATE SET {added}"


# What PostgreSQL needs to know of the columns that are written.
TYPES = {
    "slot": "integer",
    "offer_type": "text",
    "attribute_set_id": "bigint",
    "offer_id": "bigint",
    "source_id": "bigint",
    "partner_id": "bigint",
    "measure": "smallint",
    "currency": "text",
    "event_count": "bigint",
    "amount_minor": "bigint",
    "members": "bytea",
    "member_count": "integer",
}


CELL = ("program_id", "local_date", "kind", "status")


def put_rows(table: str, program_id: int, columns: Mapping[str, Sequence[Any]], fixed: Mapping[str, str], change: str) -> None:
    """
    Insert rows, given column by column, the first being the slot, into a table of one program.

    fixed: SQL for columns that are the same in every row. change: the ON CONFLICT for cells that are there.
    """
    slots, *others = columns.values()
    names = [name for name in columns if name != "slot"]
    insert = f"INSERT INTO {table} ({', '.join([*CELL, *fixed, *names])})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{TYPES[name]}[]" for name in columns)
            values = ", ".join([DAY_OF_SLOT, "slot / 10 %% 100", "slot %% 10", *fixed.values(), *names])
            cursor.execute(
                f"{insert} SELECT %s, {values} FROM unnest({arrays}) AS given({', '.join(columns)}) {change}",
                [program_id, *map(array_text, columns.values())],
            )
            return
        days = {slot: (program_id, day_of(slot).isoformat(), slot // 10 % 100, slot % 10) for slot in set(slots)}
        marks = ", ".join([*["%s"] * len(CELL), *fixed.values(), *["%s"] * len(names)])
        rows = sorted(zip(slots, *others, strict=True))
        cursor.executemany(f"{insert} VALUES ({marks}) {change}", [days[slot] + tuple(rest) for slot, *rest in rows])


def day_of(slot: int) -> date:
    """The day of a slot."""
    return date.fromordinal(EPOCH_ORDINAL + slot // 1000)


def array_text(values: Sequence[Any]) -> str:
    """A column as PostgreSQL's own text of an array: several times faster than value by value through the driver."""
    first = values[0]
    if isinstance(first, int):
        return "{" + ",".join(map(str, values)) + "}"
    if isinstance(first, bytes):
        return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"
    quoted = {value: '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in set(values)}
    return "{" + ",".join([quoted[value] for value in values]) + "}"


def split_ids(packed: bytes | str | None) -> Sequence[int]:
    """The numbers that PostgreSQL put together as eight bytes each, or SQLite with commas."""
    if not isinstance(packed, bytes):
        return list(map(int, packed.split(","))) if packed else []
    values = array("q")
    values.frombytes(packed)
    if sys.byteorder == "little":
        values.byteswap()
    return values
