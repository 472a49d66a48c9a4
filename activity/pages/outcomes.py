"""What became of everything that was sent: by source, token and program day."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.choices import Origin
from activity.forms import OutcomesForm
from activity.selectors.outcomes import COUNTS, DayOutcomes, list_outcomes
from plum_site.lib.admin import page, program_of, show
from plum_site.lib.clock import now
from plum_site.lib.models import ApiToken
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, badge, count, day, link, unbroken

DAYS = 30
MOST_ROWS = 500
FIGURES = (*COUNTS, "warnings")
HEADERS = ["Received", "Accepted", "Duplicate", "Conflict", "Rejected", "Warnings"]


@page("activity/outcomes/", name="activity_outcomes", operation="batch.read", title="Outcomes")
def show_outcomes(request: HttpRequest) -> HttpResponse:
    """Totals of each source, then day by day."""
    program = program_of(request)
    today = local_date(now(), program.time_zone)
    tokens = list(ApiToken.objects.filter(program_id=program.pk).order_by("name", "pk"))
    form = OutcomesForm(
        request.GET or None,
        initial={"first": today - timedelta(days=DAYS - 1), "last": today},
        sources=program.sources.order_by("code").values_list("code", flat=True),
        tokens=tokens,
    )
    rows: list[DayOutcomes] = []
    if not form.is_bound or form.is_valid():
        asked = form.asked()
        rows = list_outcomes(
            program.pk,
            asked["first"],
            asked["last"] + timedelta(days=1),
            token_id=asked["token"],
            source=asked["source"],
        )
    names = {token.pk: token.name for token in tokens}
    return show(
        request,
        "activity/outcomes.html",
        title="Outcomes",
        intro="Every event and message that was sent, by what became of it: accepted, a duplicate, in conflict with what was "
        "sent before, or rejected. Days are program days of recording. What a sandbox token sends is not counted.",
        form=form,
        tables=[make_totals(rows), make_days(rows, names)],
        batches_url=reverse("admin:activity_ingestbatch_changelist"),
    )


def show_figures(row: Any) -> list[SafeString | str]:
    """The counts of a row; what somebody should look at stands out."""
    cells: list[SafeString | str] = [count(getattr(row, name)) for name in ("received", "accepted", "duplicate")]
    for name in ("conflict", "rejected", "warnings"):
        number = getattr(row, name)
        cells.append(badge(count(number), "warn") if number else "0")
    return cells


def make_totals(rows: Sequence[DayOutcomes]) -> Table:
    """The sum of each source."""
    totals: dict[str, DayOutcomes] = {}
    for row in rows:
        before = totals.get(row.source)
        sums = {name: getattr(row, name) + (getattr(before, name) if before else 0) for name in FIGURES}
        totals[row.source] = DayOutcomes(row.day, row.source, None, "", **sums)
    lines = [[source, *show_figures(totals[source])] for source in sorted(totals)]
    return Table("Each source", ["Source", *HEADERS], lines, "Nothing was sent in these days.", frozenset(range(1, 7)))


def make_days(rows: Sequence[DayOutcomes], names: dict[int, str]) -> Table:
    """Day by day, newest first."""
    lines = [[unbroken(day(row.day)), row.source, show_sender(row, names), *show_figures(row)] for row in rows[:MOST_ROWS]]
    note = (
        f"The first {MOST_ROWS} of {count(len(rows))} lines. Choose fewer days, or one source." if len(rows) > MOST_ROWS else ""
    )
    headers = ["Day", "Source", "Sent with", *HEADERS]
    return Table("Day by day, newest first", headers, lines, "Nothing was sent in these days.", frozenset(range(3, 9)), note)


def show_sender(row: DayOutcomes, names: dict[int, str]) -> SafeString | str:
    """The token by name, with a link; else by which door it came."""
    if row.token_id is None:
        return str(Origin(row.origin).label)
    return link(reverse("admin:plum_apitoken_change", args=[row.token_id]), names.get(row.token_id, f"Token {row.token_id}"))
