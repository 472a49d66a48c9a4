"""The order of offers, place by place: look, move, pin, hide, and save it as a revision."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from offers.admin.revisions import compared_in_words, show_changes
from offers.admin.steps import Draft, find_draft, keep_draft, say_step, take_steps
from offers.choices import OrderStep, PresentState
from offers.models import Offer, RankingRevision, Segment
from offers.rules import Order, Step, say_trial
from offers.selectors import (
    compare_revisions,
    find_order,
    find_ranking,
    list_newest_listings,
    list_offers,
    list_ranked_segments,
    list_revisions,
    list_segments,
    present_state,
    trial_now,
)
from offers.services import change_ranking
from partners.models import Program
from plum_site.lib.admin import Button, allowed, page, person_of, program_of, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.periods import local_date
from plum_site.lib.present import Table, badge, count, instant, link

PAGE_SIZE = 50
SHOWN_REVISIONS = 8
# What the list narrows to, and in words.
SHOWING = {"catalog": "seen today", "pinned": "pinned", "hidden": "hidden", "absent": "not seen today", "all": "every offer"}
ORDINARY = "catalog"


@dataclass(frozen=True)
class Line:
    """One offer as the page lists it. place: None where it has none."""

    offer: Offer
    title: str
    place: int | None
    pinned: int | None
    is_hidden: bool
    state: Any


def segment_of(request: HttpRequest, code: str) -> Segment | None:
    """The segment that the address or a form names; None for everyone, 404 for one that there is not."""
    if not code:
        return None
    segment = list_segments(program_of(request).pk).filter(code=code).first()
    if segment is None:
        raise Http404("There is no such segment in this program.")
    return segment


def address_of(segment: Segment | None, **more: Any) -> str:
    """The page of one ranking."""
    query = {"segment": segment.code if segment else "", **more}
    text = urlencode({name: value for name, value in query.items() if value not in ("", None)})
    return reverse("admin:ranking_order") + (f"?{text}" if text else "")


def today_of(program: Program) -> Any:
    """The program day that places are counted on."""
    return local_date(now(), program.time_zone)


@page("ranking/", name="ranking_order", operation="catalog.read", title="Order of the catalog")
def show_order(request: HttpRequest) -> HttpResponse:
    """One ranking with what this person has changed in it and not saved yet."""
    program = program_of(request)
    segment = segment_of(request, request.GET.get("segment", ""))
    segment_id = segment.pk if segment else None
    newest = list_revisions(program.pk, segment_id).first()
    number = newest.number if newest else 0
    draft = find_draft(request, segment_id)
    if draft is not None and draft.base != number:
        return show_conflict(request, segment, newest, draft)
    taken = take_steps(find_order(program.pk, segment_id, today_of(program)), draft.steps if draft else ())
    may_change = allowed(request, "catalog.publish")
    lines, paging, filters = list_lines(request, program, taken.order)
    own = find_ranking(program.pk, segment_id)
    return show(
        request,
        "offers/order.html",
        title="Order of the catalog",
        opts=RankingRevision._meta,
        segment=segment,
        audiences=list_audience_choices(program.pk, segment),
        facts=say_facts(own, segment, taken.order),
        lines=lines,
        page=paging,
        filters=filters,
        showing=SHOWING,
        may_change=may_change,
        last_place=len(taken.order.shown),
        steps=[say_step(step, name) for step, name in named_steps(draft)],
        address=address_of(segment, **filters),
        tables=[make_history(program.pk, segment)],
        buttons=list_buttons(request, segment, own),
    )


def list_buttons(request: HttpRequest, segment: Segment | None, own: RankingRevision | None) -> list[Button]:
    """What leads on from the page."""
    query = urlencode({"segment": segment.code}) if segment else ""
    buttons = [Button("Whose ranking holds", reverse("admin:ranking_priority"))]
    if own is not None:
        buttons.insert(0, Button("Compare revisions", f"{reverse('admin:ranking_compare')}?{query}"))
    if own is not None and segment is not None and allowed(request, "catalog.publish"):
        asks = f"{segment} will have no ranking of its own, and its members see another order. It can be put back. Go on?"
        url = reverse("admin:offers_rankingrevision_end", args=[own.pk])
        buttons.append(Button("Give this ranking up", url, posts=True, asks=asks))
    return buttons


def list_audience_choices(program_id: int, chosen: Segment | None) -> list[tuple[str, str, bool]]:
    """Whose ranking can be looked at: code, words, whether it is this one."""
    own = {segment.pk for segment in list_ranked_segments(program_id)}
    found = [("", "Everyone", chosen is None)]
    for segment in list_segments(program_id):
        words = f"{segment.name}{'' if segment.pk in own else ' (no ranking of its own)'}"
        found.append((segment.code, words, segment == chosen))
    return found


def say_facts(own: RankingRevision | None, segment: Segment | None, order: Order) -> list[tuple[str, Any]]:
    """What is in force, in words."""
    facts: list[tuple[str, Any]] = []
    if own is not None:
        who = names_of([own.made_by])[own.made_by]
        facts.append(("In force", link(url_of(own), f"Revision {own.number}, by {who}")))
        facts.append(("Since", instant(own.made_at)))
        facts.append(("Why", own.comment or "nothing was said"))
    elif segment is not None:
        facts.append(("In force", "No ranking of its own. It begins with everyone's as soon as a change is saved."))
    else:
        facts.append(("In force", "No ranking yet: offers follow their ids."))
    seen, hidden = count(len(order.shown)), count(len(order.hidden))
    counted = f"{seen} seen by this audience today; {len(order.pinned)} pinned and {hidden} hidden by this ranking"
    return [*facts, ("Offers", counted)]


def list_lines(request: HttpRequest, program: Program, order: Order) -> tuple[list[Line], Any, dict[str, str]]:
    """One page of the offers that were asked for, in order; the page; and the filters for other addresses."""
    places = {pk: place for place, pk in enumerate(order.shown, 1)}
    chosen = request.GET.get("show", ORDINARY)
    chosen = chosen if chosen in SHOWING else ORDINARY
    wanted = [pk for pk in order.offers if is_wanted(order, pk, chosen)]
    text = request.GET.get("q", "").strip()[:200]
    if text:
        found = find_offers(program.pk, text)
        wanted = [pk for pk in wanted if pk in found]
    paging = Paginator(wanted, PAGE_SIZE).get_page(request.GET.get("page"))
    ids = list(paging.object_list)
    offers = {offer.pk: offer for offer in list_offers(program.pk).filter(pk__in=ids).annotate(trial_now=trial_now())}
    titles = {row.offer_id: row.title for row in list_newest_listings(program.pk).filter(offer__in=ids)}
    on = today_of(program)
    lines = [
        Line(offers[pk], titles.get(pk, ""), places.get(pk), order.pinned.get(pk), pk in order.hidden, say_state(offers[pk], on))
        for pk in ids
    ]
    return lines, paging, {"q": text, "show": "" if chosen == ORDINARY else chosen}


def is_wanted(order: Order, pk: int, chosen: str) -> bool:
    """Whether an offer is among what the list was narrowed to."""
    if chosen == "pinned":
        return pk in order.pinned
    if chosen == "hidden":
        return pk in order.hidden
    if chosen == "absent":
        return pk in order.absent and pk not in order.hidden
    return chosen == "all" or order.is_shown(pk)


def find_offers(program_id: int, text: str) -> set[int]:
    """Row ids of offers whose id, partner or title has the text in it."""
    titled = list_newest_listings(program_id).filter(title__icontains=text).values("offer_id")
    fits = Q(external_id__icontains=text) | Q(partner__name__icontains=text) | Q(pk__in=titled)
    return set(list_offers(program_id).filter(fits).values_list("pk", flat=True))


def say_state(offer: Any, on: Any) -> Any:
    """A badge where the offer is not live; words where it is on trial. offer: with its part in one as `trial_now`."""
    state = present_state(offer, on)
    if state != PresentState.LIVE:
        return badge(state.label, "idle")
    trial = say_trial(offer.external_id, offer.trial_now) if offer.trial_now else ""
    return format_html('<span class="plum-note">{}</span>', trial) if trial else ""


def named_steps(draft: Draft | None) -> list[tuple[Step, str]]:
    """The steps of a draft, each with the id that its offer has outside."""
    steps = draft.steps if draft else ()
    names = dict(Offer.objects.filter(pk__in={step.offer for step in steps}).values_list("pk", "external_id"))
    return [(step, names.get(step.offer, "an offer")) for step in steps]


def make_history(program_id: int, segment: Segment | None) -> Table:
    """The newest revisions: who, why, and what they changed."""
    revisions = list(list_revisions(program_id, segment.pk if segment else None)[: SHOWN_REVISIONS + 1])
    who = names_of(revision.made_by for revision in revisions)
    rows = []
    for index, revision in enumerate(revisions[:SHOWN_REVISIONS]):
        before = revisions[index + 1] if index + 1 < len(revisions) else None
        rows.append(
            [
                link(url_of(revision), f"Revision {revision.number}"),
                instant(revision.made_at),
                who[revision.made_by],
                revision.comment or "–",
                compared_in_words(compare_revisions(before, revision)) if not revision.is_ended else "Given up",
            ]
        )
    headers = ["Revision", "When", "Who", "Why", "What it changed"]
    whose = urlencode({"segment__id__exact": segment.pk} if segment else {"segment__isnull": "True"})
    more = f"{reverse('admin:offers_rankingrevision_changelist')}?{whose}" if len(revisions) > SHOWN_REVISIONS else ""
    note = "Open one to undo it, to put it back, or to see every offer that it moved."
    return Table("History", headers, rows, "No revision yet.", note=note, more_url=more, more="All revisions")


@page("ranking/step/", name="ranking_step", operation="catalog.publish", method="POST")
def take_one(request: HttpRequest) -> HttpResponse:
    """One more step of the draft, if it can be taken; nothing is saved yet."""
    program = program_of(request)
    segment = segment_of(request, request.POST.get("segment", ""))
    segment_id = segment.pk if segment else None
    if "offer" not in request.POST:
        messages.error(request, "No offer was named. Nothing was changed. Use the buttons beside an offer.")
        return HttpResponseRedirect(address_of(segment))
    offer = list_offers(program.pk).filter(pk=whole(request.POST["offer"]) or 0).first()
    if offer is None:
        raise Http404("There is no such offer in this program.")
    draft = find_draft(request, segment_id) or Draft(number_in_force(program.pk, segment_id), ())
    step = read_step(request, offer.pk)
    refusals = take_steps(find_order(program.pk, segment_id, today_of(program)), (*draft.steps, step)).refusals
    try:
        if refusals[-1][1]:
            raise DomainError("refused", refusals[-1][1])
        keep_draft(request, segment_id, draft.base, (*draft.steps, step))
        messages.info(request, f"{say_step(step, offer.external_id)}. Not saved yet.")
    except DomainError as error:
        messages.error(request, f"{offer.external_id}: {error.detail}")
    filters = {name: request.POST.get(name, "") for name in ("q", "show", "page")}
    return HttpResponseRedirect(f"{address_of(segment, **filters)}#offer-{offer.pk}")


def read_step(request: HttpRequest, offer_id: int) -> Step:
    """What the button of the row says."""
    do, _colon, number = request.POST.get("do", "").partition(":")
    if do in (OrderStep.MOVE, OrderStep.PIN):
        return Step(do, offer_id, whole(request.POST.get("number")))
    return Step(do, offer_id, whole(number))


def whole(text: str | None) -> int | None:
    """A whole number that a row can have, or None."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def number_in_force(program_id: int, segment_id: int | None) -> int:
    """The number of the newest revision; 0 before the first."""
    newest = list_revisions(program_id, segment_id).first()
    return newest.number if newest else 0


