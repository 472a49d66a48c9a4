"""The steps that people take with a request to lower the approvals: each shows what would change and asks why."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from plum_site.lib.admin import Button, CommentForm, allowed, go, page, person_of, program_of, refuse, show
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.present import Table
from plum_site.lib.workflow import Transition, available
from reviews.choices import ApprovalRequestState
from reviews.models import ApprovalRequest
from reviews.rules.actions import is_theirs, say_changes
from reviews.selectors.actions import read_approvals
from reviews.selectors.approvals import get_approval_request, spec_of
from reviews.services.actions import answer_approval_request
from reviews.workflow import APPROVAL_REQUEST_TRANSITIONS, EDIT

INTROS = {
    "confirm": "You are the second person: it takes force now. What was proposed before keeps asking for two where it did.",
    "refuse": "What is in force stays.",
    "withdraw": "What is in force stays. You can ask again at any time.",
}
SAID = {
    "confirm": "Confirmed: the lower approvals are in force.",
    "refuse": "Refused: the approvals in force stay.",
    "withdraw": "Withdrawn: the approvals in force stay.",
}
CLOSED = "This request was {state} already. Nothing was changed."


def step_buttons(request: HttpRequest, row: ApprovalRequest) -> list[Button]:
    """One button for each step that this person may take with an open request."""
    return [
        Button(f"{step.label}…", reverse("admin:reviews_approvalrequest_do", args=[row.pk, step.name]), is_primary=index == 0)
        for index, step in enumerate(available(APPROVAL_REQUEST_TRANSITIONS, row.state))
        if allowed(request, step.operation) and is_theirs(step.name, row.asker_id, person_of(request).pk)
    ]


@page("approvals/requests/<int:pk>/do/<slug:name>/", name="reviews_approvalrequest_do", operation=EDIT)
def ask_step(request: HttpRequest, pk: int, name: str, form: forms.Form | None = None) -> HttpResponse:
    """What the step does, what was asked for, and why."""
    row, step = find_row(request, pk), find_step(name)
    if row.state != ApprovalRequestState.ASKED:
        messages.info(request, CLOSED.format(state=row.get_state_display().lower()))
        return go(request, "action_approvals")
    form = form or CommentForm()
    form.fields["comment"].required = step.needs_comment
    changes = [list(change) for change in say_changes(read_approvals(row.program_id).spec, spec_of(row))]
    return show(
        request,
        "plum/ask.html",
        title=f"{step.label}: lower approvals",
        intro=f"{INTROS[name]} This is logged with your name.",
        form=form,
        tables=[Table(f"As {row.asker} asked for it", ["What", "Now", "As asked for"], changes)],
        action=reverse("admin:reviews_approvalrequest_done", args=[pk, name]),
        submit=step.label,
        back_url=reverse("admin:action_approvals"),
        back_label="Approvals",
    )


@page("approvals/requests/<int:pk>/done/<slug:name>/", name="reviews_approvalrequest_done", operation=EDIT, method="POST")
def take_step(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One service call; what it refuses stands above the form."""
    row, step, form = find_row(request, pk), find_step(name), CommentForm(request.POST)
    if not form.is_valid():
        return ask_step(request, pk, name, form)
    try:
        answer_approval_request(
            request_id=row.pk, name=step.name, actor=person_of(request), at=now(), comment=form.cleaned_data["comment"]
        )
    except DomainError as error:
        refuse(form, error)
        return ask_step(request, pk, name, form)
    messages.success(request, SAID[name])
    return go(request, "action_approvals")


def find_row(request: HttpRequest, pk: int) -> ApprovalRequest:
    """A request of the current program; others are unknown."""
    try:
        return get_approval_request(program_of(request).pk, pk)
    except NotFound as error:
        raise Http404(error.detail) from error


def find_step(name: str) -> Transition:
    """A step of the table; others are unknown."""
    step = APPROVAL_REQUEST_TRANSITIONS.get(name)
    if step is None:
        raise Http404(f"There is no step {name!r}.")
    return step
