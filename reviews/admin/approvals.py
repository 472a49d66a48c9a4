"""How many people each kind of action needs: what is in force, its versions, and the next one."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from plum_site.lib.admin import Button, allowed, go, page, person_of, program_of, refuse, show
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.present import NO_DATA, Table, badge, count, instant
from reviews.admin.approval_requests import step_buttons
from reviews.choices import ActionKind, Approval, ApprovalRequestState
from reviews.forms import ApprovalsForm, read_number
from reviews.models import ApprovalPolicy, ApprovalRequest
from reviews.rules.actions import PEOPLE, SOLO_HOURS, UNDO_DAYS, ApprovalSpec, default_approvals, lowers, say_changes
from reviews.selectors.actions import list_approval_versions, read_approvals
from reviews.selectors.approvals import find_open_request, list_approval_requests, spec_of
from reviews.services.actions import HANDLINGS, save_approvals

REQUESTS_SHOWN = 20
TONES = {"asked": "warn", "in_force": "good", "refused": "bad", "withdrawn": "idle"}


@page("approvals/", name="action_approvals", operation="review.read", title="Approvals")
def show_approvals(request: HttpRequest) -> HttpResponse:
    """What is in force, and every version before."""
    program = program_of(request)
    in_force = read_approvals(program.pk)
    spec = in_force.spec
    rows = [[kind.label, PEOPLE[Approval(spec.approvals.get(kind, Approval.TWO))], say_undo(kind)] for kind in handled_kinds()]
    waiting = find_open_request(program.pk)
    edit = Button("Change the approvals", reverse("admin:write_approvals"), is_primary=waiting is None)
    number = f"Version {in_force.number}" if in_force.number else "What every program begins with"
    return show(
        request,
        "reviews/approvals.html",
        title="Approvals",
        intro="How many people stand behind a corrective action before it is carried out. Two are always different people: the "
        "one who approves neither proposed it nor edited it.",
        buttons=[edit] if allowed(request, "rule.edit") else [],
        solo_mode=spec.solo_mode,
        solo_hours=SOLO_HOURS,
        waiting=waiting,
        steps=step_buttons(request, waiting) if waiting else [],
        lowered=make_lowered(spec, waiting) if waiting else None,
        tables=[
            Table(f"In force: {number.lower()}", ["Kind of action", "Needs", "Can be taken back"], rows, note=say_limit(spec)),
            make_requests(list(list_approval_requests(program.pk)[:REQUESTS_SHOWN])),
            make_history(list(list_approval_versions(program.pk))),
        ],
    )


@page("approvals/write/", name="write_approvals", operation="rule.edit")
def write_approvals(request: HttpRequest, form: ApprovalsForm | None = None) -> HttpResponse:
    """The form of the next version."""
    in_force = read_approvals(program_of(request).pk)
    return show(
        request,
        "reviews/approvals_form.html",
        title="Change the approvals",
        intro="Actions that wait already keep asking for two people where they did; nothing that was approved is undone.",
        form=form or make_form(None, in_force.spec),
        number=in_force.number,
        action=reverse("admin:ask_approvals"),
        back_url=reverse("admin:action_approvals"),
        back_label="Approvals",
    )


@page("approvals/ask/", name="ask_approvals", operation="rule.edit", method="POST")
def ask_approvals(request: HttpRequest) -> HttpResponse:
    """What would change, before it does."""
    in_force = read_approvals(program_of(request).pk)
    form = make_form(request.POST, in_force.spec)
    if request.POST.get("do") == "again" or not form.is_valid():
        return write_approvals(request, form)
    spec = form.read()
    changes = say_changes(in_force.spec, spec)
    if not changes:
        messages.info(request, "That is what is in force already. Nothing was saved.")
        return go(request, "action_approvals")
    is_lower = lowers(in_force.spec, spec)
    title = f"Put version {in_force.number + 1} of the approvals in force"
    return show(
        request,
        "reviews/approvals_ask.html",
        title="Ask for lower approvals" if is_lower else title,
        is_lower=is_lower,
        waiting=find_open_request(program_of(request).pk),
        sent=[(name, value) for name in (*form.fields, "number") for value in request.POST.getlist(name)],
        solo_mode=spec.solo_mode and not in_force.spec.solo_mode,
        solo_hours=SOLO_HOURS,
        changes=Table("What changes", ["What", "Now", "Afterwards"], [list(row) for row in changes]),
        action=reverse("admin:save_approvals"),
        again=reverse("admin:ask_approvals"),
        back_url=reverse("admin:action_approvals"),
        back_label="Approvals",
    )


@page("approvals/save/", name="save_approvals", operation="rule.edit", method="POST")
def save(request: HttpRequest) -> HttpResponse:
    """One service call, if nobody has saved another version meanwhile."""
    program = program_of(request)
    in_force = read_approvals(program.pk)
    form = make_form(request.POST, in_force.spec)
    if not form.is_valid():
        return write_approvals(request, form)
    replaces = read_number(request.POST.get("number", ""))
    try:
        row = save_approvals(program_id=program.pk, spec=form.read(), actor=person_of(request), at=now(), replaces=replaces)
    except DomainError as error:
        if error.code == "changed_since":
            messages.error(request, error.detail)
            return go(request, "action_approvals")
        refuse(form, error)
        return write_approvals(request, form)
    if isinstance(row, ApprovalRequest):
        messages.success(request, "Asked for. Nothing has changed yet, and every admin of the program is told.")
    else:
        messages.success(request, f"{row} is in force.")
    return go(request, "action_approvals")


def make_lowered(before: ApprovalSpec, waiting: ApprovalRequest) -> Table:
    """What an open request would change."""
    return Table("", ["What", "Now", "As asked for"], [list(row) for row in say_changes(before, spec_of(waiting))])


def handled_kinds() -> list[ActionKind]:
    """The kinds that can be carried out."""
    return [kind for kind in ActionKind if kind in HANDLINGS]


def make_form(data: Any, spec: ApprovalSpec) -> ApprovalsForm:
    """The form, beginning with what is in force."""
    return ApprovalsForm(data, kinds=handled_kinds(), spec=spec)


def say_undo(kind: ActionKind) -> str:
    """Whether what was done can be taken back."""
    return f"for {UNDO_DAYS} days" if HANDLINGS[kind].undo is not None else "no: what went out is out"


def say_limit(spec: ApprovalSpec) -> str:
    """The rule about large pushes, where there are pushes."""
    if ActionKind.PROMOTIONAL_PUSH not in HANDLINGS:
        return ""
    return f"A push to more than {count(spec.push_limit)} recipients needs two people in any case."


def make_history(versions: list[ApprovalPolicy]) -> Table:
    """Every version, newest first, with what it changed."""
    names: Mapping[str, str] = names_of(row.made_by for row in versions)
    rows = []
    for index, row in enumerate(versions):
        before = spec_of(versions[index + 1]) if index + 1 < len(versions) else default_approvals()
        changes = say_in_a_line(before, spec_of(row))
        state = badge("in force", "good") if index == 0 else NO_DATA
        rows.append(
            [
                f"Version {row.number}",
                state,
                changes or "as every program begins",
                instant(row.made_at),
                names[row.made_by],
                say_leave(row.request) if row.request else "asks for no less",
            ]
        )
    headers = ["Version", "State", "What it changed", "When", "Who", "By whose leave"]
    return Table("Versions, newest first", headers, rows, "Nobody has changed the approvals yet.")


def make_requests(requests: list[ApprovalRequest]) -> Table:
    """Who asked for less, newest first, and what came of it."""
    rows = [
        [
            instant(row.asked_at),
            row.asker.username,
            badge(row.get_state_display(), TONES[row.state]),
            instant(row.answered_at),
            "" if row.state == ApprovalRequestState.ASKED else str(row.answerer or "Plum"),
            row.answer or NO_DATA,
        ]
        for row in requests
    ]
    headers = ["Asked", "By whom", "State", "Answered", "By whom", "Why"]
    note = f"The {REQUESTS_SHOWN} newest." if len(requests) == REQUESTS_SHOWN else ""
    return Table("Requests to lower them, newest first", headers, rows, "Nobody has asked for less yet.", note=note)


def say_leave(row: ApprovalRequest) -> str:
    """Who stands behind a version that asks for less than the one before."""
    if row.answerer is not None:
        return f"confirmed by {row.answerer}"
    return f"by time: {SOLO_HOURS} hours after it was asked"


def say_in_a_line(before: ApprovalSpec, after: ApprovalSpec) -> str:
    """What differs between two versions, in one line."""
    return "; ".join(f"{what}: {then} → {now_}" for what, then, now_ in say_changes(before, after))
