"""The steps that people take with a replacement: each on a page that shows what it does and asks for what it needs."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from plum_site.lib.admin import Button, TransitionsMixin, allowed, go, person_of, refuse, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.workflow import available
from reviews.admin.replacement_views import look_at
from reviews.forms.replacements import AgreeForm, ChooseForm, GapsForm, ScheduleForm, StepForm, TrialForm, suggest_time
from reviews.models import Replacement
from reviews.pages.replacement_tables import make_state_versions
from reviews.pages.replacements import say_replacement
from reviews.rules.actions import UNDO_DAYS
from reviews.rules.replacements import Pair
from reviews.selectors.actions import read_approvals
from reviews.selectors.replacements import find_gaps_left, find_task, is_open, list_old_offers, list_possible, read_pairs
from reviews.services.actions import ChangedSince
from reviews.services.replacements.gaps import say_gap
from reviews.services.replacements.steps import STEPS
from reviews.workflow import REPLACEMENT_TRANSITIONS

LOOK = "look"  # the button that shows the page again for what was written, and saves nothing
FORMS: Mapping[str, type[StepForm]] = {
    "choose": ChooseForm,
    "go_without": GapsForm,
    "agree": AgreeForm,
    "map": GapsForm,
    "start_trial": TrialForm,
    "schedule": ScheduleForm,
}
WITH_REVISION = (
    "go_without",
    "map",
    "approve",
    "start_trial",
)  # steps that are refused where somebody has changed what was looked at
INTROS = {
    "compare": "The figures of the last whole months are read now and kept, so that everybody chooses by the same ones.",
    "choose": "Terms are agreed with this partner next. Another choice stays possible until the cutover.",
    "go_without": "The partner goes and nobody takes its place. Somebody approves that, and it is cut over, as with a successor.",
    "refuse_terms": "It goes back to the candidates, without this one. Contacts and files stay.",
    "agree": "What both sides said yes to. It can be gone back on until the cutover.",
    "map": "What you see below is put forward: somebody else approves it as it stands.",
    "approve": "What you see below is what you approve. Nothing changes for members before the cutover.",
    "send_back": "It is mapped anew by whoever put it forward. Say what should be different.",
    "start_trial": "From now on a share of members see the new offers in the places of the old ones; everybody else sees what "
    "they saw. Who they are is drawn by chance and stays the same. It can be ended at any time. The new partner's contacts are "
    "told by mail, the old one's are not.",
    "end_trial": "Everybody sees the old offers again; the new ones are paused. What members hold of them is honoured. It stays "
    "approved. The new partner's contacts are told by mail, with what was found.",
    "schedule": "At this time the new offers take the places of the old ones, at once. Until then it can be moved or called off.",
    "verify": "Everything that has to hold after a cutover is looked at anew.",
    "complete": "The old offers are retired where they go for everyone, and the partner where all of it goes. What members hold "
    f"is honoured all the same. It can be rolled back for {UNDO_DAYS} days from the cutover on.",
    "roll_back": "What was there before the cutover is put back, if nobody has changed it since. Members who were told a last "
    "day are told that the offers stay; both partners are written to.",
    "back_to_candidates": "An approval and a scheduled cutover are void. Contacts and files stay.",
    "back_to_terms": "An approval and a scheduled cutover are void. Contacts and files stay.",
    "back_to_mapping": "An approval and a scheduled cutover are void. The mapping stays as it is, to be changed.",
    "cancel": "The partner stays, and so does what members see. This is final: propose another one if you change your mind.",
}
SAID = {
    "compare": "Compared.",
    "choose": "Chosen.",
    "go_without": "It waits to be approved: nobody takes the place.",
    "refuse_terms": "Back at the candidates, without this one.",
    "agree": "The terms are written down.",
    "map": "The mapping is put forward: somebody approves it next.",
    "approve": "Approved. Say when the cutover is.",
    "send_back": "Sent back: it is mapped anew.",
    "start_trial": "The trial has begun.",
    "end_trial": "The trial has ended: everybody sees the old offers again.",
    "schedule": "The cutover has its time.",
    "verify": "Everything holds.",
    "complete": "Completed.",
    "roll_back": "Rolled back: members see what they saw before.",
    "cancel": "Called off: the partner stays.",
}
FIRST = ("approve", "compare", "choose", "agree", "map", "schedule", "verify", "complete")  # what stands out, in each state one


class ReplacementStepsMixin(TransitionsMixin):
    """The steps of REPLACEMENT_TRANSITIONS."""

    change_operation = "action.step"  # and beside it what the step itself asks for
    transitions = REPLACEMENT_TRANSITIONS
    transition_key = "replacement_id"

    def step_buttons(self, request: HttpRequest, row: Replacement) -> list[Button]:
        """One button for each step that may begin here, now, by this person; what leads on comes first."""
        buttons, person_id, at = [], person_of(request).pk, now()
        spec = read_approvals(row.program_id).spec
        is_mapped = row.offers.exists()
        for step in available(REPLACEMENT_TRANSITIONS, row.state):
            possible = is_open(row, step.name, person_id, spec, at) and (is_mapped or step.name != "map")
            if possible and allowed(request, step.operation):
                url = reverse("admin:reviews_replacement_do", args=[row.pk, step.name])
                buttons.append(Button(f"{step.label}…", url, is_primary=step.name in FIRST and step.target != row.state))
        return sorted(buttons, key=lambda button: not button.is_primary)

    def ask(self, request: HttpRequest, pk: int, name: str, form: Any = None, **shown: Any) -> HttpResponse:
        """The page that says what will happen, shows it, and asks for what it needs."""
        row, step = self.row_or_404(request, pk), self.find_transition(request, name)
        form = form or make_form(row, name)
        form.fields["comment"].required = step.needs_comment
        if isinstance(form, GapsForm) and "gaps" not in form.fields:
            shown.setdefault("nothing", "No group of members loses a whole category: nothing has to be accepted.")
        when = form.cleaned_data.get("scheduled_at") if form.is_bound and form.is_valid() else form.initial.get("scheduled_at")
        return show(
            request,
            "reviews/replacement_step.html",
            title=f"{step.label}: {row}",
            intro=INTROS[name],
            sentence=say_replacement(row),
            form=form,
            action=reverse("admin:reviews_replacement_done", args=[pk, name]),
            submit=step.label,
            look_at=LOOK if name == "schedule" else "",
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
            **{**look_at(row, name, now(), when), **shown},
        )

    def carry_out(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The one service call; what it refuses stands above the form, with the three versions where there are some."""
        row, step = self.row_or_404(request, pk), self.find_transition(request, name)
        form = make_form(row, name, request.POST)
        form.fields["comment"].required = step.needs_comment and request.POST.get("do") != LOOK
        if not form.is_valid() or request.POST.get("do") == LOOK:
            return self.ask(request, pk, name, form)
        given = form.cleaned_data
        more = form.fields_to_pass()
        if name in WITH_REVISION:
            more["replaces"] = given["replaces"] or 0  # what nobody saw is not put forward and not approved
        try:
            STEPS[name](replacement_id=row.pk, actor=person_of(request), at=now(), comment=given["comment"], **more)
        except ChangedSince as error:
            refuse(form, error)
            named = {"Before the cutover": "before", "After it": "after", "Now": "now"}
            versions = {title: error.versions[key] for title, key in named.items()}
            return self.ask(request, pk, name, form, changes=[make_state_versions(row, versions, "The three versions")])
        except DomainError as error:
            say_fault(form, error)
            return self.ask(request, pk, name, form)
        self.message_user(request, SAID.get(name, "Back at an earlier step: it goes on from there."))
        return go(request, "reviews_replacement_change", pk)


