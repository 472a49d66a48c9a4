"""Approving several corrective actions at once: each is shown before, checked anew, and answered for by itself."""

from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from plum_site.lib.admin import go, page, person_of, program_of, show, url_of
from plum_site.lib.clock import now
from plum_site.lib.present import Table, badge, link
from reviews.forms import ActionStepForm
from reviews.models import CorrectiveAction
from reviews.pages.actions import preview_of, say, say_people_needed, say_whom
from reviews.selectors.actions import list_actions
from reviews.services.actions import approve_in_bulk

MOST = 100
FIRST_CHANGES = 5
LIST = "reviews_correctiveaction_changelist"


@dataclass(frozen=True)
class Line:
    """One action of the page that asks: the revision that was ticked, what it would do, and why it could not."""

    action: CorrectiveAction
    revision: int
    sentence: str
    needs: str
    changes: list[str] = field(default_factory=list)
    more: int = 0
    whom: list[str] = field(default_factory=list)
    why_not: str = ""


@page("actions/approve/", name="reviews_correctiveaction_ask_bulk", operation="action.approve", method="POST")
def ask_bulk(request: HttpRequest, form: ActionStepForm | None = None) -> HttpResponse:
    """Before approving several: each one with what it would do now, and its revision."""
    seen = chosen(request)
    if not seen:
        messages.warning(request, f"Tick at least one action that waits, and at most {MOST}. Nothing was approved.")
        return go(request, LIST)
    return show(
        request,
        "reviews/actions_bulk.html",
        title=f"Approve {len(seen)} action{'' if len(seen) == 1 else 's'}",
        intro="Each is checked anew and for itself: what is refused stays as it is, with the reason.",
        lines=[describe(action, revision) for action, revision in seen],
        form=form or ActionStepForm(),
        action=reverse("admin:reviews_correctiveaction_bulk"),
        back_url=reverse(f"admin:{LIST}"),
        back_label="Corrective actions",
    )


@page("actions/approved/", name="reviews_correctiveaction_bulk", operation="action.approve", method="POST")
def approve_bulk(request: HttpRequest) -> HttpResponse:
    """One service call for each; then what became of every one."""
    form, seen = ActionStepForm(request.POST), chosen(request)
    if not seen or not form.is_valid():
        return ask_bulk(request, form)
    answers = approve_in_bulk(
        actions={action.pk: revision for action, revision in seen},
        actor=person_of(request),
        at=now(),
        comment=form.cleaned_data["comment"],
    )
    by_id = {action.pk: action for action, _ in seen}
    done = [answer for answer in answers if not answer.refused]
    rows = [
        [
            link(url_of(by_id[answer.action_id]), say(by_id[answer.action_id])),
            badge("Refused", "bad") if answer.refused else badge("Approved", "good"),
            answer.refused or "It is carried out at its time, or now.",
        ]
        for answer in answers
    ]
    return show(
        request,
        "plum/page.html",
        title=f"{len(done)} of {len(answers)} approved",
        intro="What was refused stays as it was.",
        tables=[Table("What became of each", ["Action", "Answer", "Why"], rows)],
        back_url=reverse(f"admin:{LIST}"),
        back_label="Corrective actions",
    )


def describe(action: CorrectiveAction, revision: int) -> Line:
    """One action as the page that asks shows it."""
    needs = say_people_needed(action)
    if revision != action.revision:
        why_not = f"It was edited since: revision {action.revision} stands, not {revision}. Look at it first."
        return Line(action, revision, say(action), needs, why_not=why_not)
    preview, why_not = preview_of(action, now())
    if preview is None:
        return Line(action, revision, say(action), needs, why_not=why_not)
    changes = [
        f"{change.what.replace('_', ' ')}: {change.before or 'nothing'} → {change.after or 'nothing'}"
        for change in preview.changes
    ]
    more = max(len(changes) - FIRST_CHANGES, 0)
    return Line(action, revision, say(action), needs, changes[:FIRST_CHANGES], more, say_whom(preview))


def chosen(request: HttpRequest) -> list[tuple[CorrectiveAction, int]]:
    """The actions of this program that were ticked, each with the revision that was seen; none where too many were."""
    ticked = {}
    for text in request.POST.getlist("action"):
        pk, _, revision = text.partition(":")
        if pk.isdecimal() and revision.isdecimal() and len(pk) < 19 and len(revision) < 10:
            ticked[int(pk)] = int(revision)
    if len(ticked) > MOST:
        return []
    return [(action, ticked[action.pk]) for action in list_actions(program_of(request).pk).filter(pk__in=ticked)]
