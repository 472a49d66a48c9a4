"""What activity adds to lists and pages of partners and offers: the last 30 days, and the 30 days before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from activity.choices import Kind
from activity.figures import show_metric
from activity.metrics import METRICS, Tally, Unit, measure, shown_rates
from activity.selectors.recent import count_recent_days, find_last_day, recent_days, tally_recent
from plum_site.lib.admin import program_of
from plum_site.lib.clock import now
from plum_site.lib.panels import column, panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, NO_DATA, Table, amounts, change, count, day, rate, spark

VOLUMES = ("views", "unlocks", "activations", "redemptions")
SHOWN = (*VOLUMES, "spend", "reversals", "failures")
# The trend is drawn of the furthest stage that the program records.
FURTHEST = (
    ("redemptions", Kind.REDEEMED),
    ("activations", Kind.ACTIVATED),
    ("unlocks", Kind.UNLOCKED),
    ("views", Kind.VIEWED),
    ("impressions", Kind.IMPRESSION),
)


@dataclass(frozen=True)
class Recent:
    """Figures of the rows of one page over `[first, end)` and over as many days before; trend: of `trend_of`, day by day."""

    first: date
    end: date
    figures: Mapping[int, Mapping[str, Any]]
    before: Mapping[int, Mapping[str, Any]]
    trend_of: str
    trend: Mapping[int, Mapping[date, int]]

    @property
    def days(self) -> list[date]:
        """Every day of the newer period."""
        return [self.first + timedelta(days=offset) for offset in range((self.end - self.first).days)]


def read_recent(request: HttpRequest, grain: str, rows: Sequence[Any]) -> Recent:
    """The recent figures of one page of rows, read once a request."""
    ids = [row.pk for row in rows]
    known = getattr(request, "recent_figures", None)
    if known is not None and known[0] == (grain, ids):
        found: Recent = known[1]
        return found
    program = program_of(request)
    stages = program.recorded_stages
    first, end = recent_days(local_date(now(), program.time_zone), find_last_day(program.pk))
    tallies = tally_recent(program.pk, grain, first, end, ids)
    older = tally_recent(program.pk, grain, first - (end - first), first, ids)
    trend_of, kind = next((pair for pair in FURTHEST if METRICS[pair[0]].is_recorded(stages)), FURTHEST[0])
    found = Recent(
        first=first,
        end=end,
        figures={pk: measure(tallies.get(pk, Tally()), stages) for pk in ids},
        before={pk: measure(older.get(pk, Tally()), stages) for pk in ids},
        trend_of=trend_of,
        trend=count_recent_days(program.pk, grain, kind, first, end, ids),
    )
    request.recent_figures = ((grain, ids), found)  # type: ignore[attr-defined]
    return found


def draw_spark(found: Recent, pk: int) -> SafeString:
    """The trend of one row, with what it is in words."""
    counted = found.trend.get(pk, {})
    values = [counted.get(one, 0) for one in found.days]
    label = METRICS[found.trend_of].label
    return spark(values, f"{label} by day: {count(sum(values))}, at most {count(max(values, default=0))} on one day")


def volume_cells(request: HttpRequest, grain: str, rows: Sequence[Any]) -> dict[Any, Any]:
    """How often each stage happened, against the days before; spend; the trend."""
    program, found = program_of(request), read_recent(request, grain, rows)
    keys = [key for key in VOLUMES if METRICS[key].is_recorded(program.recorded_stages)]
    cells = {}
    for row in rows:
        figures, before = found.figures[row.pk], found.before[row.pk]
        lines: list[Any] = [draw_spark(found, row.pk)]
        for key in keys:
            moved = change(figures[key], before[key]) if before[key] else ""
            lines.append(format_html('<span class="plum-line">{} {} {}</span>', count(figures[key]), key, moved))
        if figures["spend"]:
            lines.append(amounts(figures["spend"], program.currency))
        cells[row.pk] = format_html("{}{}", lines[0], format_html_join(BREAK, "{}", ((line,) for line in lines[1:])))
    return cells


def rate_cells(request: HttpRequest, grain: str, rows: Sequence[Any]) -> dict[Any, Any]:
    """The rates that fit the program, each with that of the days before."""
    program, found = program_of(request), read_recent(request, grain, rows)
    keys = [key for key in shown_rates(program.stage_order) if METRICS[key].is_recorded(program.recorded_stages)]
    cells = {}
    for row in rows:
        figures, before = found.figures[row.pk], found.before[row.pk]
        lines = [
            format_html(
                '<span class="plum-line">{} {} <span class="plum-none">({})</span></span>',
                METRICS[key].label.removesuffix(" rate"),
                rate(figures[key]),
                rate(before[key]),
            )
            for key in keys
            if figures[key] is not None or before[key] is not None
        ]
        cells[row.pk] = format_html_join(BREAK, "{}", ((line,) for line in lines)) or NO_DATA
    return cells


@column("partners.Partner", title="Last 30 days", operation="metric.read")
def show_recent_partners(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The volumes of partners."""
    return volume_cells(request, "partner", rows)


@column("partners.Partner", title="Rates (before)", operation="metric.read")
def show_partner_rates(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The rates of partners."""
    return rate_cells(request, "partner", rows)


@column("offers.Offer", title="Last 30 days", operation="metric.read")
def show_recent_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The volumes of offers."""
    return volume_cells(request, "offer", rows)


@column("offers.Offer", title="Rates (before)", operation="metric.read")
def show_offer_rates(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The rates of offers."""
    return rate_cells(request, "offer", rows)


def recent_panel(request: HttpRequest, grain: str, row: Any) -> dict[str, Any]:
    """Recent figures of one row beside those of the days before, and the trend."""
    program, found = program_of(request), read_recent(request, grain, [row])
    figures, before, stages = found.figures[row.pk], found.before[row.pk], program.recorded_stages
    keys = [*SHOWN, *shown_rates(program.stage_order)]
    rows = [
        [
            METRICS[key].label,
            show_metric(key, figures, stages),
            show_metric(key, before, stages),
            change(figures[key], before[key]) if METRICS[key].unit is Unit.COUNT else "",
            METRICS[key].formula,
        ]
        for key in keys
    ]
    note = (
        f"{day(found.first)} up to, not including, {day(found.end)}, against as many days before; days of {program.time_zone}; "
        "everything recorded so far."
    )
    headers = ["Figure", "Last 30 days", "30 days before", "Change", "What it is"]
    label = f"{METRICS[found.trend_of].label} by day"
    return {
        "spark": draw_spark(found, row.pk),
        "spark_of": label,
        "table": Table("", headers, rows, numeric=frozenset({1, 2, 3}), note=note),
    }


@panel("partners.Partner", title="Last 30 days", template="activity/recent_panel.html", operation="metric.read")
def fill_partner_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The panel of a partner."""
    return recent_panel(request, "partner", row)


@panel("offers.Offer", title="Last 30 days", template="activity/recent_panel.html", operation="metric.read")
def fill_offer_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The panel of an offer."""
    return recent_panel(request, "offer", row)
