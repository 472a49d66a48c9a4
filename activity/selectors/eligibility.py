"""
Who could have taken part: members active in a period and in the audience of an offer live in it. An offer that a share of
members try is not live for that: of those who could not see it, nothing could be expected.

Attributes are those in force at the last instant of the period. People are as they are known now; with a cut-off,
members that were first heard of after it was sealed are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product
from typing import Any

from django.db import connection

from activity.selectors.breakdown import COHORT_DATES, Breakdown, Span, json_text, month_sql
from activity.selectors.dimensions import CATALOG, COHORTS, MEMBER, SEGMENT, TIME, attributes_of_rule
from activity.selectors.ledger import Prefix
from activity.selectors.tallies import whole_tables
from offers.models import Audience
from offers.rules import OfferFacts, is_live, matches
from offers.selectors import attributes_asked, list_program_audiences, load_catalog, takes_in
from partners.models import Partner
from plum_site.lib.periods import first_instant

Key = tuple[str, ...]
# Members with each of their versions in one pass: SQLite would not index a join to versions that are numbered first.
VERSIONED = (
    '(SELECT y.id, y.program_id, y.joined_date, y.deactivated_at, y.created_at, x.valid_from, x."values", lead(x.valid_from) '
    "OVER (PARTITION BY y.id ORDER BY x.valid_from NULLS FIRST) AS valid_to FROM activity_member y "
    "LEFT JOIN activity_memberversion x ON x.member_id = y.id WHERE y.program_id = %(program)s) m"
)
EVERYONE = 0  # stands for "no audience" among audience row ids


@dataclass(frozen=True)
class People:
    """So many members with the same attributes and the same days; None is open."""

    joined_date: date | None
    left_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    attributes: Mapping[str, str]
    cohorts: Mapping[str, str]
    count: int

    def are_active(self, ends_date: date, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether they belong to the program in a period, and have these attributes at its end."""
        joined = self.joined_date is None or self.joined_date < ends_date
        stayed = self.left_at is None or self.left_at >= starts_at
        known = self.valid_from is None or self.valid_from < ends_at
        return joined and stayed and known and (self.valid_to is None or self.valid_to >= ends_at)

    def values_of(self, breakdown: Breakdown, name: str) -> list[str]:
        """Their values of one dimension: one, but for segments, of which they may be in any number."""
        if name == SEGMENT:
            return [code for code, segment in breakdown.segments.items() if matches(segment.rule, dict(self.attributes))]
        return [self.cohorts[name] if name in COHORTS else self.attributes[breakdown.attributes[name]]]

    def are_kept(self, breakdown: Breakdown) -> bool:
        """Whether every filter by what members are keeps them."""
        kept = {name: set(values) for name, values in breakdown.where.items() if breakdown.is_of_members(name)}
        return all(values & set(self.values_of(breakdown, name)) for name, values in kept.items())


