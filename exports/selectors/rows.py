"""Which events an export is about, and the statements that read them: one SELECT that both engines understand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from activity.choices import Kind, Status
from activity.models.ledger import POSITIONS
from activity.selectors.breakdown import Breakdown, Pieces, Span, json_text
from activity.selectors.dimensions import refuse_personal
from activity.selectors.ledger import prefix_of
from exports.rules import Totals, column_names, list_columns
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.money import EXPONENTS

ROWS_A_FILE = 1_000_000  # so that each file opens in a spreadsheet, and may be sent where files are limited
MEMBERS = "plum_export_member"  # the temporary table with what stands in the column `member`
LONGEST_DAYS = 7320
LABELS: dict[str, dict[str, int]] = {
    "kind": {kind.label: kind.value for kind in Kind},
    "status": {status.label: status.value for status in Status},
}


@dataclass(frozen=True)
class Selection:
    """Events of `[starts_date, ends_date)`, in program days, that pass the filters, in batches sealed up to `cutoff`."""

    program: Program
    starts_date: date
    ends_date: date
    filters: Mapping[str, Sequence[str]]
    cutoff: int

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return column_names(list_columns(self.program.reporting_attributes))


@dataclass(frozen=True)
class Part:
    """The rows of one file: event ids `[first_id, after_id)`."""

    first_id: int
    after_id: int


def check_filters(program: Program, filters: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """
    The filters as they are stored: names in alphabetical order, values too.

    Shape: name to values.
    Raises: InvalidInput - empty_filter, unknown_value, and what a question about figures is refused for.
    """
    refuse_personal(filters)
    kept = {name: sorted(set(filters[name])) for name in sorted(filters)}
    for name, values in kept.items():
        if not values:
            raise InvalidInput(
                "empty_filter", f"The filter by {name} keeps nothing. Name a value, or leave it out.", {name: "Empty."}
            )
        known = LABELS.get(name)
        wrong = [value for value in values if known is not None and value not in known]
        if known is not None and wrong:
            sentence = f"{wrong[0]!r} is no {name}. There are: {', '.join(known)}."
            raise InvalidInput("unknown_value", sentence, {name: sentence})
    Breakdown(program, (), {name: values for name, values in kept.items() if name not in LABELS})
    return kept


def make_selection(
    program: Program, starts_date: date, ends_date: date, filters: Mapping[str, Sequence[str]], cutoff: int
) -> Selection:
    """
    A checked selection.

    Shape: one Selection.
    Raises: InvalidInput - empty_period, period_too_long, and those of check_filters.
    """
    if starts_date >= ends_date:
        sentence = f"The period from {starts_date} to {ends_date} has no day. Its end is the day after the last."
        raise InvalidInput("empty_period", sentence, {"to": sentence})
    if (ends_date - starts_date).days > LONGEST_DAYS or starts_date.year < 1990 or ends_date.year > 2190:
        sentence = f"The period from {starts_date} to {ends_date} is too long. Ask for at most 20 years."
        raise InvalidInput("period_too_long", sentence, {"to": sentence})
    return Selection(program, starts_date, ends_date, check_filters(program, filters), cutoff)


def read_totals(selection: Selection) -> tuple[Totals, int | None, int | None]:
    """
    What the selected events add up to, counted by the database, and the ids of the first and the last of them.

    Shape: Totals, and two event ids, None where there is no event.
    """
    pieces = _pieces(selection)
    totals, first, last = Totals(), None, None
    with connection.cursor() as cursor:
        cursor.execute(
            f"{pieces.with_clause()}SELECT e.kind, e.status, e.spend_currency, e.reward_cost_currency, count(*), "
            "sum(e.spend_minor), sum(e.reward_cost_minor), min(e.id), max(e.id) "
            f"FROM activity_event e {pieces.joins} WHERE {pieces.where(*_conditions(selection))} GROUP BY 1, 2, 3, 4",
            dict(pieces.params),
        )
        for kind, status, spend_currency, cost_currency, rows, spend, cost, lowest, highest in cursor.fetchall():
            label = Status(status).label
            totals.count(Kind(kind).label, label, rows)
            if spend_currency is not None:
                totals.add("spend", label, spend_currency, int(spend))
            if cost_currency is not None:
                totals.add("reward_cost", label, cost_currency, int(cost))
            first = lowest if first is None else min(first, lowest)
            last = highest if last is None else max(last, highest)
    return totals, first, last


def read_parts(selection: Selection, rows: int, first_id: int | None, last_id: int | None) -> list[Part]:
    """
    How the rows are spread over files: whole batches, in order, about ROWS_A_FILE in each; at least one file.

    Shape: Parts in order.
    """
    if first_id is None or last_id is None:
        return [Part(0, 0)]
    if rows <= ROWS_A_FILE:
        return [Part(first_id, last_id + 1)]
    pieces = _pieces(selection)
    cuts, held = [first_id], 0
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"{pieces.with_clause()}SELECT e.id / {POSITIONS}, count(*) FROM activity_event e {pieces.joins} "
            f"WHERE {pieces.where(*_conditions(selection))} GROUP BY 1 ORDER BY 1",
            dict(pieces.params),
        )
        for batch, number in _fetch(cursor):
            if held and held + number > ROWS_A_FILE:
                cuts.append(batch * POSITIONS)
                held = 0
            held += number
    return [Part(first, after) for first, after in zip(cuts, [*cuts[1:], last_id + 1], strict=True)]


def rows_statement(selection: Selection, part: Part) -> tuple[str, dict[str, Any]]:
    """
    The SELECT of one file: a column of text (position: integer) for each name; as they were recorded, where that costs nothing.

    The temporary table MEMBERS must be there. Shape: SQL with named parameters, and their values.
    """
    pieces = _pieces(selection)
    attributes = selection.program.reporting_attributes
    params = dict(pieces.params) | {f"column_{number}": name for number, name in enumerate(attributes)}
    params |= {
        "part_first": part.first_id,
        "part_after": part.after_id,
        "first_batch": part.first_id // POSITIONS,
        "last_batch": part.after_id // POSITIONS,
    }
    expressions = {
        "event_id": "e.event_key",
        "source": "x_source.code",
        "occurred_at": _instant("e.occurred_at"),
        "local_date": "CAST(e.local_date AS text)",
        "recorded_at": "x_batch.recorded_at",
        "received_at": _instant("e.received_at"),
        "kind": _labels("e.kind", LABELS["kind"]),
        "status": _labels("e.status", LABELS["status"]),
        "reason_code": "e.reason_code",
        "member": "x_member.token",
        "offer": "x_offer.offer",
        "partner": "x_offer.partner",
        "spend_amount": _amount("e.spend_minor", "e.spend_currency"),
        "spend_currency": "e.spend_currency",
        "reward_cost_amount": _amount("e.reward_cost_minor", "e.reward_cost_currency"),
        "reward_cost_currency": "e.reward_cost_currency",
        "transaction_ref": "e.transaction_ref",
        "reverses": "e.reverses",
        "medium": "e.medium",
        "position": "e.position",
    } | {f"member.{name}": f"x_set.v{number}" for number, name in enumerate(attributes)}
    listed = ", ".join(f'{expressions[name]} AS "c{number}"' for number, name in enumerate(selection.names))
    # Materialised: what is worked out for a batch or an offer is not worked out again for each of its events.
    ctes = [
        "x_batch AS MATERIALIZED (SELECT b.id, " + _instant("b.recorded_at") + " AS recorded_at FROM activity_ingestbatch b "
        "JOIN activity_seal z ON z.batch_id = b.id WHERE z.program_id = %(program)s AND z.number <= %(cutoff)s "
        "AND b.id >= %(first_batch)s AND b.id <= %(last_batch)s)",
        "x_offer AS MATERIALIZED (SELECT o.id, o.external_id AS offer, p.external_id AS partner FROM offers_offer o "
        "JOIN partners_partner p ON p.id = o.partner_id WHERE o.program_id = %(program)s)",
        "x_source AS MATERIALIZED (SELECT s.id, s.code FROM activity_eventsource s WHERE s.program_id = %(program)s)",
    ]
    set_join = ""
    if attributes:
        values = ", ".join(f"nullif({json_text('a', f'column_{number}')}, '') AS v{number}" for number in range(len(attributes)))
        ctes.append(
            f"x_set AS MATERIALIZED (SELECT a.id, {values} FROM activity_attributeset a WHERE a.program_id = %(program)s)"
        )
        set_join = "LEFT JOIN x_set ON x_set.id = e.attribute_set_id "
    # PostgreSQL reads an append-only table as it was written; sorting wide rows would cost several times the reading.
    order = "" if connection.vendor == "postgresql" else " ORDER BY e.id"
    sql = (
        f"{pieces.with_clause(*ctes)}SELECT {listed} FROM activity_event e "
        f"JOIN x_batch ON x_batch.id = e.id / {POSITIONS} JOIN x_offer ON x_offer.id = e.offer_id "
        f"JOIN x_source ON x_source.id = e.source_id LEFT JOIN {MEMBERS} x_member ON x_member.id = e.member_id "
        f"{set_join}{pieces.joins} WHERE {pieces.where(*_labelled(selection))} "
        f"AND e.id >= %(part_first)s AND e.id < %(part_after)s{order}"
    )
    return sql, params


def members_statement(selection: Selection) -> tuple[str, dict[str, Any]]:
    """
    The members that the selected events are of.

    Shape: SQL that gives their row ids, and its parameters.
    """
    pieces = _pieces(selection)
    sql = (
        f"{pieces.with_clause()}SELECT DISTINCT e.member_id FROM activity_event e {pieces.joins} "
        f"WHERE {pieces.where(*_conditions(selection))} AND e.member_id IS NOT NULL"
    )
    return sql, dict(pieces.params)


def _pieces(selection: Selection) -> Pieces:
    where = {name: values for name, values in selection.filters.items() if name not in LABELS}
    breakdown = Breakdown(selection.program, (), where)
    prefix = prefix_of(selection.program.pk, selection.cutoff)
    pieces = breakdown.pieces(Span(selection.starts_date, selection.ends_date), prefix)
    params: dict[str, Any] = {**pieces.params, "cutoff": selection.cutoff}
    return Pieces(**{**vars(pieces), "params": params})


def _labelled(selection: Selection) -> list[str]:
    """The filters by kind and status: codes of our own, no text from outside."""
    return [
        f"e.{name} IN ({', '.join(str(known[value]) for value in selection.filters[name])})"
        for name, known in LABELS.items()
        if name in selection.filters
    ]


def _conditions(selection: Selection) -> list[str]:
    return [*_labelled(selection), prefix_of(selection.program.pk, selection.cutoff).condition()]


def _instant(expression: str) -> str:
    """An instant as ISO 8601 in UTC with microseconds."""
    if connection.vendor == "postgresql":
        return f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    whole = f"CASE WHEN length({expression}) = 19 THEN {expression} || '.000000' ELSE {expression} END"
    return f"replace({whole}, ' ', 'T') || 'Z'"


def _labels(expression: str, known: Mapping[str, int]) -> str:
    cases = " ".join(f"WHEN {value} THEN '{label}'" for label, value in known.items())
    return f"CASE {expression} {cases} END"


def _amount(minor: str, currency: str) -> str:
    """Minor units as a decimal text with the decimals of their currency."""
    cases = []
    for places in sorted({*EXPONENTS.values()} - {2}):
        codes = ", ".join(f"'{code}'" for code, exponent in EXPONENTS.items() if exponent == places)
        cases.append(f"WHEN {currency} IN ({codes}) THEN {_decimal(minor, places)}")
    return f"CASE WHEN {minor} IS NULL THEN NULL {' '.join(cases)} ELSE {_decimal(minor, 2)} END"


def _decimal(minor: str, places: int) -> str:
    """The whole part, the point, and the rest filled up with zeros, which a leading 1 keeps in place."""
    if not places:
        return f"CAST({minor} AS text)"
    unit = 10**places
    return f"CAST({minor} / {unit} AS text) || '.' || substr(CAST({unit} + {minor} %% {unit} AS text), 2)"


def _fetch(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(2000):
        yield from rows
