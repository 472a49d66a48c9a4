"""What two revisions of a ranking differ in, as a table and as a page; and whose ranking holds."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join

from offers.admin.segments import rule_in_words
from offers.choices import OrderChange
from offers.models import RankingRevision, Segment
from offers.selectors import (
    Comparison,
    compare_revisions,
    list_newest_listings,
    list_offers,
    list_ranked_segments,
    list_revisions,
    list_segments,
)
from offers.services import order_segment_rankings
from plum_site.lib.admin import Button, allowed, page, person_of, program_of, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import NO_DATA, Table, badge, count, link

SHOWN_DIFFERENCES = 200
SIGNS = {
    OrderChange.UP: "▲ up",
    OrderChange.DOWN: "▼ down",
    OrderChange.HIDDEN: badge("hidden", "bad"),
    OrderChange.SHOWN: badge("shown again", "good"),
    OrderChange.PINNED: badge("pinned", "info"),
    OrderChange.UNPINNED: badge("unpinned", "idle"),
    OrderChange.NEW: badge("new", "info"),
    OrderChange.GONE: badge("no longer named", "idle"),
}


def compared_in_words(found: Comparison) -> str:
    """What differs, counted."""
    counts = {change: sum(change in one.changes for one in found.differences) for change in OrderChange}
    parts = [f"{count(number)} {change.label.lower()}" for change, number in counts.items() if number]
    return ", ".join(parts) or "nothing"


def show_changes(program_id: int, found: Comparison, title: str) -> Table:
    """Every offer that was changed, with its place before and after."""
    shown = found.differences[:SHOWN_DIFFERENCES]
    ids = [one.offer for one in shown]
    offers = {offer.pk: offer for offer in list_offers(program_id).filter(pk__in=ids)}
    titles = {row.offer_id: row.title for row in list_newest_listings(program_id).filter(offer__in=ids)}
    rows = [
        [
            link(url_of(offers[one.offer]), f"{offers[one.offer]} {titles.get(one.offer, '')}"),
            offers[one.offer].partner.name,
            place(one.before),
            place(one.after),
            format_html_join(" ", "{}", ((SIGNS[change],) for change in one.changes)),
        ]
        for one in shown
        if one.offer in offers
    ]
    note = f"{count(found.made_room)} others have another place only because these were moved." if found.made_room else ""
    if len(shown) < len(found.differences):
        note = f"The first {len(shown)} of {count(len(found.differences))}. {note}".strip()
    headers = ["Offer", "Partner", "Place before", "Place after", "Change"]
    return Table(title, headers, rows, "Nothing: both say the same.", frozenset({2, 3}), note)


def place(number: int | None) -> Any:
    """A place, or that there is none."""
    return NO_DATA if number is None else str(number)


@page("ranking/compare/", name="ranking_compare", operation="catalog.read")
def show_comparison(request: HttpRequest) -> HttpResponse:
    """Two revisions of one ranking beside each other; the one in force against the one before, if nothing else is asked."""
    program = program_of(request)
    code = request.GET.get("segment", "")
    segment = list_segments(program.pk).filter(code=code).first() if code else None
    if code and segment is None:
        raise Http404("There is no such segment in this program.")
    revisions = {row.number: row for row in list_revisions(program.pk, segment.pk if segment else None)}
    newest = max(revisions, default=0)
    after = read_number(request, "after", newest)
    before = read_number(request, "before", max(after - 1, 0))
    for number in (before, after):
        if number and number not in revisions:
            raise Http404(f"This ranking has no revision {number}.")
    found = compare_revisions(revisions.get(before), revisions.get(after))
    title = f"From {say_number(before).lower()} to {say_number(after).lower()}"
    return show(
        request,
        "offers/compare_rankings.html",
        title="Compare revisions",
        opts=RankingRevision._meta,
        segment=segment,
        choices=[(number, say_number(number)) for number in (*sorted(revisions, reverse=True), 0)],
        before=before,
        after=after,
        tables=[show_changes(program.pk, found, title)],
        intro=f"The ranking of {segment or 'everyone'}. Moved are the fewest offers that must have been moved by hand.",
        back_url=f"{reverse('admin:ranking_order')}{'?' + urlencode({'segment': code}) if code else ''}",
        back_label="Order of the catalog",
    )


def say_number(number: int) -> str:
    """A revision in words."""
    return f"Revision {number}" if number else "No ranking yet"


def read_number(request: HttpRequest, name: str, usual: int) -> int:
    """The number of a revision in the address."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else usual


@page("ranking/priority/", name="ranking_priority", operation="catalog.read")
def show_priority(request: HttpRequest) -> HttpResponse:
    """The segments with a ranking of their own, the one whose ranking holds first."""
    segments = list_ranked_segments(program_of(request).pk)
    return show(
        request,
        "offers/ranking_priority.html",
        title="Whose ranking holds",
        opts=RankingRevision._meta,
        intro="A member who is in several of these segments sees the order of the first. What any of them hides, its members do "
        "not see. Members of none see the order for everyone.",
        lines=[(segment, rule_in_words(segment.rule), number) for number, segment in enumerate(segments, 1)],
        may_change=allowed(request, "catalog.publish"),
        buttons=[Button("Order of the catalog", reverse("admin:ranking_order"))],
    )


@page("ranking/priority/save/", name="ranking_save_priority", operation="catalog.publish", method="POST")
def save_priority(request: HttpRequest) -> HttpResponse:
    """One segment to another place of the list."""
    program = program_of(request)
    segments = list_ranked_segments(program.pk)
    if "segment" not in request.POST:
        messages.error(request, "No segment was named. Nothing was changed. Use the button beside a segment.")
        return HttpResponseRedirect(reverse("admin:ranking_priority"))
    found = next((one for one in segments if one.code == request.POST["segment"]), None)
    if found is None:
        raise Http404("There is no such segment with a ranking in this program.")
    text = request.POST.get("place", "")
    try:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= len(segments)):
            raise DomainError("no_such_place", f"Write a place from 1 to {len(segments)}. Nothing was changed.")
        order = [one.pk for one in segments if one != found]
        order.insert(int(text) - 1, found.pk)
        order_segment_rankings(program_id=program.pk, segment_ids=order, actor=person_of(request), at=now())
        messages.success(request, f"{say_place(found, int(text))} It holds from now on.")
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(reverse("admin:ranking_priority"))


def say_place(segment: Segment, number: int) -> str:
    """Where a segment's ranking stands now."""
    return f"The ranking of {segment} is at place {number}."
