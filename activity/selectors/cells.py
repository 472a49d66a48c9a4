"""
Counting from rollups and the unsealed tail: the same as `tallies` counts from the ledger, at a cost that follows the days
and groups asked for and not the number of events.

Where no rollup can answer (docs/adr/0011-member-sets.md says when), the ledger is asked; callers need not know.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from pyroaring import BitMap

from activity.choices import Kind, Measure, Status
from activity.metrics import Tally
from activity.rules import unite_members
from activity.selectors import tallies
from activity.selectors.breakdown import Breakdown, Span
from activity.selectors.grains import ROLLUPS, Grain
from activity.selectors.ledger import Prefix
from activity.selectors.tallies import Key, group_by, positions

CONFIRMED = Status.CONFIRMED.value
MEMBER_KINDS = {
    "members_viewed": (Kind.VIEWED,),
    "members_unlocked": (Kind.UNLOCKED,),
    "members_activated": (Kind.ACTIVATED,),
    "members_redeemed": (Kind.REDEEMED,),
    "members_reached": (Kind.IMPRESSION, Kind.VIEWED),
    "members_engaged": (Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED),
}


def find_grain(breakdown: Breakdown, prefix: Prefix, *, with_members: bool = False) -> Grain | None:
    """
    The rollup that can answer a question; None where only the ledger can.

    Shape: one Grain, or None.
    """
    if prefix.is_ledger_only or prefix.number != prefix.head_number:
        return None
    needed = breakdown.needs()
    return next((grain for grain in ROLLUPS if grain.answers(needed) and (grain.members or not with_members)), None)


def count_events(breakdown: Breakdown, span: Span, prefix: Prefix, *, kind: int | None = None) -> dict[Key, Tally]:
    """
    Events and amounts of every group that has any; of one kind, where one is named.

    Shape: row key to Tally.
    """
    grain = find_grain(breakdown, prefix)
    if grain is None:
        return tallies.count_events(breakdown, span, prefix, kind=kind)
    pieces, label = breakdown.pieces(span, prefix, grain), breakdown.labeller(span)
    columns = [*pieces.groups, "e.kind", "e.status", "e.measure", "e.currency"]
    where = pieces.where(*([f"e.kind = {int(kind)}"] if kind is not None else []))
    sql = (
        f"{pieces.with_clause()}SELECT {', '.join(columns)}, sum(e.event_count), sum(e.amount_minor) "
        f"FROM {pieces.table} e {pieces.joins} WHERE {where} GROUP BY {positions(len(columns))}"
    )
    width = len(pieces.groups)
    found: dict[Key, Tally] = {}
    for row in _read(sql, pieces.params):
        of_kind, status, measure, currency, number, minor = row[width:]
        tally = found.setdefault(label(row[:width]), Tally())
        if measure == Measure.EVENTS:
            tally.add_events(of_kind, status, int(number))
        elif of_kind == Kind.REDEEMED:
            tally.add_amount(measure, status, currency, int(number), int(minor))
    if prefix.unsealed_ids:
        for key, tally in tallies.count_events(breakdown, span, prefix.tail(), kind=kind).items():
            found.setdefault(key, Tally()).add(tally)
    return found


@dataclass
class _Group:
    """The sets of one group by kind and status: packed ones from the rollup, and ids from the tail."""

    packed: dict[tuple[int, int], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[tuple[int, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def count(self) -> dict[str, int]:
        """Distinct members by metric key."""
        sets = {key: unite_members(parts) for key, parts in self.packed.items()}
        for key, ids in self.ids.items():
            sets[key] = sets.get(key, BitMap()) | BitMap(ids)
        counts = {"members_any": len(BitMap.union(BitMap(), *sets.values()))}
        for name, kinds in MEMBER_KINDS.items():
            chosen = [sets[kind, CONFIRMED] for kind in kinds if (kind, CONFIRMED) in sets]
            counts[name] = len(chosen[0]) if len(chosen) == 1 else len(BitMap.union(BitMap(), *chosen))
        return counts


def count_members(breakdown: Breakdown, span: Span, prefix: Prefix) -> dict[Key, dict[str, int]]:
    """
    Exact distinct members of every group that has any, by metric key.

    Shape: row key to {metric key: members}.
    """
    grain = find_grain(breakdown, prefix, with_members=True)
    if grain is None:
        return tallies.count_members(breakdown, span, prefix)
    pieces, label = breakdown.pieces(span, prefix, grain), breakdown.labeller(span)
    columns = ", ".join([*pieces.groups, "e.kind", "e.status", "e.members"])
    sql = f"{pieces.with_clause()}SELECT {columns} FROM {grain.members} e {pieces.joins} WHERE {pieces.where()}"
    width = len(pieces.groups)
    by_columns: dict[tuple[Any, ...], _Group] = defaultdict(_Group)
    for row in _read(sql, pieces.params):
        by_columns[row[:width]].packed[row[width], row[width + 1]].append(bytes(row[-1]))
    groups = {label(columns): group for columns, group in by_columns.items()}
    if prefix.unsealed_ids:
        for key, kind, status, member_id in tallies.list_members(breakdown, span, prefix.tail()):
            groups.setdefault(key, _Group()).ids[kind, status].append(member_id)
    return {key: group.count() for key, group in groups.items()}


def count_sizes(breakdown: Breakdown, span: Span, prefix: Prefix, *, enough: int) -> Mapping[Key, int]:
    """
    Distinct members with any event, of every group that has any; where all groups have `enough`, at least so many.

    Shape: row key to members.
    """
    grain = find_grain(breakdown, prefix, with_members=True)
    if grain is None:
        return tallies.count_sizes(breakdown, span, prefix)
    pieces, label = breakdown.pieces(span, prefix, grain), breakdown.labeller(span)
    width = len(pieces.groups)
    columns = ", ".join([*pieces.groups, "max(e.member_count)"])
    sql = f"{pieces.with_clause()}SELECT {columns} FROM {grain.members} e {pieces.joins} WHERE {pieces.where()}{group_by(width)}"
    # The largest single set is no more than what the group has: mostly enough, and no set needs to be read.
    sizes = {label(row[:width]): int(row[width]) for row in _read(sql, pieces.params) if row[width] is not None}
    if prefix.unsealed_ids:
        for key, size in tallies.count_sizes(breakdown, span, prefix.tail()).items():
            sizes[key] = max(size, sizes.get(key, 0))
    if all(size >= enough for size in sizes.values()):
        return sizes
    return {key: counted["members_any"] for key, counted in count_members(breakdown, span, prefix).items()}


def _read(sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
