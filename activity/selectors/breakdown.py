"""One question's dimensions and filters as pieces of SQL over the ledger or a rollup, the same on both engines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django.db import connection

from activity.choices import Kind, Status
from activity.models import AttributeSet, EventSource
from activity.selectors.dimensions import (
    CATALOG,
    COHORTS,
    MEMBER,
    SEGMENT,
    SIGNATURE,
    attribute_of,
    attributes_of_rule,
    check_question,
    find_member_ids,
    find_segments,
)
from activity.selectors.grains import LEDGER, Grain
from activity.selectors.ledger import Prefix
from offers.models import Offer, Segment
from offers.rules import matches
from partners.models import Category, Partner, Program
from plum_site.lib.periods import first_instant, month_text, months_between

# Of the versions of a member that had begun when an event happened, the newest: none that began later had begun too.
VERSIONS = (
    "LEFT JOIN activity_memberversion v ON v.member_id = e.member_id AND (v.valid_from IS NULL OR v.valid_from <= e.occurred_at)"
)
NOT_SUPERSEDED = (
    "NOT EXISTS (SELECT 1 FROM activity_memberversion w WHERE w.member_id = v.member_id"
    " AND w.valid_from <= e.occurred_at AND (v.valid_from IS NULL OR w.valid_from > v.valid_from))"
)
COHORT_JOINS = {
    "join_month": "LEFT JOIN activity_member m ON m.id = e.member_id",
    "first_activation_month": "LEFT JOIN activations f ON f.member_id = e.member_id",
}
MOST_DAYS_NAMED = 100
COHORT_DATES = {"join_month": "m.joined_date", "first_activation_month": "f.first_date"}


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
    """Parts of a statement over a table `e` that counts by `groups` and keeps what meets `conditions`."""

    ctes: tuple[str, ...]
    table: str
    joins: str
    groups: tuple[str, ...]
    conditions: tuple[str, ...]
    by_source: str  # of the filter by source; "" where there is none
    inside: str  # of what depends on the member at that moment; "" where nothing does
    is_by_event: bool  # whether groups or filters depend on more of an event than its offer and day
    overlapping: str  # the group that one event may be in several times, "" where there is none
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
    signed: for suppression, the segments whose combinations the dimension SIGNATURE tells apart.
    """

    program: Program
    by: Sequence[str]
    where: Mapping[str, Sequence[str]]
    signed: Mapping[str, Segment] = field(default_factory=dict)
    attributes: dict[str, str] = field(init=False)
    segments: dict[str, Segment] = field(init=False)
    member_ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        check_question(self.by, self.where)
        names = [name for name in [*self.by, *self.where] if name != SIGNATURE or not self.signed]
        found = {name: attribute_of(self.program, name) for name in names}
        self.attributes = {name: attribute for name, attribute in found.items() if attribute is not None}
        self.segments = find_segments(self.program, is_broken_down=SEGMENT in self.by, codes=list(self.where.get(SEGMENT, ())))
        self.member_ids = find_member_ids(self.program, self.where.get(MEMBER, ()))

    def again(
        self, by: Sequence[str], where: Mapping[str, Sequence[str]], signed: Mapping[str, Segment] | None = None
    ) -> "Breakdown":
        """Another question about the same program, with what was read for this one."""
        other = Breakdown(self.program, by, where, signed or {})
        if "_all_sets" in self.__dict__:
            other.__dict__["_all_sets"] = self.__dict__["_all_sets"]
        return other

    def is_of_members(self, name: str) -> bool:
        """Whether a dimension is about what members are."""
        return name in self.attributes or name in (SEGMENT, SIGNATURE, *COHORTS)

    def is_by_members(self) -> bool:
        """Whether figures are broken down, or filtered, by what members are."""
        return any(self.is_of_members(name) for name in [*self.by, *self.where])

    def is_about_people(self) -> bool:
        """Whether figures are those of some members only, or broken down by what they are."""
        return self.is_by_members() or MEMBER in self.where

    def is_protected(self) -> bool:
        """Whether groups of members that are too small are hidden; not from those who may read the one member's timeline."""
        return self.is_by_members() and MEMBER not in self.where and self.program.minimum_group > 1

    def reporting(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are reporting attributes, kept in every event's attribute set."""
        return [name for name in names if self.attributes.get(name) in self.program.reporting_attributes]

    def looked_up(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are other kept attributes, looked up in the member's version of that moment."""
        return [name for name in names if name in self.attributes and name not in self.reporting(names)]

    def is_in_sets(self, segment: Segment) -> bool:
        """Whether attribute sets alone say who is in a segment."""
        return attributes_of_rule(segment.rule) <= set(self.program.reporting_attributes)

    def needs(self) -> frozenset[str]:
        """What cells must tell apart to answer: names of dimensions, and "sets" for what follows from attribute sets."""
        names = {*self.by, *self.where}
        plain = names - set(self.attributes) - {SEGMENT, SIGNATURE}
        asked = [*self.segments.values(), *self.signed.values()]
        is_in_sets = not self.looked_up(sorted(names)) and all(self.is_in_sets(segment) for segment in asked)
        if names - plain:
            plain.add("sets" if is_in_sets else "versions")
        return frozenset(plain)

    def pieces(self, span: Span, prefix: Prefix, grain: Grain = LEDGER) -> Pieces:
        """The parts of a statement over the events or the cells of a span."""
        names = [*self.by, *self.where]
        params = self._span_params(span)
        ctes, conditions = [], ["e.program_id = %(program)s", *self._days(span, grain)]
        joins = [join for needed_by, join in grain.joins if needed_by & set(names)]
        by_source = self._catalog_condition("source", grain, params) if "source" in self.where else ""
        conditions += [self._catalog_condition(name, grain, params) for name in self.where if name in CATALOG]
        inside = []
        if self.reporting(self.by):
            ctes.append(self._sets())
            joins.append("JOIN sets s ON s.id = e.attribute_set_id")
        if self.reporting(list(self.where)):
            inside.append(self._kept_sets())
        asked = [*self.segments.values(), *self.signed.values()]
        if self.looked_up(names) or not all(self.is_in_sets(segment) for segment in asked):
            joins.append(VERSIONS)
            conditions.append(NOT_SUPERSEDED)
            params |= {f"attribute_{self._number(name)}": self.attributes[name] for name in self.looked_up(names)}
            inside += [
                f"{self._looked_up_text(name)} IN ({_marks(f'keep_{self._number(name)}', self.where[name], params)})"
                for name in self.looked_up(list(self.where))
            ]
        for cohort in COHORTS:
            if cohort in names:
                joins.append(COHORT_JOINS[cohort])
                ctes += [self.activations(prefix)] if cohort == "first_activation_month" else []
        conditions += [
            f"{_cohort_text(name)} IN ({_marks(name, self.where[name], params)})" for name in COHORTS if name in self.where
        ]
        if MEMBER in self.where:
            conditions.append(f"e.member_id IN ({_ids(self.member_ids)})")
        inside += self._segment_conditions(joins, params)
        groups = tuple(self._groups_in(span, grain, params))
        return Pieces(
            ctes=tuple(ctes),
            table=grain.table,
            joins=" ".join(joins),
            groups=groups,
            conditions=tuple(conditions),
            by_source=by_source,
            inside=" AND ".join(inside),
            is_by_event=self.is_about_people() or "source" in names,
            overlapping="g.n" if SEGMENT in self.by else "",
            params=params,
        )

    def labeller(self, span: Span) -> Callable[[Sequence[Any]], tuple[str, ...]]:
        """A function from the group columns of a result row to the row key, in the order of `by`."""
        plain = [name for name in self.by if name not in self.reporting(self.by)]
        together = self.reporting(self.by)
        looks = {name: self._labels(name, span) for name in plain}
        cells = {number: values for values, number in self._cells().items()} if together else {}
        order = [(plain.index(name), -1) if name in looks else (-1, together.index(name)) for name in self.by]

        def label(columns: Sequence[Any]) -> tuple[str, ...]:
            values = cells[columns[len(plain)]] if together else ()
            return tuple(
                looks[name](columns[at]) if at >= 0 else values[inner] for name, (at, inner) in zip(self.by, order, strict=True)
            )

        return label

    def _groups_in(self, span: Span, grain: Grain, params: dict[str, Any]) -> list[str]:
        """One SQL expression a column of the row key; the reporting attributes together are one, after the others."""
        plain = [name for name in self.by if name not in self.reporting(self.by)]
        expressions = [self._expression(name, span, grain, params) for name in plain]
        return [*expressions, "s.cell"] if self.reporting(self.by) else expressions

    def _expression(self, name: str, span: Span, grain: Grain, params: dict[str, Any]) -> str:
        if name == "month":
            # The place of the month in the span: cheaper than text, and the same on both engines.
            later = span.months()[1:]
            params |= {f"month_{number}": connection.ops.adapt_datefield_value(month) for number, month in enumerate(later)}
            cases = " ".join(f"WHEN e.local_date < %(month_{number})s THEN {number}" for number in range(len(later)))
            return f"CASE {cases} ELSE {len(later)} END" if later else "0"
        if name == SEGMENT:
            return "g.n"
        if name == SIGNATURE:
            fits = [self._fits(f"signed_{number}", segment, params) for number, segment in enumerate(self.signed.values())]
            return " || ".join(f"CASE WHEN {fit} THEN '1' ELSE '0' END" for fit in fits) or "''"
        if name in COHORTS:
            return _cohort_text(name)
        return grain.expressions.get(name) or self._looked_up_text(name)

    def _labels(self, name: str, span: Span) -> Callable[[Any], str]:
        """From what the database groups by to what people call it."""
        if name == "month":
            return [month_text(month) for month in span.months()].__getitem__
        if name == SEGMENT:
            return list(self.segments).__getitem__
        rows = {
            "partner": Partner.objects.filter(program=self.program).values_list("id", "external_id"),
            "offer": Offer.objects.filter(program=self.program).values_list("id", "external_id"),
            "category": Category.objects.filter(program=self.program).values_list("id", "code"),
            "source": EventSource.objects.filter(program=self.program).values_list("id", "code"),
        }.get(name)
        return str if rows is None else dict(rows).__getitem__

    def _catalog_condition(self, name: str, grain: Grain, params: dict[str, Any]) -> str:
        """A filter by a catalog dimension; the values are outside names, the columns hold row ids."""
        values = list(self.where[name])
        rows = {
            "partner": Partner.objects.filter(program=self.program, external_id__in=values),
            "offer": Offer.objects.filter(program=self.program, external_id__in=values),
            "category": Category.objects.filter(program=self.program, code__in=values),
            "source": EventSource.objects.filter(program=self.program, code__in=values),
        }.get(name)
        expression = grain.expressions[name]
        if rows is None:
            return f"{expression} IN ({_marks(name, values, params)})"
        return f"{expression} IN ({_ids(sorted(rows.values_list('id', flat=True)))})"

    def _segment_conditions(self, joins: list[str], params: dict[str, Any]) -> list[str]:
        """The filter by segments, and the join that counts an event once in every segment that it fits."""
        fits = {code: self._fits(f"segment_{number}", row, params) for number, (code, row) in enumerate(self.segments.items())}
        conditions = []
        if SEGMENT in self.where:
            conditions.append(f"({' OR '.join(fits[code] for code in sorted({*self.where[SEGMENT]})) or '1 = 0'})")
        if SEGMENT in self.by:
            numbers = ", ".join(f"({number})" for number in range(len(fits) or 1))
            joins.append(f"CROSS JOIN (SELECT column1 AS n FROM (VALUES {numbers}) t) g")
            cases = " ".join(f"WHEN g.n = {number} AND {fit} THEN 1" for number, fit in enumerate(fits.values()))
            conditions.append(f"CASE {cases} ELSE 0 END = 1" if cases else "1 = 0")
        return conditions

    def _fits(self, mark: str, segment: Segment, params: dict[str, Any]) -> str:
        """The condition that the member of an event was in a segment at that moment."""
        if self.is_in_sets(segment):
            return f"e.attribute_set_id IN ({_ids([pk for pk, values in self._all_sets if matches(segment.rule, values)])})"
        parts = []
        for number, condition in enumerate(segment.rule):
            params[f"{mark}_{number}"] = condition["attribute"]
            text = f"coalesce({json_text('v', f'{mark}_{number}')}, '')"
            values = _marks(f"{mark}_{number}_is", condition["values"], params)
            parts.append(f"{text} {'IN' if condition['operator'] == 'is' else 'NOT IN'} ({values})")
        return f"({' AND '.join(parts)})"

    def activations(self, prefix: Prefix) -> str:
        """When each member of the program first activated anything, in the part of the ledger that counts."""
        return (
            "activations AS MATERIALIZED (SELECT a.member_id, min(a.local_date) AS first_date FROM activity_event a "
            f"WHERE a.program_id = %(program)s AND a.kind = {Kind.ACTIVATED.value} AND a.status = {Status.CONFIRMED.value} "
            f"AND a.member_id IS NOT NULL AND {prefix.condition('a')} GROUP BY a.member_id)"
        )

    def _looked_up_text(self, name: str) -> str:
        """The value of a looked-up attribute, "" where it is not known."""
        return f"coalesce({json_text('v', f'attribute_{self._number(name)}')}, '')"

    def _number(self, name: str) -> int:
        """A number for the name of an attribute: names themselves may hold anything and stay out of SQL."""
        return sorted(self.attributes).index(name)

    @cached_property
    def _all_sets(self) -> list[tuple[int, dict[str, str]]]:
        """The program's few attribute sets."""
        return list(AttributeSet.objects.filter(program=self.program).order_by("id").values_list("id", "values"))

    def _cells(self) -> dict[tuple[str, ...], int]:
        """A number for each combination of the reporting attributes that rows are broken down by."""
        names = [self.attributes[name] for name in self.reporting(self.by)]
        found = {tuple(values.get(name, "") for name in names) for _pk, values in self._all_sets}
        return {values: number for number, values in enumerate(sorted(found))}

    def _sets(self) -> str:
        """The attribute sets, each with the number of its combination."""
        cells = self._cells()
        names = [self.attributes[name] for name in self.reporting(self.by)]
        rows = [(pk, cells[tuple(values.get(name, "") for name in names)]) for pk, values in self._all_sets]
        values = ", ".join(f"({pk}, {cell})" for pk, cell in rows) or "(NULL, 0)"
        # SQLite indexes a common table for a join only where the column has a type, which VALUES alone do not give.
        return f"sets AS MATERIALIZED (SELECT CAST(column1 AS bigint) AS id, column2 AS cell FROM (VALUES {values}) t)"

    def _kept_sets(self) -> str:
        """The filter by reporting attributes: an index on attribute sets can use it."""
        kept = {self.attributes[name]: set(self.where[name]) for name in self.reporting(list(self.where))}
        ids = [pk for pk, values in self._all_sets if all(values.get(name, "") in wanted for name, wanted in kept.items())]
        return f"e.attribute_set_id IN ({_ids(ids)})"

    def _days(self, span: Span, grain: Grain) -> list[str]:
        """The days of a span. Few of them are named, so that an index finds the cells of a filter day by day."""
        if grain.is_ledger:
            return [
                "e.occurred_at >= %(low)s AND e.occurred_at < %(high)s",
                "e.local_date >= %(first)s AND e.local_date < %(after)s",
            ]
        count = (span.ends_date - span.starts_date).days
        if count > MOST_DAYS_NAMED or not set(self.where) & {*CATALOG}:
            return ["e.local_date >= %(first)s AND e.local_date < %(after)s"]
        days = ", ".join(f"'{span.starts_date + timedelta(days=number)}'" for number in range(count))
        return [f"e.local_date IN ({days})"]

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


def month_sql(expression: str) -> str:
    """SQL for the month of a day as YYYY-MM, "" where there is no day."""
    text = f"to_char({expression}, 'YYYY-MM')" if connection.vendor == "postgresql" else f"substr({expression}, 1, 7)"
    return f"coalesce({text}, '')"


def _cohort_text(name: str) -> str:
    return month_sql(COHORT_DATES[name])


def _marks(name: str, values: Sequence[str], params: dict[str, Any]) -> str:
    """Named parameters for a list of values."""
    params |= {f"{name}_{number}": value for number, value in enumerate(values)}
    return ", ".join(f"%({name}_{number})s" for number in range(len(values))) or "NULL"


def _ids(numbers: Sequence[int]) -> str:
    """Row ids for an IN; NULL, which nothing equals, where there are none."""
    return ", ".join(map(str, numbers)) or "NULL"
