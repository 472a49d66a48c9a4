"""Partners beside each other by one rate, over the one metric layer: for the page, its CSV and the API alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from activity.metrics import METRICS
from activity.selectors import PARTS, Summary, refuse_personal, summarise
from activity.selectors.dimensions import MEMBER_PREFIX, RESERVED
from activity.selectors.figures import MEMBERS
from offers.models import Segment
from partners.models import Partner, Program
from plum_site.lib.errors import InvalidInput
from reviews.rules import RATES, Comparison, Placed, Sample, compare_samples, count_places
from reviews.rules.compare import FEWEST_COMPARED

CATEGORY, COUNTRY, SEGMENT = "category", "country", "segment"
PLAIN = (CATEGORY, COUNTRY)  # groups that partners themselves belong to: nothing about members is told
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Row:
    """One partner in one group. placed: None where the group of members behind it is too small to show."""

    partner: str
    name: str
    category: str
    country: str
    placed: Placed | None


@dataclass(frozen=True)
class Group:
    """
    The partners of one category, country, segment or attribute value; of the whole program where nothing is grouped.

    ranked: best first. apart: too little data, by name. suppressed: by name.
    """

    key: str
    label: str
    comparison: Comparison
    ranked: list[Row]
    apart: list[Row]
    suppressed: list[Row]


@dataclass(frozen=True)
class ComparedPartners:
    """The answer to one question, and how fresh it is: `as_of` and `sealed_at` as in a Summary."""

    metric: str
    starts_date: date
    ends_date: date
    by: str
    minimum: int
    as_of: int
    sealed_at: datetime | None
    groups: list[Group]


def compare_partners(
    *,
    program: Program,
    metric: str,
    starts_date: date,
    ends_date: date,
    by: str = "",
    where: Mapping[str, Sequence[str]] | None = None,
    minimum: int = FEWEST_COMPARED,
) -> ComparedPartners:
    """
    The partners of a program by one rate over the program days `[starts_date, ends_date)`.

    by: "", category, country (the partner's), segment, or a reporting attribute of members: each value is a comparison of
    its own. where: as `summarise` takes it, without single members. minimum: fewer observations are too little data.

    Shape: one ComparedPartners; groups by key; partners with any event in the period, and no others.
    Units: rates are ratios rounded to 9 decimals.
    Raises: InvalidInput - unknown_metric, not_recorded, unknown_grouping, invalid_minimum, too_many_rows, and what summarise
    raises.
    Source: docs/rules/compare.md
    """
    refuse_personal(where or {})
    check_metric(program, metric)
    if by and by not in list_groupings(program):
        known = ", ".join(list_groupings(program))
        raise InvalidInput("unknown_grouping", f"Partners cannot be grouped by {by!r}. There are: {known}.")
    if minimum < 1:
        raise InvalidInput("invalid_minimum", "The smallest sample is at least 1 observation.")
    summary = summarise(
        program=program,
        starts_date=starts_date,
        ends_date=ends_date,
        by=["partner", *([] if by in ("", *PLAIN) else [by])],
        where=where,
        leave_out=(*PARTS, MEMBERS),
    )
    if len(summary.rows) > MOST_ROWS:
        raise InvalidInput(
            "too_many_rows", f"{len(summary.rows):,} rows are too many to compare. Group by something coarser, or filter."
        )
    groups = _make_groups(program, metric, by, minimum, summary)
    return ComparedPartners(metric, starts_date, ends_date, by, minimum, summary.as_of, summary.sealed_at, groups)


def check_metric(program: Program, metric: str) -> None:
    """
    Refuse what partners cannot be compared by.

    Shape: nothing.
    Raises: InvalidInput - unknown_metric, not_recorded.
    """
    offered = list_comparable(program)
    if metric not in RATES:
        raise InvalidInput(
            "unknown_metric", f"Partners are compared by a rate, and {metric!r} is none. There are: {', '.join(offered)}."
        )
    if metric not in offered:
        raise InvalidInput(
            "not_recorded",
            f"{program.code} does not record the stages that {metric} needs. There are: {', '.join(offered) or 'none'}.",
        )


def list_comparable(program: Program) -> list[str]:
    """
    The rates that a program's recorded stages allow to compare by.

    Shape: metric keys, in the order of the funnel.
    """
    return [key for key in RATES if METRICS[key].is_recorded(program.recorded_stages)]


def list_groupings(program: Program) -> dict[str, str]:
    """
    What partners can be grouped by.

    Shape: name, as `summarise` has it, to words.
    """
    named = {
        (f"{MEMBER_PREFIX}{name}" if name in RESERVED else name): f"Members' {name.replace('_', ' ')}"
        for name in program.reporting_attributes
    }
    return {CATEGORY: "Category", COUNTRY: "Partner's country", SEGMENT: "Segment of members", **named}


def _make_groups(program: Program, metric: str, by: str, minimum: int, summary: Summary) -> list[Group]:
    """The rows of the metric layer as groups, each compared in itself."""
    known = {partner.external_id: partner for partner in Partner.objects.filter(program=program).select_related("category")}
    hidden: dict[str, list[str]] = {}
    samples: dict[str, list[Sample]] = {}
    for row in summary.rows:
        partner = known[row["partner"]]
        key = {"": "", CATEGORY: partner.category.code, COUNTRY: partner.country}.get(by, row.get(by, ""))
        samples.setdefault(key, [])
        if row["suppressed"]:
            hidden.setdefault(key, []).append(partner.external_id)
        else:
            numerator, denominator = int(row[RATES[metric].numerator]), int(row[RATES[metric].denominator])
            samples[key].append(Sample(partner.external_id, partner.category.code, numerator, denominator))
    names = dict(Segment.objects.filter(program=program).values_list("code", "name")) if by == SEGMENT else {}
    everyone = [sample for members in samples.values() for sample in members]
    is_loss = RATES[metric].is_loss
    groups = []
    for key in sorted(samples):
        comparison = compare_samples(samples[key], is_loss=is_loss, minimum=minimum, everyone=everyone)
        groups.append(
            Group(
                key=key,
                label=names.get(key, key) or ("unknown" if by else ""),
                comparison=comparison,
                ranked=[_row(known[one.sample.partner], one) for one in comparison.ranked],
                apart=sorted((_row(known[one.sample.partner], one) for one in comparison.apart), key=_by_name),
                suppressed=sorted((_row(known[partner], None) for partner in hidden.get(key, ())), key=_by_name),
            )
        )
    return groups


def _row(partner: Partner, placed: Placed | None) -> Row:
    return Row(partner.external_id, partner.name, partner.category.code, partner.country, placed)


def _by_name(row: Row) -> tuple[str, str]:
    return row.name, row.partner


def describe_comparison(compared: ComparedPartners) -> dict[str, Any]:
    """
    A comparison as JSON.

    Shape: {"metric", "is_loss", "from", "to", "by", "minimum", "as_of", "groups": [{"group", "compared", "numerator",
    "denominator", "rate", "rate_low", "rate_high", "dispersion", "places", "partners": [...]}]}; partners that are ranked
    first, then those with too little data, then the suppressed ones.
    """
    return {
        "metric": compared.metric,
        "is_loss": RATES[compared.metric].is_loss,
        "from": compared.starts_date.isoformat(),
        "to": compared.ends_date.isoformat(),
        "by": compared.by,
        "minimum": compared.minimum,
        "as_of": compared.as_of,
        "groups": [_describe_group(group) for group in compared.groups],
    }


def _describe_group(group: Group) -> dict[str, Any]:
    found = group.comparison
    low, high = found.interval or (None, None)
    spread = found.dispersion
    places = count_places(found) if spread else None
    return {
        "group": group.key,
        "compared": len(group.ranked),
        "numerator": found.numerator,
        "denominator": found.denominator,
        "rate": found.rate,
        "rate_low": low,
        "rate_high": high,
        "dispersion": None if spread is None else {name: getattr(spread, name) for name in ("measured", "tolerated", "factor")},
        "places": places,
        "partners": [
            *(_describe_row(row, "ranked") for row in group.ranked),
            *(_describe_row(row, "too_little_data") for row in group.apart),
            *(_describe_row(row, "suppressed") for row in group.suppressed),
        ],
    }


def _describe_row(row: Row, status: str) -> dict[str, Any]:
    one = row.placed
    low, high = (one.interval if one else None) or (None, None)
    shrunken_low, shrunken_high = (one.shrunken_interval if one else None) or (None, None)
    best, worst = (one.ranks if one else None) or (None, None)
    return {
        "partner": row.partner,
        "name": row.name,
        "category": row.category,
        "country": row.country,
        "status": status,
        "numerator": one.sample.numerator if one else None,
        "denominator": one.sample.denominator if one else None,
        "rate": one.rate if one else None,
        "rate_low": low,
        "rate_high": high,
        "shrunken": one.shrunken if one else None,
        "shrunken_low": shrunken_low,
        "shrunken_high": shrunken_high,
        "rank": one.rank if one else None,
        "rank_best": best,
        "rank_worst": worst,
        "place": one.place if one else "",
        "side": one.side if one else "",
    }