@page("ranking/save/", name="ranking_save", operation="catalog.publish", method="POST")
def save_draft(request: HttpRequest) -> HttpResponse:
    """The steps as one revision; if somebody else was faster, the page says what they did and nothing is lost."""
    program = program_of(request)
    segment = segment_of(request, request.POST.get("segment", ""))
    segment_id = segment.pk if segment else None
    draft = find_draft(request, segment_id)
    if draft is None:
        messages.error(request, "There is nothing to save: no change is waiting.")
        return HttpResponseRedirect(address_of(segment))
    try:
        revision = change_ranking(
            program_id=program.pk,
            segment_id=segment_id,
            steps=draft.steps,
            on=today_of(program),
            actor=person_of(request),
            at=now(),
            comment=request.POST.get("comment", "").strip()[:500],
            replaces=draft.base,
        )
        keep_draft(request, segment_id, 0, ())
        messages.success(request, f"Revision {revision.number} is in force for {segment or 'everyone'}.")
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(address_of(segment))


@page("ranking/draft/", name="ranking_draft", operation="catalog.publish", method="POST")
def change_draft(request: HttpRequest) -> HttpResponse:
    """Take back the last step or all of them, or take them again on what is in force now."""
    program = program_of(request)
    segment = segment_of(request, request.POST.get("segment", ""))
    segment_id = segment.pk if segment else None
    draft = find_draft(request, segment_id)
    do = request.POST.get("do", "")
    if draft is None:
        messages.info(request, "No change is waiting.")
    elif do == "rebase":
        taken = take_steps(find_order(program.pk, segment_id, today_of(program)), draft.steps)
        keep_draft(request, segment_id, number_in_force(program.pk, segment_id), taken.fitting)
        fit, lost = len(taken.fitting), len(draft.steps) - len(taken.fitting)
        rest = f", {lost} no longer {'fits' if lost == 1 else 'fit'}" if lost else ""
        messages.info(request, f"{fit} of your changes {'is' if fit == 1 else 'are'} on top of what is in force now{rest}.")
    else:
        kept = draft.steps[:-1] if do == "last" else ()
        keep_draft(request, segment_id, draft.base, kept)
        messages.info(request, f"{len(draft.steps) - len(kept)} unsaved changes were taken back.")
    return HttpResponseRedirect(address_of(segment))


def show_conflict(request: HttpRequest, segment: Segment | None, newest: RankingRevision | None, draft: Draft) -> HttpResponse:
    """Somebody saved after this person began: what they did, and what of the own changes still fits."""
    program = program_of(request)
    segment_id = segment.pk if segment else None
    base = list_revisions(program.pk, segment_id).filter(number=draft.base).first()
    taken = take_steps(find_order(program.pk, segment_id, today_of(program)), draft.steps)
    rows = [
        [say_step(step, name), badge("Still fits", "good") if not refusal else badge("No longer fits", "warn"), refusal]
        for (step, name), (_step, refusal) in zip(named_steps(draft), taken.refusals, strict=True)
    ]
    who = names_of([newest.made_by])[newest.made_by] if newest else "Somebody"
    return show(
        request,
        "offers/order_conflict.html",
        title="Somebody else changed this order",
        opts=RankingRevision._meta,
        segment=segment,
        newest=newest,
        who=who,
        base=draft.base,
        fitting=len(taken.fitting),
        tables=[
            Table("Your changes, not saved", ["Change", "On what is in force now", "Why not"], rows),
            show_changes(program.pk, compare_revisions(base, newest), f"What was changed since revision {draft.base}"),
        ],
        back_url=address_of(segment),
    )
