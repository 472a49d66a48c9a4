"""The work between the steps of a replacement: days, candidates, prospects, contacts, files and the mapping, each one form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from offers.choices import OfferState
from partners.choices import PartnerState
from partners.selectors import list_categories, list_partners
from plum_site.lib.admin import Button, ProgramModelAdmin, allowed, go, person_of, refuse, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.periods import local_date
from reviews.admin.replacement_views import partners_of
from reviews.choices import ReplacementState, ReplacementStep
from reviews.forms.replacements import CandidateForm, ContactLogForm, FileForm, MappingForm, PlanForm, ProspectForm
from reviews.models import Replacement
from reviews.pages.actions import say_offer
from reviews.pages.replacements import say_replacement
from reviews.rules.replacements import LARGEST_FILE, step_of
from reviews.selectors.replacements import list_new_offers, list_old_offers, list_tasks, read_pairs
from reviews.services.replacements.candidates import add_candidate, add_prospect
from reviews.services.replacements.mapping import save_mapping
from reviews.services.replacements.planning import plan_step
from reviews.services.replacements.terms import add_contact, add_file

S = ReplacementState
GONE = (PartnerState.RETIRED, PartnerState.REJECTED, PartnerState.PAUSED, PartnerState.REPLACING)
CHOOSING = (S.OPENED, S.COMPARED)


@dataclass(frozen=True)
class Work:
    """
    One form. states: in which it is offered; empty: in all. make: the form, from the request, the replacement and what was
    sent. act: the one service call. said: what is shown once it is done.
    """

    label: str
    submit: str
    intro: str
    said: str
    make: Callable[[HttpRequest, Replacement], forms.Form]
    act: Callable[[Replacement, Any, User], Any]
    states: tuple[str, ...] = ()


def _sent(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _make_plan(request: HttpRequest, row: Replacement) -> PlanForm:
    steps = {task.step: task for task in list_tasks(row.pk)}
    wanted = (request.POST if request.method == "POST" else request.GET).get("step", "")
    task = steps.get(wanted) or steps.get(step_of(row.state) or ReplacementStep.COMPARE)
    begins = {"step": task.step, "owner": task.owner_id, "due_date": task.due_date} if task else {}
    return PlanForm(_sent(request), replacement=row, initial=begins)


def _act_plan(row: Replacement, form: PlanForm, actor: User) -> Any:
    given = form.cleaned_data
    return plan_step(
        replacement_id=row.pk, step=given["step"], owner=given["owner"], due_date=given["due_date"], actor=actor, at=now()
    )


def _make_candidate(request: HttpRequest, row: Replacement) -> CandidateForm:
    refused = set(row.candidates.filter(refused_at__isnull=False).values_list("partner_id", flat=True))
    named = set(row.candidates.filter(refused_at__isnull=True).values_list("partner_id", flat=True))
    found = list_partners(row.program_id).exclude(state__in=GONE).exclude(pk__in=named | {row.partner_id}).order_by("name")
    partners = [
        (
            partner.external_id,
            f"{partner.name} ({partner.get_state_display().lower()}{', refused' if partner.pk in refused else ''})",
        )
        for partner in found
    ]
    return CandidateForm(_sent(request), partners=partners)


def _act_candidate(row: Replacement, form: CandidateForm, actor: User) -> Any:
    return add_candidate(replacement_id=row.pk, partner=form.cleaned_data["partner"], actor=actor, at=now())


def _make_prospect(request: HttpRequest, row: Replacement) -> ProspectForm:
    categories = [category.code for category in list_categories(row.program_id) if category.code]
    return ProspectForm(_sent(request), categories=categories, usual=row.partner.category.code)


def _act_prospect(row: Replacement, form: ProspectForm, actor: User) -> Any:
    return add_prospect(replacement_id=row.pk, actor=actor, at=now(), **form.cleaned_data)


def _make_contact(request: HttpRequest, row: Replacement) -> ContactLogForm:
    partners = [(partner.external_id, partner.name) for partner in partners_of(row)]
    usual = row.successor.external_id if row.successor else row.partner.external_id
    return ContactLogForm(_sent(request), partners=partners, initial={"partner": usual})


def _act_contact(row: Replacement, form: ContactLogForm, actor: User) -> Any:
    return add_contact(replacement_id=row.pk, actor=actor, at=now(), **form.cleaned_data)


def _make_file(request: HttpRequest, row: Replacement) -> FileForm:
    return FileForm(_sent(request), request.FILES if request.method == "POST" else None)


def _act_file(row: Replacement, form: FileForm, actor: User) -> Any:
    file = form.cleaned_data["file"]
    content = file.read(LARGEST_FILE + 1)  # one byte more than is allowed is refused as too large
    return add_file(replacement_id=row.pk, name=file.name, content=content, actor=actor, at=now())


def _make_mapping(request: HttpRequest, row: Replacement) -> MappingForm:
    today = local_date(now(), row.program.time_zone)
    olds = [(o.external_id, say_offer(o, today)) for o in list_old_offers(row.program_id, row.partner, row.category)]
    found = list_new_offers(row.program_id, row.successor) if row.successor else []
    possible = [offer for offer in found if not offer.ends_date or offer.ends_date >= today]
    waiting = {offer.external_id for offer in possible if offer.state != OfferState.PUBLISHED}
    news = [
        (offer.external_id, f"{say_offer(offer, today)}{', goes live at the cutover' if offer.external_id in waiting else ''}")
        for offer in possible
    ]
    besides = [(name, words) for name, words in news if name in waiting]
    begins = {**MappingForm.begin_with(read_pairs(row), olds), "replaces": row.revision}
    return MappingForm(_sent(request), olds=olds, news=news, besides=besides, initial=begins)


def _act_mapping(row: Replacement, form: MappingForm, actor: User) -> Any:
    replaces = form.cleaned_data["replaces"] or 0
    return save_mapping(replacement_id=row.pk, pairs=form.pairs(), actor=actor, at=now(), replaces=replaces)


WORK: Mapping[str, Work] = {
    "mapping": Work(
        "Map the offers",
        "Save the mapping",
        "Say for every old offer which one of the successor takes its place in the catalog, or that nothing follows. Drafts go "
        "live at the cutover. It can be saved as often as needed; putting it forward is the next step.",
        "The mapping is saved.",
        _make_mapping,
        _act_mapping,
        (S.AGREED,),
    ),
    "candidate": Work(
        "Add a candidate",
        "Add",
        "A partner that the comparison would not find by itself, because it is of another category or refused before.",
        "Added. Compare again to see its figures.",
        _make_candidate,
        _act_candidate,
        CHOOSING,
    ),
    "prospect": Work(
        "New prospect",
        "Create",
        "A brand that is no partner yet: it is created as a prospect and named as a candidate. Draft its offers on its page; "
        "they go live at the cutover.",
        "Created, and added as a candidate.",
        _make_prospect,
        _act_prospect,
        CHOOSING,
    ),
    "contact": Work(
        "Write down a contact",
        "Keep it",
        "What was spoken with a partner, so that everybody who works on this knows it. It cannot be edited afterwards.",
        "The contact is kept.",
        _make_contact,
        _act_contact,
    ),
    "file": Work(
        "Add a file",
        "Keep it",
        "Signed terms, an offer, a letter. A file that is kept is not removed again.",
        "The file is kept.",
        _make_file,
        _act_file,
    ),
    "plan": Work(
        "Plan a step",
        "Save",
        "Who sees to it, and by which day. It is theirs on the home page until it is done.",
        "Planned.",
        _make_plan,
        _act_plan,
    ),
}


class ReplacementWorkMixin(ProgramModelAdmin):
    """The forms of WORK, one page each."""

    def get_urls(self) -> list[URLPattern]:
        operation = "action.propose"
        asks = self.act("<int:pk>/write/<slug:name>/", self.write, "write", operation, "GET")
        return [asks, self.act("<int:pk>/save/<slug:name>/", self.save, "save", operation), *super().get_urls()]

    def work_buttons(self, request: HttpRequest, row: Replacement) -> list[Button]:
        """One button for each form that belongs to the present state; the mapping first where none is saved yet."""
        if not allowed(request, "action.propose"):
            return []
        is_first = row.state == S.AGREED and not row.offers.exists()
        return [
            Button(f"{one.label}…", self.write_url(row, name), is_primary=is_first and name == "mapping")
            for name, one in WORK.items()
            if row.state in one.states
        ]

    def write_url(self, row: Replacement, name: str) -> str:
        """The page of one form."""
        return reverse("admin:reviews_replacement_write", args=[row.pk, name])

    def write(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """One form, with what is there already."""
        row, work = self.row_or_404(request, pk), find_work(name)
        return self.show_form(request, row, name, work.make(request, row))

    def save(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """One service call; what it refuses stands beside the fields."""
        row, work = self.row_or_404(request, pk), find_work(name)
        form = work.make(request, row)
        if not form.is_valid():
            return self.show_form(request, row, name, form)
        try:
            work.act(row, form, person_of(request))
        except DomainError as error:
            if isinstance(form, MappingForm) and error.fields:
                form.point_at(error.fields)
            else:
                refuse(form, error)
            return self.show_form(request, row, name, form)
        self.message_user(request, work.said)
        return go(request, "reviews_replacement_change", pk)

    def show_form(self, request: HttpRequest, row: Replacement, name: str, form: forms.Form) -> HttpResponse:
        """The page of one form."""
        work = WORK[name]
        step = form["step"].value() if name == "plan" else ""
        about = f": {ReplacementStep(step).label}" if step in ReplacementStep.values else ""
        return show(
            request,
            "reviews/replacement_step.html",
            title=f"{work.label}{about}: {row}",
            intro=work.intro,
            sentence=say_replacement(row),
            form=form,
            action=reverse("admin:reviews_replacement_save", args=[row.pk, name]),
            submit=work.submit,
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
        )


def find_work(name: str) -> Work:
    """
    One of the forms.

    Raises: Http404.
    """
    if name not in WORK:
        raise Http404(f"There is nothing to write called {name}.")
    return WORK[name]
