"""The steps that people take with one corrective action: each asks for its comment on a page that shows what it does."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from plum_site.lib.admin import Button, TransitionsMixin, allowed, go, person_of, refuse, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.present import Table
from plum_site.lib.workflow import available
from reviews.admin.letters import make_letters
from reviews.admin.pushes import make_push_tables
from reviews.choices import ActionKind, ActionState
from reviews.forms import ActionStepForm
from reviews.models import CorrectiveAction
from reviews.pages.actions import make_preview, make_versions, preview_of, say, say_whom
from reviews.rules.actions import SOLO_HOURS
from reviews.selectors.actions import read_approvals
from reviews.services.actions import (
    ChangedSince,
    approve_action,
    cancel_action,
    is_undoable,
    reject_action,
    retry_action,
    revert_action,
    take_up_action,
)
from reviews.workflow import ACTION_TRANSITIONS

INTROS = {
    "take_up": "You stand behind it from now on, as whoever proposed it: somebody else can then approve it.",
    "approve": "It is carried out at its time, or at once. What you see below is what you approve.",
    "reject": "It is not done. This is final: propose another one if you change your mind.",
    "cancel": "It is called off before anything is done. This is final: propose another one if you change your mind.",
    "retry": "It failed. It is carried out as it was approved, now.",
    "revert": "What was there before is put back, if nobody has changed it since.",
}
SAID = {
    "take_up": "You stand behind it now.",
    "approve": "Approved. It is carried out {when}.",
    "reject": "Rejected: nothing is done.",
    "cancel": "Cancelled: nothing is done.",
    "retry": "It is carried out now.",
    "revert": "Reverted: what was there before stands again.",
}
FIRST = ("approve", "take_up")  # what stands out among the buttons


def change_action_state(*, action_id: int, name: str, actor: Any, at: Any, comment: str, replaces: int) -> CorrectiveAction:
    """The service call behind the button of a step."""
    if name == "approve":
        return approve_action(action_id=action_id, actor=actor, at=at, comment=comment, replaces=replaces)
    if name == "take_up":
        return take_up_action(action_id=action_id, actor=actor, at=at)
    if name == "retry":
        return retry_action(action_id=action_id, actor=actor, at=at)
    steps: Mapping[str, Callable[..., CorrectiveAction]] = {
        "reject": reject_action,
        "cancel": cancel_action,
        "revert": revert_action,
    }
    return steps[name](action_id=action_id, actor=actor, at=at, comment=comment)


class ActionStepsMixin(TransitionsMixin):
    """The steps of ACTION_TRANSITIONS; editing has a form of its own."""

    change_operation = "action.step"  # and beside it what the step itself asks for
    transitions = ACTION_TRANSITIONS
    transition_key = "action_id"

    def step_buttons(self, request: HttpRequest, row: CorrectiveAction) -> list[Button]:
        """One button for each step that may begin here, now, by this person."""
        buttons: list[Button] = []
        for step in available(ACTION_TRANSITIONS, row.state):
            if not allowed(request, step.operation) or not fits(step.name, row, person_of(request).pk):
                continue
            url = reverse("admin:reviews_correctiveaction_do", args=[row.pk, step.name])
            if step.name == "edit":
                url = reverse("admin:reviews_correctiveaction_edit", args=[row.pk])
            buttons.append(
                Button(f"{step.label}…", url, is_primary=step.name in FIRST and not any(b.is_primary for b in buttons))
            )
        if row.kind == ActionKind.PROMOTIONAL_PUSH:
            url = reverse("admin:reviews_correctiveaction_push", args=[row.pk])
            buttons.append(Button("The message, and what became of it", url))
        return sorted(buttons, key=lambda button: not button.is_primary)

    def ask(self, request: HttpRequest, pk: int, name: str, form: forms.Form | None = None, **shown: Any) -> HttpResponse:
        """The page that says what will happen, shows it, and asks why."""
        row, step = self.row_or_404(request, pk), self.find_transition(request, name)
        if name == "edit":
            return go(request, "reviews_correctiveaction_edit", pk)
        form = form or ActionStepForm(initial={"replaces": row.revision})
        form.fields["comment"].required = step.needs_comment
        if name in ("take_up", "retry"):
            del form.fields["comment"]
        return show(
            request,
            "reviews/action_step.html",
            title=f"{step.label}: {row}",
            intro=INTROS[name],
            sentence=say(row),
            form=form,
            action=reverse("admin:reviews_correctiveaction_done", args=[pk, name]),
            submit=step.label,
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
            **{**self.show_effect_of(request, row, name), **shown},
        )

    def show_effect_of(self, request: HttpRequest, row: CorrectiveAction, name: str) -> dict[str, Any]:
        """What a step changes: a preview of what is carried out, and what a revert puts back."""
        if name in ("approve", "retry"):
            preview, why_not = preview_of(row, now())
            if preview is None:
                return {"why_not": why_not}
            lines = say_whom(preview)
            spec = read_approvals(row.program_id).spec
            if name == "approve" and row.needs_two and spec.solo_mode and stands_behind(row, person_of(request).pk):
                lines.append(
                    f"Solo mode: it waits {SOLO_HOURS} hours, in which it can be cancelled, and shows that one person did it."
                )
            return {"lines": lines, "changes": [make_preview(preview)]}
        if name == "revert" and row.before is not None:
            versions = {"Now, if nobody changed it": row.after or {}, "After the revert": row.before}
            return {"changes": [make_versions(row, versions, "What changes")]}
        return {}

    def carry_out(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The one service call; what it refuses stands above the form, with the three versions where there are some."""
        row, step, form = self.row_or_404(request, pk), self.find_transition(request, name), ActionStepForm(request.POST)
        if name == "edit":
            return go(request, "reviews_correctiveaction_edit", pk)
        if not form.is_valid():
            return self.ask(request, pk, name, form)
        given = form.cleaned_data
        try:
            done = change_action_state(
                action_id=row.pk,
                name=name,
                actor=person_of(request),
                at=now(),
                comment=given["comment"],
                replaces=given["replaces"] or 0,  # what nobody saw is not approved
            )
        except ChangedSince as error:
            refuse(form, error)
            named = {"Before the action": "before", "After it": "after", "Now": "now"}
            versions = {title: error.versions[key] for title, key in named.items()}
            return self.ask(request, pk, name, form, changes=[make_versions(row, versions, "The three versions")])
        except DomainError as error:
            refuse(form, error)
            return self.ask(request, pk, name, form)
        self.message_user(request, SAID[step.name].format(when=say_when(done)))
        return go(request, "reviews_correctiveaction_change", pk)

    def tables_of_result(self, row: CorrectiveAction) -> list[Table]:
        """Before and after: as it would be while it waits, as it was once it was done."""
        if row.kind == ActionKind.PROMOTIONAL_PUSH:
            return make_push_tables(row)
        if (letters := make_letters(row)) is not None:
            return [letters]
        if row.kind == ActionKind.REPLACE_PARTNER and row.before is not None:
            return []  # its replacement, which the page links, shows what it changed
        if row.before is not None:
            return [make_versions(row, {"Before": row.before, "After": row.after or {}}, "What it changed")]
        if row.state in (ActionState.PROPOSED, ActionState.APPROVED, ActionState.SCHEDULED, ActionState.FAILED):
            preview, _ = preview_of(row, now())
            return [make_preview(preview)] if preview is not None else []
        return []


def stands_behind(row: CorrectiveAction, person_id: int) -> bool:
    """Whether a person proposed it or edited it last."""
    return person_id in (row.proposer_id, row.editor_id)


def fits(name: str, row: CorrectiveAction, person_id: int) -> bool:
    """Whether a step that begins in this state makes sense here, so that nobody is offered what would be refused."""
    if name == "take_up":
        return row.proposer_id is None
    if name == "approve" and row.needs_two and not read_approvals(row.program_id).spec.solo_mode:
        return row.proposer_id is not None and not stands_behind(row, person_id)
    if name == "revert":
        return is_undoable(row, now())
    return True


def say_when(row: CorrectiveAction) -> str:
    """When an approved action is carried out."""
    due = row.scheduled_at
    if due is None or due <= now():
        return "now"
    return f"on {date_format(timezone.localtime(due), 'DATETIME_FORMAT')}"
