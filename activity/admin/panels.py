"""What activity adds to the page of a token: what became of what it sent."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from activity.pages.outcomes import HEADERS, show_figures
from activity.selectors.outcomes import list_outcomes
from plum_site.lib.admin import program_of
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.panels import panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, day

TOKEN_DAYS = 30


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
