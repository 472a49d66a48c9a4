"""Replacements on the page of a partner: its own, and those in which it takes the place."""

from typing import Any

from django.http import HttpRequest

from plum_site.lib.clock import now
from plum_site.lib.panels import panel
from plum_site.lib.periods import local_date
from reviews.pages.replacements import make_replacements
from reviews.selectors.replacements import list_replacements_about

SHOWN = 5


@panel("partners.Partner", title="Replacements", template="reviews/replacements_panel.html", operation="review.read")
def fill_replacements_of_partner(request: HttpRequest, row: Any) -> dict[str, Any] | None:
    """What replaces a partner and where it takes a place, the newest first; nothing where it never was part of one."""
    found = list(list_replacements_about(row.pk)[:SHOWN])
    if not found:
        return None
    return {"table": make_replacements(found, row.pk, local_date(now(), row.program.time_zone))}
