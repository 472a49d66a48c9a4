"""Partners beside each other: by one rate, over some days, within a category, a country or a group of members."""

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.metrics import METRICS
from activity.models import AttributeSet
from activity.selectors.recent import find_last_day
from offers.models import Offer, Segment
from partners.models import Category, Partner, Program
from plum_site.lib.admin import Button, allowed, page, program_of, show
from plum_site.lib.clock import now
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import local_date, month_start, month_text, months_between, next_month, parse_month
from plum_site.lib.present import BREAK, NO_DATA, SUPPRESSED, Table, badge, count, link, month, rate, unbroken, words
from plum_site.lib.resources import safe_cell
from reviews.figures import PLACE_NAMES, draw_comparison, show_pair
from reviews.forms import CompareForm
from reviews.models import ReviewCycle, Scorecard
from reviews.rules import RATES, Placed
from reviews.rules.compare import ABOVE, FEWEST_COMPARED, INSIDE
from reviews.rules.standing import FEWEST_PEERS
from reviews.selectors import (
    ComparedPartners,
    compare_partners,
    describe_comparison,
    find_latest_cycle,
    list_comparable,
    list_groupings,
)
from reviews.selectors.compare import Group, Row

MONTHS_OFFERED = 24
MOST_CHARTS = 12  # of the groups with the most volume; the tables have all
FILTERS = ("category", "country", "offer_type", "segment")
COLUMNS = (
    "group partner name category country status numerator denominator rate rate_low rate_high shrunken shrunken_low "
    "shrunken_high rank rank_best rank_worst place side"
).split()
RATE = "redemption_rate"


@page("comparison/", name="compare_partners", operation="metric.read", title="Compare partners")
def show_comparison(request: HttpRequest) -> HttpResponse:
    """The question as a form, and its answer group by group."""
    program = program_of(request)
    form, problem, found = answer(request)
    context: dict[str, Any] = {"form": form, "problem": problem}
    if found is not None:
        links = find_links(request, program, found)
        label = list_groupings(program).get(found.by, "")
        context |= {
            "found": found,
            "metric": METRICS[found.metric],
            "is_loss": RATES[found.metric].is_loss,
            "last": found.ends_date - timedelta(days=1),
            "groups": [make_group(group, found, index, links) for index, group in enumerate(by_volume(found))],
            "overview": make_overview(found, label) if found.by else None,
            "buttons": [Button("Download as CSV", f"{reverse('admin:compare_csv')}?{request.GET.urlencode()}")],
        }
    return show(request, "reviews/compare.html", title="Compare partners", **context)


@page("comparison/csv/", name="compare_csv", operation="metric.read")
def download_comparison(request: HttpRequest) -> HttpResponse:
    """Every row of the answer, nothing rounded."""
    form, problem, found = answer(request)
    if found is None and not request.GET:  # the program records too little: nothing was asked that could be wrong
        return sheet_of(program_of(request).code, {"groups": []})
    if found is None:
        said = [problem] if problem else [f"{name}: {text}" for name, texts in form.errors.items() for text in texts]
        text = "\n".join(["Nothing was downloaded.", *said, ""])
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
    name = f"{found.metric}-{found.starts_date}-{found.ends_date - timedelta(days=1)}"
    return sheet_of(name, describe_comparison(found))


