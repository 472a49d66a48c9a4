"""What figures are broken down and filtered by, as pieces of SQL over `activity_event e`, the same on both engines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import connection

from activity.metrics import METRICS
from activity.models import AttributeSet, EventSource
from offers.models import Offer
from partners.models import Category, Partner, Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import first_instant, month_text, months_between

TIME = ("month", "day")
CATALOG = ("partner", "offer", "offer_type", "category", "country")
FIXED = (*TIME, *CATALOG, "source")
MEMBER_PREFIX = "member."  # `member.country` is the member's; `country` alone is the partner's
RESERVED = {*FIXED, *METRICS, "suppressed"}
EXPRESSIONS = {
    "day": "e.local_date",
    "partner": "o.partner_id",
    "offer": "e.offer_id",
    "offer_type": "o.offer_type",
    "category": "p.category_id",
    "country": "p.country",
    "source": "e.source_id",
}
# Of the versions of a member that had begun when an event happened, the newest: none that began later had begun too.
NOT_SUPERSEDED = (
    "NOT EXISTS (SELECT 1 FROM activity_memberversion w WHERE w.member_id = v.member_id"
    " AND w.valid_from <= e.occurred_at AND (v.valid_from IS NULL OR w.valid_from > v.valid_from))"
)


def attribute_of(program: Program, name: str) -> str | None:
    """The member attribute that a dimension names, or None for one of FIXED. Raises InvalidInput for neither."""
    attribute = name.removeprefix(MEMBER_PREFIX)
    if name in FIXED:
        return None
    if attribute in program.member_attributes and name not in RESERVED:
        return attribute
    known = ", ".join([*FIXED, *(f"{MEMBER_PREFIX}{name}" if name in RESERVED else name for name in program.member_attributes)])
    raise InvalidInput("unknown_dimension", f"{name!r} is nothing that figures can be broken down by. There are: {known}.")


@dataclass(frozen=True)
class Span:
    """Program days `[starts_date, ends_date)`."""

    starts_date: date
    ends_date: date

    def months(self) -> list[date]:
        """The first days of the months that the span touches."""
        return months_between(self.starts_date, self.ends_date - timedelta(days=1))


@dataclass(frozen=True)
class Pieces:
    """Parts of a statement over `activity_event e` that counts by `groups` and keeps what meets `conditions`."""

    ctes: tuple[str, ...]
    joins: str
    groups: tuple[str, ...]
    conditions: tuple[str, ...]
    by_source: str  # of the filter by source; "" where there is none
    inside: str  # of the filter by member attributes; "" where there is none
    is_by_event: bool  # whether groups or filters depend on more of an event than its offer and day
    params: Mapping[str, Any]

    def with_clause(self, *more: str) -> str:
        """The WITH clause, or nothing."""
        ctes = [*self.ctes, *more]
        return f"WITH {', '.join(ctes)} " if ctes else ""

    def where(self, *more: str) -> str:
        """Every condition, joined by AND."""
        return " AND ".join(part for part in [*self.conditions, self.by_source, self.inside, *more] if part)

    def is_of_first(self) -> str:
        """The conditions that depend on the event and not on its offer: what a funnel asks of a pair's first step."""
        return " AND ".join(part for part in [self.by_source, self.inside] if part) or "1 = 1"


