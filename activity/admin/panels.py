"""What activity adds to lists and pages of partners, offers and tokens: the last 30 days."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from activity.figures import show_metric
from activity.metrics import METRICS, Tally, measure, shown_rates
from activity.pages.outcomes import HEADERS, show_figures
from activity.selectors.outcomes import list_outcomes
from activity.selectors.recent import find_last_day, recent_days, tally_recent
from plum_site.lib.admin import program_of
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.panels import column, panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, Table, amounts, count, day

TOKEN_DAYS = 30
SHOWN = ("views", "unlocks", "activations", "redemptions", "spend", "reversals", "failures")


def read_days(request: HttpRequest) -> tuple[Any, Any]:
    """The recent days, worked out once a request."""
    known = getattr(request, "recent_days", None)
    if known is None:
        program = program_of(request)
        known = recent_days(local_date(now(), program.time_zone), find_last_day(program.pk))
        request.recent_days = known  # type: ignore[attr-defined]
    days: tuple[Any, Any] = known
    return days


def recent_cells(request: HttpRequest, grain: str, rows: Sequence[Any]) -> dict[Any, Any]:
    """Redemptions and spend of the recent days for one page of rows."""
    program = program_of(request)
    tallies = tally_recent(program.pk, grain, *read_days(request), [row.pk for row in rows])
    cells = {}
    for row in rows:
        figures = measure(tallies.get(row.pk, Tally()), program.recorded_stages)
        lines: list[str] = [format_html("{} redeemed", count(figures["redemptions"]))]
        if figures["spend"]:
            lines.append(amounts(figures["spend"], program.currency))
        cells[row.pk] = format_html_join(BREAK, "{}", ((line,) for line in lines))
    return cells


@column("partners.Partner", title="Last 30 days", operation="metric.read")
def show_recent_partners(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The column of partners."""
    return recent_cells(request, "partner", rows)


@column("offers.Offer", title="Last 30 days", operation="metric.read")
def show_recent_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The column of offers."""
    return recent_cells(request, "offer", rows)


def recent_panel(request: HttpRequest, grain: str, row: Any) -> dict[str, Any]:
    """Recent figures of one row as a table."""
    program = program_of(request)
    first, end = read_days(request)
    tally = tally_recent(program.pk, grain, first, end, [row.pk]).get(row.pk, Tally())
    figures = measure(tally, program.recorded_stages)
    keys = [*SHOWN, *shown_rates(program.stage_order)]
    rows = [[METRICS[key].label, show_metric(key, figures, program.recorded_stages), METRICS[key].formula] for key in keys]
    note = f"{day(first)} up to, not including, {day(end)}; days of {program.time_zone}; everything recorded so far."
    return {"table": Table("", ["Figure", "Value", "What it is"], rows, numeric=frozenset({1}), note=note)}


@panel("partners.Partner", title="Last 30 days", template="activity/recent_panel.html", operation="metric.read")
def fill_partner_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The panel of a partner."""
    return recent_panel(request, "partner", row)


@panel("offers.Offer", title="Last 30 days", template="activity/recent_panel.html", operation="metric.read")
def fill_offer_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The panel of an offer."""
    return recent_panel(request, "offer", row)


@panel("plum.ApiToken", title="What became of what it sent", template="activity/recent_panel.html", operation="batch.read")
def fill_token_panel(request: HttpRequest, row: Any) -> dict[str, Any] | None:
    """The panel of a token that may send events: the last 30 program days."""
    if row.is_sandbox:
        table = Table("", [], [], "A sandbox token: what it sends is checked and answered, and never counted.")
        return {"table": table}
    if Scope.EVENTS_WRITE not in row.scopes:
        return None
    program = program_of(request)
    end = local_date(now(), program.time_zone) + timedelta(days=1)
    first = end - timedelta(days=TOKEN_DAYS)
    outcomes = list_outcomes(program.pk, first, end, token_id=row.pk)
    rows = [[day(one.day), one.source, *show_figures(one)] for one in outcomes]
    query = urlencode({"first": first.isoformat(), "last": (end - timedelta(days=1)).isoformat(), "token": row.pk})
    table = Table(
        "",
        ["Day", "Source", *HEADERS],
        rows,
        f"Nothing came in with it in the last {TOKEN_DAYS} days.",
        frozenset(range(2, 8)),
        f"Program days of recording, the last {TOKEN_DAYS}, newest first.",
        f"{reverse('admin:activity_outcomes')}?{query}",
        "Its outcomes for other days",
    )
    return {"table": table}