def sheet_of(name: str, described: Mapping[str, Any]) -> HttpResponse:
    """A comparison as a table: one line for every partner of every group."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="comparison-{name}.csv"'}
    )
    writer = csv.writer(response)
    writer.writerow(COLUMNS)
    for group in described["groups"]:
        for row in group["partners"]:
            cells = {"group": group["group"], **row}
            writer.writerow(["" if cells[name] is None else safe_cell(str(cells[name])) for name in COLUMNS])
    return response


def answer(request: HttpRequest) -> tuple[CompareForm, str, ComparedPartners | None]:
    """The form, what is wrong with the question beyond its fields, and the answer where there is one."""
    program = program_of(request)
    offered = list_offered(program)
    usual = usual_month(program)
    rates = [key for key, _label in offered["metric"]]
    initial = {"metric": RATE if RATE in rates else next(iter(rates), ""), "month": usual, "minimum": FEWEST_COMPARED}
    form = CompareForm(request.GET, offered=offered, initial=initial)
    if not rates:
        return form, "This program records too few stages for a rate: there is nothing to compare by.", None
    if not form.is_valid():
        return form, "", None
    given = form.cleaned_data
    first, end = asked_days(given)
    where = {name: (given[name],) for name in FILTERS if given.get(name)}
    if given.get("members"):
        name, _equals, value = given["members"].partition("=")
        where[name] = (value,)
    try:
        found = compare_partners(
            program=program,
            metric=given["metric"],
            starts_date=first,
            ends_date=end,
            by=given.get("by") or "",
            where=where,
            minimum=given["minimum"] or FEWEST_COMPARED,
        )
    except InvalidInput as error:
        return form, error.detail, None
    return form, "", found


def asked_days(given: Mapping[str, Any]) -> tuple[date, date]:
    """The program days `[first, end)` of the form."""
    if given["first"]:
        return given["first"], given["last"] + timedelta(days=1)
    start = parse_month(given["month"])
    return start, next_month(start)


def usual_month(program: Program) -> str:
    """The month of the newest review; before there is one, that of the newest activity, or this one."""
    cycle = find_latest_cycle(program.pk)
    if cycle is not None:
        return month_text(cycle.month_start_date)
    return month_text(find_last_day(program.pk) or local_date(now(), program.time_zone))


def list_offered(program: Program) -> dict[str, list[tuple[str, Any]]]:
    """What the form offers in this program, by field: (value, words)."""
    newest = max(parse_month(usual_month(program)), month_start(local_date(now(), program.time_zone)))
    months = months_between(min(next_month(newest, 1 - MONTHS_OFFERED), parse_month(usual_month(program))), newest)
    countries = Partner.objects.filter(program=program).exclude(country="").order_by("country")
    types = Offer.objects.filter(program=program).exclude(offer_type="").order_by("offer_type")
    groupings = list_groupings(program)
    has_segments = Segment.objects.filter(program=program).order_by("name", "id").values_list("code", "name")
    return {
        "metric": [(key, METRICS[key].label) for key in list_comparable(program)],
        "month": [(month_text(one), month(one)) for one in reversed(months)],
        "by": [(name, label) for name, label in groupings.items() if name != "segment" or has_segments],
        "category": [(row.code, str(row)) for row in Category.objects.filter(program=program).order_by("code")],
        "country": [(code, code) for code in countries.values_list("country", flat=True).distinct()],
        "offer_type": [(one, one.replace("_", " ")) for one in types.values_list("offer_type", flat=True).distinct()],
        "segment": list(has_segments),
        "members": list_member_values(program),
    }


def list_member_values(program: Program) -> list[tuple[str, str]]:
    """Every value of every reporting attribute, as `name=value`."""
    sets = list(AttributeSet.objects.filter(program=program).values_list("values", flat=True))
    found = []
    named = [name for name in list_groupings(program) if name not in ("category", "country", "segment")]
    for name, attribute in zip(named, program.reporting_attributes, strict=True):
        values = sorted({row.get(attribute, "") for row in sets} - {""})
        found += [(f"{name}={value}", f"{attribute.replace('_', ' ').capitalize()}: {value}") for value in values]
    return found


def by_volume(found: ComparedPartners) -> list[Group]:
    """Groups, the one with the most observations first."""
    return sorted(found.groups, key=lambda group: (-group.comparison.denominator, group.key))


def find_links(request: HttpRequest, program: Program, found: ComparedPartners) -> dict[str, tuple[str, str]]:
    """By partner: its page, and its scorecard of the period's last month ("" where there is none, or it may not be read)."""
    pages = dict(Partner.objects.filter(program=program).values_list("external_id", "pk"))
    cards: dict[str, int] = {}
    if allowed(request, "review.read"):
        last = month_start(found.ends_date - timedelta(days=1))
        cycle = ReviewCycle.objects.filter(program=program, month_start_date=last).order_by("-revision").first()
        if cycle is not None:
            cards = dict(Scorecard.objects.filter(cycle=cycle).values_list("partner__external_id", "pk"))
    return {
        partner: (
            reverse("admin:partners_partner_change", args=[pk]),
            reverse("admin:reviews_scorecard_change", args=[cards[partner]]) if partner in cards else "",
        )
        for partner, pk in pages.items()
    }


