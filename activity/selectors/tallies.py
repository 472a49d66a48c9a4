"""The statements that count: each one pass over the events of a span, for all groups at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import connection, transaction

from activity.choices import Kind, Status
from activity.metrics import Tally, funnel_stages
from activity.selectors.breakdown import Breakdown, Pieces, Span
from activity.selectors.ledger import Prefix

Key = tuple[str, ...]
OK = Status.CONFIRMED.value
STAGES = {kind.label: kind.value for kind in Kind}
WORK_MEM = "64MB"  # for each hash or sort of a statement; larger months spill to disk
SHORT_MARK = 10  # bits
MEMBER_COLUMNS = {
    "members_viewed": "viewed",
    "members_unlocked": "unlocked",
    "members_activated": "activated",
    "members_redeemed": "redeemed",
    "members_reached": "CASE WHEN impression + viewed > 0 THEN 1 ELSE 0 END",
    "members_engaged": "CASE WHEN unlocked + activated + redeemed > 0 THEN 1 ELSE 0 END",
}


@contextmanager
def whole_tables() -> Iterator[None]:
    """
    Tell PostgreSQL that the statements within read whole months, not single rows.

    Its guesses for the steps of a funnel are too low by orders of magnitude, and nested loops over them take hours.
    Settings are put back, whether or not a transaction was open.
    """
    if connection.vendor != "postgresql":
        yield
        return
    wanted = {"enable_nestloop": "off", "work_mem": WORK_MEM, "jit": "off"}
    read = ", ".join(f"current_setting('{name}')" for name in wanted)
    write = ", ".join(f"set_config('{name}', %s, true)" for name in wanted)
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(f"SELECT {read}")
        before = cursor.fetchone()
        cursor.execute(f"SELECT {write}", list(wanted.values()))
        yield
        cursor.execute(f"SELECT {write}", before)


def run(sql: str, params: Mapping[str, Any], prefix: Prefix) -> list[tuple[Any, ...]]:
    """The rows of one statement over a prefix of the ledger."""
    with nullcontext() if prefix.is_tail else whole_tables(), connection.cursor() as cursor:
        cursor.execute(sql, {**params, "cutoff": prefix.number})
        return cursor.fetchall()


def count_events(breakdown: Breakdown, span: Span, prefix: Prefix, *, kind: int | None = None) -> dict[Key, Tally]:
    """Events and amounts of every group that has any; of one kind, where one is named."""
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    columns = [*pieces.groups, "e.kind", "e.status", "e.spend_currency", "e.reward_cost_currency"]
    where = pieces.where(prefix.condition(), *([f"e.kind = {int(kind)}"] if kind is not None else []))
    sql = (
        f"{pieces.with_clause()}SELECT {', '.join(columns)}, count(*), sum(e.spend_minor), sum(e.reward_cost_minor) "
        f"FROM activity_event e {pieces.joins} WHERE {where} GROUP BY {positions(len(columns))}"
    )
    tallies: dict[Key, Tally] = {}
    width = len(pieces.groups)
    for row in run(sql, pieces.params, prefix):
        tally = tallies.setdefault(label(row[:width]), Tally())
        of_kind, status, spend_currency, cost_currency, count, spend, cost = row[width:]
        tally.add_events(of_kind, status, count)
        for measure, currency, minor in ((2, spend_currency, spend), (3, cost_currency, cost)):
            if of_kind == Kind.REDEEMED and currency:
                tally.add_amount(measure, status, currency, count, int(minor))
    return tallies


def count_marked(breakdown: Breakdown, span: Span, prefix: Prefix) -> dict[Key, tuple[Tally, int]]:
    """
    Events of every group that has any, without amounts, each with a mark of its members: a number of which no more bits are
    set than the group has members. Costs a fraction of counting them.
    """
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    columns = [*pieces.groups, "e.kind", "e.status"]
    sql = (
        f"{pieces.with_clause()}SELECT {', '.join(columns)}, count(*), {_mark()} "
        f"FROM activity_event e {pieces.joins} WHERE {pieces.where(prefix.condition())} GROUP BY {positions(len(columns))}"
    )
    found: dict[Key, tuple[Tally, int]] = {}
    width = len(pieces.groups)
    for row in run(sql, pieces.params, prefix):
        key = label(row[:width])
        tally, mark = found.get(key) or (Tally(), 0)
        tally.add_events(row[width], row[width + 1], row[width + 2])
        found[key] = tally, mark | (row[width + 3] or 0)
    return found


def _mark() -> str:
    """One bit of a number for each remainder of the members' row ids: SQLite, which cannot unite bits, gets a short one."""
    if connection.vendor == "postgresql":
        return "bit_or(1::bigint << (e.member_id %% 62)::int)"
    return " + ".join(f"max(e.member_id %% {SHORT_MARK} = {bit}) * {1 << bit}" for bit in range(SHORT_MARK))