@dataclass
class Breakdown:
    """
    The dimensions and filters of one question, resolved against a program.

    by: names in the order of the row keys. where: name to the values that are kept (a list is "any of these").
    """

    program: Program
    by: Sequence[str]
    where: Mapping[str, Sequence[str]]
    attributes: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        doubled = {name for name in self.by if list(self.by).count(name) > 1}
        if doubled:
            raise InvalidInput("doubled_dimension", f"{', '.join(sorted(doubled))} is named twice. Name it once.")
        timed = [name for name in self.where if name in TIME]
        if timed:
            raise InvalidInput("time_filter", f"{timed[0]} is no filter. Choose days with the start and the end of the period.")
        found = {name: attribute_of(self.program, name) for name in [*self.by, *self.where]}
        self.attributes = {name: attribute for name, attribute in found.items() if attribute is not None}

    def is_by_members(self) -> bool:
        """Whether figures are broken down, or filtered, by what members are."""
        return bool(self.attributes)

    def reporting(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are reporting attributes, kept in every event's attribute set."""
        return [name for name in names if self.attributes.get(name) in self.program.reporting_attributes]

    def looked_up(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are other kept attributes, looked up in the member's version of that moment."""
        return [name for name in names if name in self.attributes and name not in self.reporting(names)]

    def groups_in(self, span: Span, params: dict[str, Any]) -> list[str]:
        """One SQL expression a column of the row key; the reporting attributes together are one, after the others."""
        plain = [name for name in self.by if name not in self.reporting(self.by)]
        expressions = [self._expression(name, span, params) for name in plain]
        return [*expressions, "s.cell"] if self.reporting(self.by) else expressions

    def pieces(self, span: Span) -> Pieces:
        """The parts of a statement over the events of a span."""
        names = [*self.by, *self.where]
        ctes, joins, params = [], [], self._span_params(span)
        conditions = [
            "e.program_id = %(program)s",
            "e.occurred_at >= %(low)s AND e.occurred_at < %(high)s",
            "e.local_date >= %(first)s AND e.local_date < %(after)s",
        ]
        if {"partner", "offer_type", "category", "country"} & set(names):
            joins.append("JOIN offers_offer o ON o.id = e.offer_id")
        if {"category", "country"} & set(names):
            joins.append("JOIN partners_partner p ON p.id = o.partner_id")
        by_source = self._catalog_condition("source", params) if "source" in self.where else ""
        for name in self.where:
            if name in CATALOG:
                conditions.append(self._catalog_condition(name, params))
        inside = []
        if self.reporting(names):
            ctes.append(self._sets())
            joins.append("JOIN sets s ON s.id = e.attribute_set_id")
            inside += ["s.inside = 1"] if self.reporting(list(self.where)) else []
        if self.looked_up(names):
            joins.append(
                "LEFT JOIN activity_memberversion v ON v.member_id = e.member_id"
                " AND (v.valid_from IS NULL OR v.valid_from <= e.occurred_at)"
            )
            conditions.append(NOT_SUPERSEDED)
            params |= {f"attribute_{self._number(name)}": self.attributes[name] for name in self.looked_up(names)}
            inside += [
                f"{self._looked_up_text(name)} IN ({_marks(f'keep_{self._number(name)}', self.where[name], params)})"
                for name in self.looked_up(list(self.where))
            ]
        groups = tuple(self.groups_in(span, params))
        is_by_event = bool(self.attributes) or "source" in names
        return Pieces(
            tuple(ctes), " ".join(joins), groups, tuple(conditions), by_source, " AND ".join(inside), is_by_event, params
        )

    def labeller(self, span: Span) -> Callable[[Sequence[Any]], tuple[str, ...]]:
        """A function from the group columns of a result row to the row key, in the order of `by`."""
        plain = [name for name in self.by if name not in self.reporting(self.by)]
        together = self.reporting(self.by)
        looks = {name: self._labels(name, span) for name in plain}
        cells = {number: values for values, number in self._cells().items()}
        order = [(plain.index(name), -1) if name in looks else (-1, together.index(name)) for name in self.by]

        def label(columns: Sequence[Any]) -> tuple[str, ...]:
            values = cells[columns[len(plain)]] if together else ()
            return tuple(
                looks[name](columns[at]) if at >= 0 else values[inner] for name, (at, inner) in zip(self.by, order, strict=True)
            )

        return label

    def _expression(self, name: str, span: Span, params: dict[str, Any]) -> str:
        if name == "month":
            # The place of the month in the span: cheaper than text, and the same on both engines.
            later = span.months()[1:]
            params |= {f"month_{number}": connection.ops.adapt_datefield_value(month) for number, month in enumerate(later)}
            cases = " ".join(f"WHEN e.local_date < %(month_{number})s THEN {number}" for number in range(len(later)))
            return f"CASE {cases} ELSE {len(later)} END" if later else "0"
        return EXPRESSIONS.get(name) or self._looked_up_text(name)

    def _labels(self, name: str, span: Span) -> Callable[[Any], str]:
        """From what the database groups by to what people call it."""
        if name == "month":
            return [month_text(month) for month in span.months()].__getitem__
        rows = {
            "partner": Partner.objects.filter(program=self.program).values_list("id", "external_id"),
            "offer": Offer.objects.filter(program=self.program).values_list("id", "external_id"),
            "category": Category.objects.filter(program=self.program).values_list("id", "code"),
            "source": EventSource.objects.filter(program=self.program).values_list("id", "code"),
        }.get(name)
        return str if rows is None else dict(rows).__getitem__

    def _catalog_condition(self, name: str, params: dict[str, Any]) -> str:
        """A filter by a catalog dimension; the values are outside names, the columns hold row ids."""
        values = list(self.where[name])
        rows = {
            "partner": Partner.objects.filter(program=self.program, external_id__in=values),
            "offer": Offer.objects.filter(program=self.program, external_id__in=values),
            "category": Category.objects.filter(program=self.program, code__in=values),
            "source": EventSource.objects.filter(program=self.program, code__in=values),
        }.get(name)
        if rows is None:
            return f"{EXPRESSIONS[name]} IN ({_marks(name, values, params)})"
        ids = sorted(rows.values_list("id", flat=True))
        return f"{EXPRESSIONS[name]} IN ({', '.join(map(str, ids)) or 'NULL'})"

    def _looked_up_text(self, name: str) -> str:
        """The value of a looked-up attribute, "" where it is not known."""
        return f"coalesce({json_text('v', f'attribute_{self._number(name)}')}, '')"

    def _number(self, name: str) -> int:
        """A number for the name of an attribute: names themselves may hold anything and stay out of SQL."""
        return sorted(self.attributes).index(name)

    def _cells(self) -> dict[tuple[str, ...], int]:
        """A number for each combination of the reporting attributes that rows are broken down by."""
        names = [self.attributes[name] for name in self.reporting(self.by)]
        rows = AttributeSet.objects.filter(program=self.program).values_list("values", flat=True)
        return {
            values: number for number, values in enumerate(sorted({tuple(row.get(name, "") for name in names) for row in rows}))
        }

    def _sets(self) -> str:
        """The program's few attribute sets, each with the number of its combination and whether the filter keeps it."""
        cells = self._cells()
        names = [self.attributes[name] for name in self.reporting(self.by)]
        kept = {self.attributes[name]: set(self.where[name]) for name in self.reporting(list(self.where))}
        rows = [
            (
                pk,
                cells[tuple(row.get(name, "") for name in names)],
                all(row.get(name, "") in values for name, values in kept.items()),
            )
            for pk, row in AttributeSet.objects.filter(program=self.program).order_by("id").values_list("id", "values")
        ]
        values = ", ".join(f"({pk}, {cell}, {int(inside)})" for pk, cell, inside in rows) or "(NULL, 0, 0)"
        # SQLite indexes a common table for a join only where the column has a type, which VALUES alone do not give.
        columns = "CAST(column1 AS bigint) AS id, column2 AS cell, column3 AS inside"
        return f"sets AS MATERIALIZED (SELECT {columns} FROM (VALUES {values}) t)"

    def _span_params(self, span: Span) -> dict[str, Any]:
        ops = connection.ops
        # The stored local day decides; the instants only narrow the search, with room for a change of time-zone rules.
        low = first_instant(span.starts_date, self.program.time_zone) - timedelta(days=1)
        high = first_instant(span.ends_date, self.program.time_zone) + timedelta(days=1)
        return {
            "program": self.program.pk,
            "low": ops.adapt_datetimefield_value(low),
            "high": ops.adapt_datetimefield_value(high),
            "first": ops.adapt_datefield_value(span.starts_date),
            "after": ops.adapt_datefield_value(span.ends_date),
            "earlier": ops.adapt_datetimefield_value(low + timedelta(days=2)),
        }


def json_text(alias: str, parameter: str) -> str:
    """SQL for the text of one key of `alias.values`, the key given as a named parameter."""
    if connection.vendor == "postgresql":
        return f'{alias}."values" ->> %({parameter})s'
    return f'(SELECT j.value FROM json_each({alias}."values") j WHERE j.key = %({parameter})s)'


def _marks(name: str, values: Sequence[str], params: dict[str, Any]) -> str:
    """Named parameters for a list of values."""
    params |= {f"{name}_{number}": value for number, value in enumerate(values)}
    return ", ".join(f"%({name}_{number})s" for number in range(len(values))) or "NULL"
