"""Proposing and editing corrective actions: the partner, the kind, then the kind's own form with a look at what changes."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from offers.selectors import list_listings
from partners.models import Partner
from partners.selectors import list_partners
from plum_site.lib.admin import Button, go, page, person_of, program_of, refuse, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import month
from reviews.choices import ActionKind
from reviews.forms import ActionForm, begin_with
from reviews.models import CorrectiveAction, FlagCase, Scorecard
from reviews.pages.actions import KIND_SENTENCES, list_offer_choices, make_preview, preview_of, say, say_whom
from reviews.pages.diagnosis import show_diagnosis
from reviews.rules.actions import needs_two_people
from reviews.rules.effects import FEWEST_SUMMED
from reviews.selectors import find_card
from reviews.selectors.actions import get_action, read_approvals
from reviews.selectors.verdicts import Record, count_records
from reviews.selectors.worklist import find_newest_cards
from reviews.services.actions import HANDLINGS, draft_action, edit_action, propose_action
from reviews.workflow import WAITING_ACTIONS

PROPOSE = "admin:reviews_correctiveaction_propose"
LOOK, FIND, WORDS = "look", "find_offers", "words"  # buttons that show the form again, and save nothing


@dataclass(frozen=True)
class About:
    """What a proposal is about, as the address says it: the partner, and the flag or the scorecard that it answers."""

    partner: Partner
    case: FlagCase | None = None
    card: Scorecard | None = None

    @property
    def query(self) -> dict[str, Any]:
        """The same, for an address."""
        found = {"partner": self.partner.pk, "case": self.case and self.case.pk, "card": self.card and self.card.pk}
        return {name: pk for name, pk in found.items() if pk}


def propose_url(**query: Any) -> str:
    """Where an action is proposed for what the query names: partner, case, card (row ids), kind, offers (external ids)."""
    return f"{reverse(PROPOSE)}?{urlencode(query, doseq=True)}"


@page("actions/propose/", name="reviews_correctiveaction_propose", operation="action.propose")
def propose(request: HttpRequest) -> HttpResponse:
    """The partner, then the kind, then the form of the kind."""
    about, kind = find_about(request, request.GET), request.GET.get("kind", "")
    if about is None:
        return choose_partner(request)
    if kind not in HANDLINGS:
        return choose_kind(request, about)
    return show_form(request, about, kind, make_form(about, kind, begins=begin_new(request, about, kind)))


@page("actions/propose/save/", name="reviews_correctiveaction_save_new", operation="action.propose", method="POST")
def save_new(request: HttpRequest) -> HttpResponse:
    """A look at what changes; or the one service call."""
    about, kind = find_about(request, request.POST), request.POST.get("kind", "")
    if about is None or kind not in HANDLINGS:
        messages.warning(request, "Choose a partner and what to do. Nothing was proposed.")
        return go(request, "reviews_correctiveaction_propose")
    if request.POST.get("do") in (LOOK, FIND, WORDS):
        return look(request, about, kind)
    form = make_form(about, kind, request.POST)
    if form.is_valid():
        cycle = about.card.cycle if about.card else None
        try:
            action = propose_action(
                partner_id=about.partner.pk,
                kind=kind,
                params=form.params(),
                segment=form.segment(),
                case=about.case,
                cycle=cycle,
                actor=person_of(request),
                at=now(),
                **form.rest(),
            )
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, "Proposed. Nothing is done before somebody approves it.")
            return HttpResponseRedirect(url_of(action))
    return show_form(request, about, kind, form)


@page("actions/<int:pk>/edit/", name="reviews_correctiveaction_edit", operation="action.propose")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of an action that has not begun."""
    action = get_action(program_of(request).pk, pk)
    about = about_of(action)
    return show_form(request, about, action.kind, make_form(about, action.kind, begins=begin_with(action)), action)


@page("actions/<int:pk>/edit/save/", name="reviews_correctiveaction_save", operation="action.propose", method="POST")
def save(request: HttpRequest, pk: int) -> HttpResponse:
    """A look at what changes; or the one service call."""
    action = get_action(program_of(request).pk, pk)
    about, seen = about_of(action), request.POST.get("replaces", "")
    if request.POST.get("do") in (LOOK, FIND, WORDS):
        return look(request, about, action.kind, action)
    form = make_form(about, action.kind, request.POST)
    if form.is_valid():
        rest = form.rest()
        try:
            edit_action(
                action_id=action.pk,
                params=form.params(),
                segment=form.segment(),
                emptied=[name for name, value in rest.items() if value is None],
                replaces=int(seen) if seen.isdecimal() and len(seen) < 10 else 0,
                actor=person_of(request),
                at=now(),
                **rest,
            )
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, "Edited. It waits to be approved as it stands now.")
            return HttpResponseRedirect(url_of(action))
    return show_form(request, about, action.kind, form, action)


