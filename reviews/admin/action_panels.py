"""Corrective actions on the lists and pages of partners and offers, so that no correction starts from another screen."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from plum_site.lib.admin import allowed, program_of
from plum_site.lib.panels import column, panel
from plum_site.lib.present import NO_DATA, link
from reviews.admin.proposals import propose_url
from reviews.pages.actions import join, make_actions
from reviews.selectors.actions import count_waiting_actions, list_actions_of_offer, list_actions_of_partner

SHOWN = 10


def list_url(**query: Any) -> str:
    """The list of corrective actions with these filters."""
    return f"{reverse('admin:reviews_correctiveaction_changelist')}?{urlencode(query)}"


@panel("partners.Partner", title="Corrective actions", template="reviews/actions_panel.html", operation="review.read")
def fill_actions_of_partner(request: HttpRequest, row: Any) -> dict[str, Any]:
    """What was done for a partner, the newest first, and where the next one is proposed."""
    actions = list(list_actions_of_partner(row.pk)[: SHOWN + 1])
    return {
        "table": make_actions("", actions[:SHOWN], "Nothing was done yet."),
        "all_url": list_url(state="all", partner__id__exact=row.pk) if len(actions) > SHOWN else "",
        "propose_url": propose_url(partner=row.pk) if allowed(request, "action.propose") else "",
    }


@panel("offers.Offer", title="Corrective actions", template="reviews/actions_panel.html", operation="review.read")
def fill_actions_of_offer(request: HttpRequest, row: Any) -> dict[str, Any]:
    """What was done with an offer, the newest first, and where the next one is proposed."""
    actions = list_actions_of_offer(row)[: SHOWN + 1]
    return {
        "table": make_actions("", actions[:SHOWN], "Nothing was done with this offer yet."),
        "all_url": list_url(state="all", partner__id__exact=row.partner_id) if len(actions) > SHOWN else "",
        "propose_url": propose_url(partner=row.partner_id, offers=row.external_id) if allowed(request, "action.propose") else "",
    }


@column("partners.Partner", title="Actions", operation="review.read", place=1)
def show_actions_of_partners(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """How many actions wait, and where one is proposed."""
    numbers = count_waiting_actions(program_of(request).pk, [row.pk for row in rows])
    may_propose = allowed(request, "action.propose")
    return {row.pk: show_cell(numbers.get(row.pk, 0), row.pk, {"partner": row.pk} if may_propose else {}) for row in rows}


@column("offers.Offer", title="Actions", operation="review.read", place=1)
def show_actions_of_offers(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """How many actions wait for the partner, and where one is proposed for the offer."""
    numbers = count_waiting_actions(program_of(request).pk, [row.partner_id for row in rows])
    may_propose = allowed(request, "action.propose")
    return {
        row.pk: show_cell(
            numbers.get(row.partner_id, 0),
            row.partner_id,
            {"partner": row.partner_id, "offers": row.external_id} if may_propose else {},
        )
        for row in rows
    }


def show_cell(waiting: int, partner_id: int, query: dict[str, Any]) -> SafeString:
    """One cell: what waits, and a way to propose."""
    cells = [link(list_url(partner__id__exact=partner_id), f"{waiting} waiting")] if waiting else []
    if query:
        cells.append(link(propose_url(**query), "Propose"))
    return join(cells) if cells else NO_DATA