def make_group(group: Group, found: ComparedPartners, index: int, links: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """One group as the page shows it: the funnel plot, who is ranked, and who is not."""
    is_few = group.comparison.rate is None
    chart = draw_comparison(group, found.metric, index) if not is_few and index < MOST_CHARTS else None
    return {
        "label": group.label if found.by else "",
        "chart": chart,
        "is_few": is_few,
        "fewest": FEWEST_PEERS,
        "table": make_ranked(group, found, links),
        "apart": make_apart(group, found, links),
        "suppressed": len(group.suppressed),
    }


def make_ranked(group: Group, found: ComparedPartners, links: Mapping[str, tuple[str, str]]) -> Table:
    """Who is ranked, the best first."""
    is_loss = RATES[found.metric].is_loss
    rows = []
    for row in group.ranked:
        one = row.placed
        if one is None:
            continue
        rows.append(
            [
                format_html('{}{}<span class="plum-none">{}</span>', one.rank, BREAK, show_ranks(one)),
                show_partner(row, links),
                with_interval(one.shrunken, one.shrunken_interval),
                with_interval(one.rate, one.interval),
                unbroken(f"{count(one.sample.numerator)} of {count(one.sample.denominator)}"),
                show_place(one, is_loss),
                words(filter(None, [row.category, row.country])),
            ]
        )
    headers = ["Rank", "Partner", "Evened out", "Raw rate", "From", "Funnel plot", "Category, country"]
    best = "lowest" if is_loss else "highest"
    return Table(
        "Ranked",
        headers,
        rows,
        f"Nobody has {found.minimum} {METRICS[RATES[found.metric].denominator].label.lower()} or more in these days.",
        frozenset({0, 2, 3, 4}),
        f"The {best} rate first, evened out: drawn towards the category where little was seen. At 95 %, each rank and "
        "each rate lies between the two numbers below it. Ranks whose ranges overlap are not told apart.",
    )


def make_apart(group: Group, found: ComparedPartners, links: Mapping[str, tuple[str, str]]) -> Table | None:
    """Who is not ranked, and why; None where everybody is."""
    rows = [
        [
            show_partner(row, links),
            row.category,
            f"{count(row.placed.sample.numerator)} of {count(row.placed.sample.denominator)}" if row.placed else SUPPRESSED,
            show_pair(row.placed.interval) if row.placed else SUPPRESSED,
            badge("too little data", "idle") if row.placed else badge("suppressed", "idle"),
        ]
        for row in [*group.apart, *group.suppressed]
    ]
    if not rows:
        return None
    note = f"With fewer than {found.minimum} observations a rate is mostly chance: it is between the two numbers at 95 %. "
    if group.suppressed:
        note += "Suppressed: too few members stand behind it, or behind another that it would give away."
    headers = ["Partner", "Category", "From", "The rate is between", "Why"]
    return Table("", headers, rows, "", frozenset({2, 3}), note)


def make_overview(found: ComparedPartners, label: str) -> Table:
    """The groups beside each other."""
    rows = []
    for group in by_volume(found):
        one = group.comparison
        spread = one.dispersion
        rows.append(
            [
                group.label,
                count(len(group.ranked)),
                count(len(group.apart)),
                count(len(group.suppressed)),
                with_interval(one.rate, one.interval) if one.rate is not None else f"fewer than {FEWEST_PEERS} partners",
                NO_DATA if spread is None else f"{count(spread.measured, 1)}{' (limits widened)' if spread.factor > 1 else ''}",
            ]
        )
    headers = [label, "Ranked", "Too little data", "Suppressed", "Rate of all ranked", "Differ, against chance"]
    note = "Each group is compared in itself. A rate over all of a group is given where at least 5 partners contribute to it."
    return Table("The groups", headers, rows, "Nothing happened in these days.", frozenset({1, 2, 3, 4, 5}), note)


def show_partner(row: Row, links: Mapping[str, tuple[str, str]]) -> SafeString:
    """The partner's page, and its scorecard."""
    own, card = links[row.partner]
    if not card:
        return link(own, row.name)
    return format_html('{}{}<a class="plum-note" href="{}">Scorecard</a>', link(own, row.name), BREAK, card)


def show_ranks(one: Placed) -> str:
    """The range of a rank."""
    low, high = one.ranks or (one.rank, one.rank)
    return unbroken(f"{low} – {high}")


def with_interval(value: float | None, interval: tuple[float, float] | None) -> SafeString:
    """A rate, and under it what it lies between."""
    return format_html('{}{}<span class="plum-none">{}</span>', rate(value), BREAK, show_pair(interval))


def show_place(one: Placed, is_loss: bool) -> SafeString:
    """Where a partner lies in the funnel plot, as better or worse."""
    if not one.place:
        return NO_DATA
    if one.place == INSIDE:
        return badge(PLACE_NAMES[INSIDE], "idle")
    is_better = (one.side == ABOVE) != is_loss
    return badge(f"{'Better' if is_better else 'Worse'}: {PLACE_NAMES[one.place].lower()}", "good" if is_better else "bad")