# --- the steps before the form ---


def choose_partner(request: HttpRequest) -> HttpResponse:
    """For whom."""
    partners = list_partners(program_of(request).pk).order_by("name", "pk")
    return show(
        request,
        "reviews/action_partner.html",
        title="Propose an action",
        intro="A corrective action is about one partner. Which one?",
        partners=partners,
        kind=request.GET.get("kind", "") if request.GET.get("kind") in HANDLINGS else "",
        back_url=reverse("admin:reviews_correctiveaction_changelist"),
        back_label="Corrective actions",
    )


def choose_kind(request: HttpRequest, about: About) -> HttpResponse:
    """What to do: every kind with one sentence, those that the diagnosis suggests first."""
    card = about.card or find_newest_cards(about.partner.program_id, [about.partner.pk]).get(about.partner.pk)
    diagnosis = show_diagnosis(card) if card is not None else None
    suggested = [one["kind"] for one in (card.diagnosis or {}).get("actions", [])] if card is not None else []
    kinds = sorted((kind for kind in ActionKind if kind in HANDLINGS), key=lambda kind: kind not in suggested)
    offers = request.GET.getlist("offers")
    spec = read_approvals(about.partner.program_id).spec
    records = records_of(about.partner)
    options = [
        {
            "label": kind.label,
            "sentence": KIND_SENTENCES[kind],
            "url": propose_url(**about.query, kind=kind.value, **({"offers": offers} if offers else {})),
            "is_suggested": kind in suggested,
            "needs_two": needs_two_people(spec, kind),
            "record": say_record(records.get(kind), about.partner),
        }
        for kind in kinds
    ]
    return show(
        request,
        "reviews/action_kinds.html",
        title=f"Propose an action for {about.partner.name}",
        options=options,
        diagnosis=diagnosis,
        month=month(card.cycle.month_start_date) if card is not None else "",
        back_url=url_of(about.case or about.card or about.partner),
        back_label=str(about.case or about.partner),
    )


# --- the form ---


def show_form(
    request: HttpRequest, about: About, kind: str, form: ActionForm, action: CorrectiveAction | None = None, **shown: Any
) -> HttpResponse:
    """The form, with what was looked at above it."""
    label = ActionKind(kind).label
    if action is not None:
        title, url = f"Edit: {action}", reverse("admin:reviews_correctiveaction_save", args=[action.pk])
    else:
        title, url = f"{label}: {about.partner}", reverse("admin:reviews_correctiveaction_save_new")
    hidden = {"kind": kind, **about.query} if action is None else {"replaces": action.revision}
    refused = action is not None and action.state not in WAITING_ACTIONS
    return show(
        request,
        "reviews/action_form.html",
        title=title,
        intro=KIND_SENTENCES[ActionKind(kind)],
        record=say_record(records_of(about.partner).get(kind), about.partner),
        form=form,
        hidden=hidden,
        action=url,
        submit="Save" if action else "Propose",
        voids=action is not None and action.approver_id is not None,
        refused=f"It is {action.get_state_display().lower()} and cannot be edited any more." if action and refused else "",
        look_at=LOOK,
        find=FIND,
        words=WORDS,
        takes_words=kind == ActionKind.REFRESH_LISTING,
        back_url=url_of(action or about.case or about.card or about.partner),
        back_label=str(action or about.case or about.partner),
        buttons=[] if action else [Button("Another kind of action", propose_url(**about.query))],
        **shown,
    )


