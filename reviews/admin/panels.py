"""What the review adds to partners: the last standing and the open flags."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html_join

from plum_site.lib.admin import program_of, url_of
from plum_site.lib.panels import column, panel
from plum_site.lib.present import NO_DATA, Table, badge, link, month
from reviews.models import Scorecard
from reviews.pages import show_decision, show_standing
from reviews.selectors import find_latest_cycle, list_open_flags

LAST_CARDS = 12


@column("partners.Partner", title="Last standing", operation="review.read")
def show_standings(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """The standing in the latest review, leading to its scorecard."""
    cycle = find_latest_cycle(program_of(request).pk)
    if cycle is None:
        return {}
    cards = Scorecard.objects.filter(cycle=cycle, partner__in=rows).only("id", "partner_id", "standing")
    return {card.partner_id: link(url_of(card), show_standing(card.standing)) for card in cards}


@column("partners.Partner", title="Open flags", operation="review.read")
def show_flags(request: HttpRequest, rows: Sequence[Any]) -> dict[Any, Any]:
    """How many flags are open or acknowledged."""
    numbers: dict[int, int] = {}
    open_flags = list_open_flags(program_of(request).pk).filter(partner__in=rows)
    for partner_id in open_flags.values_list("partner_id", flat=True):
        numbers[partner_id] = numbers.get(partner_id, 0) + 1
    return {row.pk: badge(numbers[row.pk], "bad") if row.pk in numbers else "0" for row in rows}


@panel("partners.Partner", title="Reviews", template="reviews/partner_panel.html", operation="review.read")
def fill_partner_panel(request: HttpRequest, row: Any) -> dict[str, Any]:
    """The last scorecards of one partner."""
    cards = (
        Scorecard.objects.filter(partner=row)
        .select_related("cycle", "decision")
        .prefetch_related("flags__rule_version__rule")
        .order_by("-cycle__month_start_date", "-cycle__revision")[:LAST_CARDS]
    )
    rows = [
        [
            link(url_of(card), month(card.cycle.month_start_date)),
            show_standing(card.standing),
            NO_DATA if card.score is None else str(card.score),
            format_html_join(", ", "{}", ((flag.rule_version.rule.name,) for flag in card.flags.all())) or "none",
            show_decision(card),
        ]
        for card in cards
    ]
    headers = ["Month", "Standing", "Score", "Flags", "Decision"]
    return {"table": Table("", headers, rows, "Not reviewed yet.", frozenset({2}))}