def say_fault(form: StepForm, error: DomainError) -> None:
    """What a service refused: beside the field that it names, else above the form with all that it says about offers."""
    if set(error.fields) & (set(form.fields) - {"gaps"}):
        refuse(form, error)
    else:
        lines = [f"{name}: {text}" for name, text in error.fields.items() if name != "gaps"]
        form.add_error(None, " ".join([error.detail, *lines]))


def make_form(row: Replacement, name: str, data: Any = None) -> StepForm:
    """The form of a step; with what was sent, if anything was."""
    kind = FORMS.get(name, StepForm)
    begins: dict[str, Any] = {"replaces": row.revision}
    more: dict[str, Any] = {}
    match name:
        case "choose":
            more["partners"] = list_choices(row)
            begins["partner"] = row.successor.external_id if row.successor else None
        case "agree":
            begins |= {"terms": row.terms, "last_activation_days": row.last_activation_days}
        case "map":
            more["gaps"] = list_gaps(row, read_pairs(row))
        case "go_without":
            olds = list_old_offers(row.program_id, row.partner, row.category)
            more["gaps"] = list_gaps(row, [Pair(old.external_id, None) for old in olds])
        case "schedule":
            task = find_task(row)
            begins["scheduled_at"] = suggest_time(row, task.due_date if task else None, now())
    return kind(data, initial=begins, **more)


def list_gaps(row: Replacement, pairs: list[Pair]) -> list[tuple[str, str]]:
    """What nobody would offer any more: key and words."""
    return [(gap.key, say_gap(gap)) for gap in find_gaps_left(row, pairs, now())]


def list_choices(row: Replacement) -> list[tuple[str, str]]:
    """Who could take the place: those compared in their order, then those that came since."""
    possible = {partner.external_id: partner.name for partner in list_possible(row)}
    compared = [one["partner"] for one in (row.comparison or {}).get("candidates", ())]
    order = [name for name in compared if name in possible] + [name for name in possible if name not in compared]
    return [(name, possible[name]) for name in order]