def look(request: HttpRequest, about: About, kind: str, action: CorrectiveAction | None = None) -> HttpResponse:
    """The form again, with what it would change now; nothing is saved."""
    do = request.POST["do"]
    form = make_form(about, kind, with_words(about, request.POST) if do == WORDS else request.POST)
    if do != LOOK:
        form.errors.clear()  # what is not filled in yet is no mistake yet
        return show_form(request, about, kind, form, action)
    if not form.is_valid():
        return show_form(request, about, kind, form, action)
    try:
        draft = draft_action(
            partner_id=about.partner.pk,
            kind=kind,
            params=form.params(),
            segment=form.segment(),
            reason=form.cleaned_data["reason"],
        )
    except DomainError as error:
        refuse(form, error)
        return show_form(request, about, kind, form, action)
    preview, why_not = preview_of(draft, now())
    shown: dict[str, Any] = {"looked": True, "sentence": say(draft), "why_not": why_not}
    if preview is not None:
        two = needs_two_people(read_approvals(about.partner.program_id).spec, kind, preview.members or 0)
        needs = "It needs two different people: you propose, another one approves." if two else "One person may approve it."
        shown |= {"preview": make_preview(preview), "lines": [*say_whom(preview), needs]}
    return show_form(request, about, kind, form, action, **shown)


def make_form(about: About, kind: str, data: Any = None, begins: dict[str, Any] | None = None) -> ActionForm:
    """The form of a kind for a partner; with what was sent, if anything was."""
    offers = list_offer_choices(about.partner, now())
    return ActionForm(data, partner=about.partner, kind=kind, offers=offers, begins=begins or {})


def begin_new(request: HttpRequest, about: About, kind: str) -> dict[str, Any]:
    """What a new proposal begins with: the offers that the address names, the reason that the diagnosis gives."""
    names = [name for text in request.GET.getlist("offers") for name in text.split(",") if name]
    begins: dict[str, Any] = {"offers": names}
    if kind == ActionKind.REFRESH_LISTING:
        first = names[0] if names else ""
        begins = {"offers": first, **words_of(about, first)}
    card = about.card or (find_card(about.case) if about.case else None)
    if card is not None and card.diagnosis:
        begins["reason"] = card.diagnosis["sentence"]
    owner = about.case.owner if about.case else about.partner.owner
    return {**begins, "owner": owner.pk if owner else None}


def with_words(about: About, sent: QueryDict) -> QueryDict:
    """What was sent, with the words that members read now about the offer that is chosen."""
    data = sent.copy()
    for name, value in words_of(about, sent.get("offers", "")).items():
        data[name] = value
    return data


def words_of(about: About, offer: str) -> dict[str, str]:
    """What members read now about an offer of the partner, without its terms, which stay; nothing where it has no listing."""
    found = about.partner.offers.filter(external_id=offer).first() if offer else None
    listing = list_listings(found.pk).first() if found is not None else None
    return {name: getattr(listing, name) for name in ("title", "text", "creative_url")} if listing else {}


# --- what it is about ---


def records_of(partner: Partner) -> dict[str, Record]:
    """How each kind did so far for partners of the same category."""
    return count_records(partner.program_id, partner.category.code)


def say_record(record: Record | None, partner: Partner) -> str:
    """How a kind did so far for partners of the same category, in a sentence."""
    where = f"for {partner.category.code}" if partner.category.code else "for partners without a category"
    if record is None:
        return f"None of this kind was measured {where} yet."
    few = ": too few to go by" if record.measured < FEWEST_SUMMED else ""
    return f"Of {record.measured} of this kind measured {where}, {record.worked} worked{few}."


def find_about(request: HttpRequest, given: QueryDict) -> About | None:
    """The partner that an address or a form names, or that of the flag or the scorecard; None where it names none."""
    program_id = program_of(request).pk
    case = find(FlagCase.objects.select_related("partner__program", "owner", "rule"), given.get("case"), program_id=program_id)
    cards = Scorecard.objects.select_related("partner__program", "cycle")
    card = find(cards, given.get("card"), cycle__program_id=program_id)
    partner = case.partner if case else card.partner if card else None
    if partner is None:
        partner = find(Partner.objects.select_related("program", "owner"), given.get("partner"), program_id=program_id)
    return About(partner, case, card) if partner is not None else None


def about_of(action: CorrectiveAction) -> About:
    """What an action that stands is about."""
    return About(Partner.objects.select_related("program").get(pk=action.partner_id), action.case)


def find(rows: Any, text: str | None, **mine: Any) -> Any:
    """
    One row of this program by its number; None where none is named.

    Raises: Http404 where there is no such row in this program.
    """
    if not text:
        return None
    row = rows.filter(pk=text, **mine).first() if text.isdecimal() and len(text) < 19 else None
    if row is None:
        raise Http404("There is no such row in this program.")
    return row