def count_eligible(breakdown: Breakdown, periods: Mapping[Key, Span], prefix: Prefix) -> dict[Key, int]:
    """
    Eligible members of every group that has any.

    periods: the part of the row key that names the period (empty where rows have none) to its days.
    Shape: row key, in the order of the breakdown's `by`, to members; "" stands for the source, which makes no difference.
    """
    program = breakdown.program
    audiences = {row.pk: row for row in list_program_audiences(program.pk)}
    named = attributes_asked(audiences.values())
    for segment in breakdown.segments.values():
        named |= attributes_of_rule(segment.rule)
    names = sorted({*breakdown.attributes.values(), *(named & set(program.member_attributes))})
    people = _people(breakdown, names, list(periods.values()), prefix)
    people = [group for group in people if group.are_kept(breakdown)]
    of_members = [name for name in breakdown.by if breakdown.is_of_members(name)]
    of_offers = [name for name in breakdown.by if name in CATALOG]
    offers = _catalog(breakdown, of_offers)
    of_offer: dict[int, list[Audience]] = {}
    for row in audiences.values():
        of_offer.setdefault(row.offer_id, []).append(row)
    counts: dict[Key, int] = {}
    for period_key, span in periods.items():
        starts_at = first_instant(span.starts_date, program.time_zone)
        ends_at = first_instant(span.ends_date, program.time_zone)
        present = [group for group in people if group.are_active(span.ends_date, starts_at, ends_at)]
        by_audience: dict[frozenset[int], dict[Key, int]] = {}
        for offer_key, audience_ids in _open_to(offers, of_offer, span).items():
            if audience_ids not in by_audience:
                by_audience[audience_ids] = _members_in(breakdown, present, audience_ids, audiences, of_members)
            for member_key, count in by_audience[audience_ids].items():
                parts = dict(zip([*of_offers, *of_members], [*offer_key, *member_key], strict=True))
                parts |= dict(zip([name for name in breakdown.by if name in TIME], period_key, strict=True))
                key = tuple(parts.get(name, "") for name in breakdown.by)
                counts[key] = counts.get(key, 0) + count
    return counts


def _catalog(breakdown: Breakdown, names: Sequence[str]) -> list[tuple[OfferFacts, Key]]:
    """The offers that every filter by the catalog keeps, each with the group that it is in."""
    program = breakdown.program
    partners = {
        pk: {"partner": external_id, "category": category, "country": country}
        for pk, external_id, category, country in Partner.objects.filter(program=program).values_list(
            "id", "external_id", "category__code", "country"
        )
    }
    kept = {name: set(values) for name, values in breakdown.where.items() if name in CATALOG}
    offers = []
    for facts in load_catalog(program.pk).values():
        labels = {**partners[facts.partner_id], "offer": facts.external_id, "offer_type": facts.offer_type}
        if all(labels[name] in values for name, values in kept.items()):
            offers.append((facts, tuple(labels[name] for name in names)))
    return offers


def _open_to(
    offers: Sequence[tuple[OfferFacts, Key]], of_offer: Mapping[int, Sequence[Audience]], span: Span
) -> dict[Key, frozenset[int]]:
    """For each group of offers: the audiences that were in force on a day on which one of its offers was live."""
    groups: dict[Key, set[int]] = {}
    for facts, key in offers:
        held = groups.get(key)
        if held is not None and EVERYONE in held:
            continue  # an offer open to everyone makes every other audience of its group pointless
        found = _in_force(facts.for_all, of_offer.get(facts.id, ()), span)
        if found:
            groups.setdefault(key, set()).update(found)
    return {key: frozenset({EVERYONE}) if EVERYONE in ids else frozenset(ids) for key, ids in groups.items()}


def _in_force(live: Iterable[tuple[date | None, date | None]], rows: Sequence[Audience], span: Span) -> set[int]:
    """The audiences (or EVERYONE) of one offer in force on any of its live days within the span."""
    ordered = sorted(rows, key=lambda row: row.starts_date or date.min)
    begins: list[tuple[date, int]] = [(row.starts_date or date.min, row.pk) for row in ordered]
    if not begins or begins[0][0] > date.min:
        begins.insert(0, (date.min, EVERYONE))
    found = set()
    for (begin, pk), (end, _next) in zip(begins, [*begins[1:], (date.max, EVERYONE)], strict=True):
        first, after = max(begin, span.starts_date), min(end, span.ends_date)
        if first < after and is_live(live, first, date.fromordinal(after.toordinal() - 1)):
            found.add(pk)
    return found


def _members_in(
    breakdown: Breakdown,
    people: Iterable[People],
    audience_ids: frozenset[int],
    audiences: Mapping[int, Audience],
    names: Sequence[str],
) -> dict[Key, int]:
    counts: dict[Key, int] = {}
    for group in people:
        if EVERYONE in audience_ids or any(takes_in(audiences[pk], dict(group.attributes)) for pk in audience_ids):
            for key in product(*(group.values_of(breakdown, name) for name in names)):
                counts[key] = counts.get(key, 0) + group.count
    return counts


