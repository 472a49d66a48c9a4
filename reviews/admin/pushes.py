"""The page of a promotional push: what members read, who gets it and who does not, what became of it; and the stop button."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from plum_site.lib.admin import Button, allowed, page, person_of, program_of, refuse, show, url_of
from plum_site.lib.choices import OutboxState
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.mail import put_styles
from plum_site.lib.people import names_of
from plum_site.lib.present import SUPPRESSED, Table, count
from reviews.choices import ActionKind, RecipientState
from reviews.models import CorrectiveAction, PushStop
from reviews.selectors.pushes import PushMessage, find_audience, read_push, write_message
from reviews.services.actions import UnableToExecute, can_stop, render_push, stop_push
from reviews.services.actions.kinds.offers import named_offers
from reviews.services.actions.kinds.push import NUMBERS

NOWHERE = "https://plum.example.org/mail/opt-out/"


class StopForm(forms.Form):
    """Why a push is stopped."""

    reason = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


def get_push(request: HttpRequest, pk: int) -> CorrectiveAction:
    """A push of the current program; others are unknown."""
    rows = CorrectiveAction.objects.select_related("program", "partner", "segment")
    action = rows.filter(program=program_of(request), pk=pk, kind=ActionKind.PROMOTIONAL_PUSH).first()
    if action is None:
        raise Http404(f"There is no push {pk} in this program.")
    return action


def message_of(action: CorrectiveAction) -> PushMessage | None:
    """What members read: as it was frozen, or as it would be now; None where an offer is gone."""
    if action.before:
        return PushMessage.from_json(action.before["message"])
    try:
        return write_message(action, named_offers(action))
    except UnableToExecute:
        return None


@page("actions/<int:pk>/push/", name="reviews_correctiveaction_push", operation="review.read")
def show_push(request: HttpRequest, pk: int) -> HttpResponse:
    """The message as a member reads it, in both forms, the numbers of its audience, and what became of it."""
    action = get_push(request, pk)
    message = message_of(action)
    stop = PushStop.objects.filter(action=action).first()
    buttons = []
    if allowed(request, "action.approve") and can_stop(action):
        buttons.append(Button("Stop this push…", reverse("admin:reviews_correctiveaction_ask_stop", args=[pk])))
    return show(
        request,
        "reviews/push.html",
        title=f"Push: {action.params['subject'] or 'no words yet'}",
        action=action,
        words=render_push(message, action.program, "", NOWHERE) if message else None,
        html_url=reverse("admin:reviews_correctiveaction_push_html", args=[pk]),
        stop=stop,
        stopped_by=names_of([stop.stopped_by])[stop.stopped_by] if stop else "",
        buttons=buttons,
        tables=make_push_tables(action),
        back_url=url_of(action),
        back_label=str(action),
    )


@page("actions/<int:pk>/push.html", name="reviews_correctiveaction_push_html", operation="review.read")
def show_push_html(request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML part by itself, in a frame that runs nothing and whose styles are its own."""
    action = get_push(request, pk)
    message = message_of(action)
    if message is None:
        raise Http404("There is nothing to show: an offer is gone.")
    response = HttpResponse(put_styles(render_push(message, action.program, "", NOWHERE)["html"]))
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@page("actions/<int:pk>/stop/", name="reviews_correctiveaction_ask_stop", operation="action.approve")
def ask_stop(request: HttpRequest, pk: int, form: StopForm | None = None) -> HttpResponse:
    """The page that says what stopping does and asks why."""
    get_push(request, pk)
    return show(
        request,
        "plum/ask.html",
        title="Stop this push",
        intro="Members who still wait are not written to, and mails that have not left yet do not leave any more. What was sent "
        "is out. A push that was stopped is not taken up again.",
        form=form or StopForm(),
        action=reverse("admin:reviews_correctiveaction_stop", args=[pk]),
        submit="Stop",
        back_url=reverse("admin:reviews_correctiveaction_push", args=[pk]),
        back_label="Push",
    )


@page("actions/<int:pk>/stop/do/", name="reviews_correctiveaction_stop", operation="action.approve", method="POST")
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """One service call; what it refuses stands above the form."""
    action, form = get_push(request, pk), StopForm(request.POST)
    if not form.is_valid():
        return ask_stop(request, pk, form)
    try:
        stop_push(action_id=action.pk, actor=person_of(request), at=now(), reason=form.cleaned_data["reason"])
    except DomainError as error:
        refuse(form, error)
        return ask_stop(request, pk, form)
    return HttpResponseRedirect(reverse("admin:reviews_correctiveaction_push", args=[pk]))


def make_push_tables(action: CorrectiveAction) -> list[Table]:
    """The numbers of a push: its audience, and once it was carried out what became of it."""
    tables = [_make_audience(action)]
    if action.before:
        tables.append(_make_delivery(action))
    return tables


def _make_audience(action: CorrectiveAction) -> Table:
    if action.before:
        numbers, note = action.before["audience"], "As it was frozen when the push was carried out."
    else:
        numbers, note = _count_now(action), "As it would be now. Everybody stands under the first reason that holds."
    rows: list[list[Any]] = [[NUMBERS[name], count(number)] for name, number in numbers.items()]
    return Table("Audience", ["Who", "Members"], rows, "An offer of it is gone.", frozenset({1}), note)


def _count_now(action: CorrectiveAction) -> dict[str, int]:
    try:
        audience = find_audience(action, named_offers(action), now())
    except UnableToExecute:
        return {}
    return audience.as_json() if audience.in_segment >= action.program.minimum_group else {}


def _make_delivery(action: CorrectiveAction) -> Table:
    found = read_push(action)
    rows: list[list[Any]] = [
        ["Waiting to leave", count(found.states[RecipientState.WAITING] + found.mails[OutboxState.WAITING])],
        ["Mails that a mail server took", count(found.mails[OutboxState.SENT])],
        ["Mails that were refused or given up", count(found.mails[OutboxState.DEAD])],
        ["Skipped: left or opted out meanwhile", count(found.states[RecipientState.SKIPPED])],
        ["Stopped", count(found.states[RecipientState.STOPPED])],
        ["Held out", count(found.states[RecipientState.HELD_OUT])],
    ]
    is_small = found.states[RecipientState.QUEUED] < action.program.minimum_group
    if found.told is not None:
        told = [(f"Own messenger: {name}", getattr(found.told, name)) for name in ("sent", "delivered", "bounced", "opened")]
        rows += [[label, SUPPRESSED if is_small else count(number)] for label, number in told]
    note = "Whether a mail was opened is not asked. Your own messenger says what became of what it sent."
    return Table("What became of it", ["What", "Number"], rows, numeric=frozenset({1}), note=note)
