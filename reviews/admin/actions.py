"""Corrective actions: what waits, what was done, and the page of each one with the steps that can be taken."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from offers.selectors import list_offers
from plum_site.lib.admin import (
    Button,
    ReadOnlyModelAdmin,
    allowed,
    console_admin,
    make_log,
    person_of,
    program_of,
    refuse,
    url_of,
)
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.periods import local_date
from plum_site.lib.present import BREAK, Table, as_written, badge, day, instant
from reviews.admin.action_steps import ActionStepsMixin
from reviews.choices import ActionKind, ActionState
from reviews.forms import ActionNoteForm
from reviews.models import CorrectiveAction
from reviews.pages.actions import (
    list_facts,
    list_people,
    make_notes,
    name_of,
    preview_of,
    say,
    say_what_next,
    say_whom,
    show_action_state,
    show_effect,
    show_verdict,
)
from reviews.selectors.actions import RELATED, list_action_transitions, list_actions_waiting_for, list_notes
from reviews.services.actions import HANDLINGS, add_note
from reviews.workflow import ACTION_SYSTEM_TRANSITIONS, ACTION_TRANSITIONS, WAITING_ACTIONS

UNDER_WAY = (ActionState.APPROVED, ActionState.SCHEDULED, ActionState.EXECUTING)
DONE = (ActionState.EXECUTED, ActionState.MEASURING, ActionState.MEASURED)
ENDED = (ActionState.REJECTED, ActionState.CANCELLED, ActionState.REVERTED)
GROUPS = {"under_way": UNDER_WAY, "done": DONE, "failed": (ActionState.FAILED,), "ended": ENDED}


class ActionStateFilter(SimpleListFilter):
    """How far it is; what waits for somebody unless something else is chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("under_way", "Approved, not done yet"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("ended", "Rejected, cancelled or reverted"),
            ("all", "All"),
        ]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": "Waiting for somebody"}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[CorrectiveAction]) -> QuerySet[CorrectiveAction]:
        chosen = self.value()
        if chosen == "all":
            return queryset
        return queryset.filter(state__in=GROUPS.get(chosen or "", (ActionState.PROPOSED, ActionState.FAILED)))


class KindFilter(SimpleListFilter):
    """What kind of action."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(kind.value, kind.label) for kind in ActionKind if kind in HANDLINGS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CorrectiveAction]) -> QuerySet[CorrectiveAction]:
        return queryset.filter(kind=self.value()) if self.value() in ActionKind.values else queryset


class WhoseFilter(SimpleListFilter):
    """Whose it is."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("you", "Waits for me"), ("me", "I own it"), ("mine", "I proposed it"), ("nobody", "Nobody owns it")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CorrectiveAction]) -> QuerySet[CorrectiveAction]:
        person = person_of(request)
        match self.value():
            case "you":
                may_approve = allowed(request, "action.approve")
                waiting = list_actions_waiting_for(program_of(request).pk, person.pk, may_approve=may_approve)
                return queryset.filter(pk__in=waiting.order_by().values("pk"))
            case "me":
                return queryset.filter(owner=person)
            case "mine":
                return queryset.filter(Q(proposer=person) | Q(editor=person))
            case "nobody":
                return queryset.filter(owner__isnull=True)
        return queryset