def count_members(breakdown: Breakdown, span: Span, prefix: Prefix) -> dict[Key, dict[str, int]]:
    """Exact distinct members of every group that has any, by metric key."""
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    width = len(pieces.groups)
    flags = ", ".join(
        f"max(CASE WHEN e.kind = {kind} AND e.status = {OK} THEN 1 ELSE 0 END) AS {stage}" for stage, kind in STAGES.items()
    )
    inner = (
        f"SELECT {_named(pieces.groups)}e.member_id, {flags} FROM activity_event e {pieces.joins} "
        f"WHERE {pieces.where('e.member_id IS NOT NULL', prefix.condition())} GROUP BY {positions(width + 1)}"
    )
    sums = ", ".join(f"sum({expression})" for expression in MEMBER_COLUMNS.values())
    sql = f"{pieces.with_clause()}SELECT {_names(width)}count(*), {sums} FROM ({inner}) t" + group_by(width)
    keys = ["members_any", *MEMBER_COLUMNS]
    return {
        label(row[:width]): {key: int(value or 0) for key, value in zip(keys, row[width:], strict=True)}
        for row in run(sql, pieces.params, prefix)
    }


def count_sizes(breakdown: Breakdown, span: Span, prefix: Prefix) -> dict[Key, int]:
    """Distinct members with any event, of every group that has any."""
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    where = pieces.where("e.member_id IS NOT NULL", prefix.condition())
    width = len(pieces.groups)
    inner = f"SELECT DISTINCT {_named(pieces.groups)}e.member_id FROM activity_event e {pieces.joins} WHERE {where}"
    sql = f"{pieces.with_clause()}SELECT {_names(width)}count(*) FROM ({inner}) t" + group_by(width)
    # Asked for one number and not by groups, the database says 0 where there is nobody.
    return {label(row[:width]): row[width] for row in run(sql, pieces.params, prefix) if row[width]}


def list_members(breakdown: Breakdown, span: Span, prefix: Prefix) -> list[tuple[Key, int, int, int]]:
    """Which members have an event in each group: row key, kind, status, member."""
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    where = pieces.where("e.member_id IS NOT NULL", prefix.condition())
    width = len(pieces.groups)
    columns = ", ".join([*pieces.groups, "e.kind", "e.status", "e.member_id"])
    sql = f"{pieces.with_clause()}SELECT DISTINCT {columns} FROM activity_event e {pieces.joins} WHERE {where}"
    return [(label(row[:width]), *row[width:]) for row in run(sql, pieces.params, prefix)]