def _people(breakdown: Breakdown, names: Sequence[str], spans: Sequence[Span], prefix: Prefix) -> list[People]:
    """
    The members of a program, counted by attributes, cohorts and the days that matter within the spans.

    A day before the first span, or after the last, makes no difference and becomes None, so that a program of a
    million members is a handful of rows.
    """
    program = breakdown.program
    starts_date, ends_date = min(span.starts_date for span in spans), max(span.ends_date for span in spans)
    ops = connection.ops
    params: dict[str, Any] = {
        "program": program.pk,
        "first": ops.adapt_datefield_value(starts_date),
        "first_at": ops.adapt_datetimefield_value(first_instant(starts_date, program.time_zone)),
        "after_at": ops.adapt_datetimefield_value(first_instant(ends_date, program.time_zone)),
        "sealed_at": ops.adapt_datetimefield_value(prefix.sealed_at) if prefix.sealed_at else None,
        "cutoff": prefix.number,
    }
    params |= {f"name{number}": name for number, name in enumerate(names)}
    columns = [
        "CASE WHEN m.joined_date >= %(first)s THEN m.joined_date END",
        "CASE WHEN m.deactivated_at < %(after_at)s THEN m.deactivated_at END",
    ]
    conditions = ["m.program_id = %(program)s", "(m.deactivated_at IS NULL OR m.deactivated_at >= %(first_at)s)"]
    if prefix.is_cutoff and prefix.sealed_at:
        conditions.append("m.created_at <= %(sealed_at)s")
    source, ctes = (VERSIONED if names else "activity_member m"), ""
    cohorts = [name for name in COHORTS if name in breakdown.by or name in breakdown.where]
    if cohorts:
        columns += [month_sql(COHORT_DATES[name]) for name in cohorts]
    if "first_activation_month" in cohorts:
        ctes = f"WITH {breakdown.activations(prefix)} "
        source += " LEFT JOIN activations f ON f.member_id = m.id"
    if MEMBER in breakdown.where:
        conditions.append(f"m.id IN ({', '.join(map(str, breakdown.member_ids)) or 'NULL'})")
    if names:
        columns += [
            "CASE WHEN m.valid_from >= %(first_at)s THEN m.valid_from END",
            "CASE WHEN m.valid_to < %(after_at)s THEN m.valid_to END",
            *(f"coalesce({json_text('m', f'name{number}')}, '')" for number in range(len(names))),
        ]
        conditions.append("(m.valid_to IS NULL OR m.valid_to >= %(first_at)s)")
        conditions.append("(m.valid_from IS NULL OR m.valid_from < %(after_at)s)")
    positions = ", ".join(str(position) for position in range(1, len(columns) + 1))
    sql = f"{ctes}SELECT {', '.join(columns)}, count(*) FROM {source} WHERE {' AND '.join(conditions)} GROUP BY {positions}"
    with whole_tables(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    return [_people_row(row, cohorts, names) for row in rows]


def _people_row(row: tuple[Any, ...], cohorts: Sequence[str], names: Sequence[str]) -> People:
    joined, left, *rest, count = row
    months, rest = dict(zip(cohorts, rest, strict=False)), rest[len(cohorts) :]
    valid_from, valid_to = rest[:2] if names else (None, None)
    return People(
        joined_date=date.fromisoformat(str(joined)) if joined else None,
        left_at=_instant(left),
        valid_from=_instant(valid_from),
        valid_to=_instant(valid_to),
        attributes=dict(zip(names, rest[2:], strict=False)),
        cohorts=months,
        count=count,
    )


def _instant(value: Any) -> datetime | None:
    """An instant as PostgreSQL gives it, or as SQLite keeps it: UTC text without an offset."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(f"{value}+00:00")
