"""What activity adds to other pages: of a token what became of what it sent, of an offer what came after it was withdrawn."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from activity.choices import Kind, Status
from activity.pages.outcomes import HEADERS, show_figures
from activity.selectors.late_unlocks import list_withdrawals
from activity.selectors.outcomes import list_outcomes
from activity.selectors.recent import RECENT_DAYS
from plum_site.lib.admin import allowed, program_of
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.panels import panel
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, count, day, instant

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


@panel("offers.Offer", title="Unlocks after it was withdrawn", template="activity/recent_panel.html", operation="metric.read")
def fill_late_panel(request: HttpRequest, row: Any) -> dict[str, Any] | None:
    """The panel of an offer that was withdrawn, itself or by its partner, at some time of the last 30 program days."""
    program = program_of(request)
    end = local_date(now(), program.time_zone) + timedelta(days=1)
    first, last = end - timedelta(days=RECENT_DAYS), end - timedelta(days=1)
    withdrawals = list_withdrawals(program, row, first, end)
    if not withdrawals:
        return None
    rows = [
        [
            instant(one.starts_at) if one.starts_at else "the beginning",
            instant(one.ends_at) if one.ends_at else "now",
            count(one.late_unlocks),
        ]
        for one in withdrawals
    ]
    note = (
        f"Unlocks from {day(first)} to {day(last)} that happened while the offer or its partner was paused or retired. Each was "
        "recorded, and marked after_withdrawal in the answer to whoever sent it: ask them why members still could unlock it."
    )
    if program.refuses_withdrawn_unlocks:
        note += " The program refuses such by now; what is refused is not counted here."
    return {
        "table": Table("", ["From", "Until", "Late unlocks"], rows, "", frozenset({2}), note, *lead_on(request, row, first, last))
    }


def lead_on(request: HttpRequest, offer: Any, first: date, last: date) -> tuple[str, str]:
    """Where all unlocks of these days are listed, and what to call it; nothing for who may not read events."""
    if not allowed(request, "event.read"):
        return "", ""
    query = {"offer": offer.external_id, "kind": Kind.UNLOCKED.value, "status": Status.CONFIRMED.value}
    query |= {"first": first.isoformat(), "last": last.isoformat()}
    return f"{reverse('admin:activity_event_changelist')}?{urlencode(query)}", "All its unlocks of these days"