def count_funnel(
    breakdown: Breakdown, span: Span, prefix: Prefix, recorded_stages: Sequence[str]
) -> dict[Key, list[dict[str, Any]]]:
    """
    How far member-offer pairs came in the program's order, by the group of their first step.

    A pair belongs to the span in which its first step lies (the first in the whole prefix); the later steps may lie
    anywhere after it, up to the end of the prefix.
    """
    stages = funnel_stages(breakdown.program.stage_order, recorded_stages)
    if not stages:
        return {}
    pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
    width = len(pieces.groups)
    ctes = [_first_step(pieces, STAGES[stages[0]], prefix)]
    ctes += [_later_step(number, STAGES[stage], width, prefix) for number, stage in enumerate(stages[1:], start=2)]
    counts = [
        f"SELECT {_names(width)}{number}, count(*), count(DISTINCT member_id) FROM step{number}" + group_by(width)
        for number in range(1, len(stages) + 1)
    ]
    funnel: dict[Key, list[dict[str, Any]]] = {}
    for row in run(pieces.with_clause(*ctes) + " UNION ALL ".join(counts), pieces.params, prefix):
        number, pairs, members = row[width:]
        if pairs:
            steps = funnel.setdefault(label(row[:width]), [{"stage": stage, "pairs": 0, "members": 0} for stage in stages])
            steps[number - 1] |= {"pairs": pairs, "members": members}
    return funnel


def _first_step(pieces: Pieces, kind: int, prefix: Prefix) -> str:
    """Pairs whose first event of a kind lies in the span, with when it was and the group that it belongs to."""
    earlier = (
        "SELECT 1 FROM activity_event b WHERE b.member_id = e.member_id AND b.offer_id = e.offer_id "
        f"AND b.program_id = %(program)s AND b.kind = {kind} AND b.status = {OK} "
        f"AND b.occurred_at < e.occurred_at AND b.occurred_at < %(earlier)s AND b.local_date < %(first)s "
        f"AND {prefix.condition('b')}"
    )
    conditions = [
        *pieces.conditions,
        f"e.kind = {kind} AND e.status = {OK} AND e.member_id IS NOT NULL",
        prefix.condition(),
        f"NOT EXISTS ({earlier})",
    ]
    where = " AND ".join(conditions)
    groups = _named(pieces.groups)
    if not pieces.is_by_event:
        # The group follows from offer and day alone: plain minima do, and the planner can tell how many there will be.
        firsts = (
            "SELECT e.member_id, e.offer_id, min(e.occurred_at) AS at, min(e.local_date) AS local_date "
            f"FROM activity_event e {pieces.joins} WHERE {where} GROUP BY e.member_id, e.offer_id"
        )
        return f"step1 AS (SELECT {groups}e.member_id, e.offer_id, e.at FROM ({firsts}) e {pieces.joins})"
    pair = ", ".join(part for part in ["e.member_id", "e.offer_id", pieces.overlapping] if part)
    inner = (
        f"SELECT {groups}e.member_id, e.offer_id, e.occurred_at AS at, row_number() OVER "
        f"(PARTITION BY {pair} ORDER BY e.occurred_at, e.id) AS turn, "
        f"CASE WHEN {pieces.is_of_first()} THEN 1 ELSE 0 END AS kept FROM activity_event e {pieces.joins} WHERE {where}"
    )
    return f"step1 AS (SELECT {_names(len(pieces.groups))}member_id, offer_id, at FROM ({inner}) f WHERE turn = 1 AND kept = 1)"


def _later_step(number: int, kind: int, width: int, prefix: Prefix) -> str:
    """Of the pairs at the step before, those with an event of a kind at or after it, and when the first of these was."""
    carried = "".join(f"t.g{index}, " for index in range(width))
    return (
        f"step{number} AS (SELECT {carried}t.member_id, t.offer_id, min(e.occurred_at) AS at FROM step{number - 1} t "
        f"JOIN activity_event e ON e.member_id = t.member_id AND e.offer_id = t.offer_id AND e.occurred_at >= t.at "
        f"WHERE e.program_id = %(program)s AND e.kind = {kind} AND e.status = {OK} AND e.occurred_at >= %(low)s "
        f"AND {prefix.condition()} GROUP BY {positions(width + 2)})"
    )


def _named(groups: Sequence[str]) -> str:
    return "".join(f"{expression} AS g{index}, " for index, expression in enumerate(groups))


def _names(width: int) -> str:
    return "".join(f"g{index}, " for index in range(width))


def positions(count: int) -> str:
    return ", ".join(str(position) for position in range(1, count + 1))


def group_by(width: int) -> str:
    return f" GROUP BY {positions(width)}" if width else ""