@console_admin(CorrectiveAction)
class ActionAdmin(ActionStepsMixin, ReadOnlyModelAdmin):
    """Every correction, from its proposal to its verdict."""

    read_operation = "review.read"
    list_display = ["what", "partner", "state_shown", "proposed", "due", "needs", "verdict_shown"]
    list_filter = [ActionStateFilter, KindFilter, WhoseFilter, "partner"]
    list_select_related = RELATED
    search_fields = ["partner__name", "partner__external_id", "reason"]
    sortable_by = ()
    change_form_template = "reviews/action.html"
    change_list_template = "reviews/actions.html"
    intro = (
        "One correction for one partner: proposed by the playbook or by a person, approved by as many people as its risk asks "
        "for, carried out once, measured, and revertible for 30 days."
    )
    empty_text = "Nothing waits for anybody. The playbook proposes when a flag opens; or propose an action yourself."
    fields = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[CorrectiveAction]:
        return super().get_queryset(request).select_related(*RELATED, "program")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [F("due_date").asc(nulls_last=True), "-id"]

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/note/", self.note, "note", "action.step"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        """With a box to tick for whoever may approve several."""
        columns = super().get_list_display(request)
        return ["tick", *columns] if allowed(request, "action.approve") else columns

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        return ["what"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        buttons = [
            Button("Replacements", reverse("admin:reviews_replacement_changelist")),
            Button("What worked", reverse("admin:reviews_correctiveaction_verdicts")),
        ]
        if allowed(request, "action.propose"):
            buttons.insert(0, Button("Propose an action", reverse("admin:reviews_correctiveaction_propose"), is_primary=True))
        context = {"buttons": buttons, "may_approve": allowed(request, "action.approve"), "today": today_of(request)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if row is not None and self.has_view_permission(request, row):
            context = self.describe(request, row)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def describe(self, request: HttpRequest, row: CorrectiveAction) -> dict[str, Any]:
        """Everything on the page of one action beside its tables."""
        at = now()
        offers = list_offers(row.program_id).filter(external_id__in=row.params.get("offers", []))
        preview, why_not = preview_of(row, at) if row.state in WAITING_ACTIONS else (None, "")
        return {
            "sentence": say(row),
            "state_badge": show_action_state(row.state),
            "kind": row.get_kind_display(),
            "next": say_what_next(row, at),
            "is_late": row.state in (*WAITING_ACTIONS, ActionState.FAILED) and is_overdue(row, today_of(request)),
            "why_not": why_not,
            "lines": say_whom(preview) if preview is not None else [],
            "facts": list_facts(row, {offer.external_id: offer for offer in offers}),
            "people": list_people(row),
            "effect": show_effect(row),
            "words": [(label, as_written(row.params[name])) for name, label in WORDS if row.params.get(name)],
            "may_note": allowed(request, "action.step"),
            "note_form": getattr(request, "note_form", None) or ActionNoteForm(),
            "note_url": reverse("admin:reviews_correctiveaction_note", args=[row.pk]),
        }

    def buttons(self, request: HttpRequest, row: CorrectiveAction) -> list[Button]:
        return self.step_buttons(request, row)

    def tables(self, request: HttpRequest, row: CorrectiveAction) -> Sequence[Table]:
        steps = list_action_transitions(row.pk)
        return [
            *self.tables_of_result(row),
            make_notes(list_notes(row.pk)),
            make_log(steps, dict(ActionState.choices), ACTION_TRANSITIONS, ACTION_SYSTEM_TRANSITIONS),
        ]

    def note(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call."""
        row, form = self.row_or_404(request, pk), ActionNoteForm(request.POST)
        if form.is_valid():
            try:
                given = form.cleaned_data
                add_note(action_id=row.pk, text=given["text"], url=given["url"], actor=person_of(request), at=now())
                self.message_user(request, "The comment is kept.")
                return HttpResponseRedirect(url_of(row))
            except DomainError as error:
                refuse(form, error)
        request.note_form = form  # type: ignore[attr-defined]
        request.method = "GET"  # the page again, with what was refused beside the field
        return self.change_view(request, str(pk))

    def tick(self, row: CorrectiveAction) -> SafeString:
        if row.state != ActionState.PROPOSED:
            return SafeString("")
        return format_html(
            '<input type="checkbox" name="action" value="{}:{}" form="actions-bulk" aria-label="Choose {}">',
            row.pk,
            row.revision,
            str(row),
        )

    tick.short_description = "choose"  # type: ignore[attr-defined]

    def what(self, row: CorrectiveAction) -> SafeString:
        return format_html('{}{}<span class="plum-note">{}</span>', say(row), BREAK, row.get_kind_display())

    def state_shown(self, row: CorrectiveAction) -> SafeString:
        return show_action_state(row.state)

    state_shown.short_description = "state"  # type: ignore[attr-defined]

    def proposed(self, row: CorrectiveAction) -> SafeString:
        who = name_of(row.proposer) or "the playbook"
        return format_html("{}{}{}", who, BREAK, instant(row.proposed_at))

    def due(self, row: CorrectiveAction) -> SafeString | str:
        late = row.state in (*WAITING_ACTIONS, ActionState.FAILED) and is_overdue(row, local_date(now(), row.program.time_zone))
        return format_html("{}{}{}", day(row.due_date), BREAK, badge("overdue", "bad")) if late else day(row.due_date)

    def needs(self, row: CorrectiveAction) -> str:
        return "two people" if row.needs_two else "one person"

    def verdict_shown(self, row: CorrectiveAction) -> SafeString:
        return show_verdict(row.verdict)

    verdict_shown.short_description = "verdict"  # type: ignore[attr-defined]


# What an action says to people, by field.
WORDS = (("subject", "Subject"), ("title", "Title"), ("text", "Text"), ("terms", "Terms"))


def today_of(request: HttpRequest) -> Any:
    """The present day of the program."""
    return local_date(now(), program_of(request).time_zone)


def is_overdue(row: CorrectiveAction, today: Any) -> bool:
    """Whether it should have been done by now."""
    return row.due_date is not None and row.due_date < today
