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
from reviews.choices import ActionKind, Approval
from reviews.forms import ApprovalsForm
from reviews.models import ApprovalPolicy
from reviews.rules.actions import SOLO_HOURS, UNDO_DAYS, ApprovalSpec, default_approvals
from reviews.selectors.actions import list_approval_versions, read_approvals
from reviews.services.actions import HANDLINGS, save_approvals

PEOPLE = {Approval.ONE: "one person", Approval.TWO: "two different people"}
CHANGED = "Somebody saved another version meanwhile. Nothing was saved. Look at what is in force and change it again."


@page("approvals/", name="action_approvals", operation="review.read", title="Approvals")
def show_approvals(request: HttpRequest) -> HttpResponse:
    """What is in force, and every version before."""
    program = program_of(request)
    in_force = read_approvals(program.pk)
    spec = in_force.spec
    rows = [[kind.label, PEOPLE[Approval(spec.approvals.get(kind, Approval.TWO))], say_undo(kind)] for kind in handled_kinds()]
    edit = Button("Change the approvals", reverse("admin:write_approvals"), is_primary=True)
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
        tables=[
            Table(f"In force: {number.lower()}", ["Kind of action", "Needs", "Can be taken back"], rows, note=say_limit(spec)),
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
    changes = list_changes(in_force.spec, spec)
    if not changes:
        messages.info(request, "That is what is in force already. Nothing was saved.")
        return go(request, "action_approvals")
    weaker = [kind.label for kind in handled_kinds() if is_weaker(in_force.spec, spec, kind)]
    return show(
        request,
        "reviews/approvals_ask.html",
        title=f"Put version {in_force.number + 1} of the approvals in force",
        sent=[(name, value) for name in (*form.fields, "number") for value in request.POST.getlist(name)],
        weaker=weaker,
        solo_mode=spec.solo_mode and not in_force.spec.solo_mode,
        solo_hours=SOLO_HOURS,
        changes=Table("What changes", ["What", "Now", "Afterwards"], changes),
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
    if request.POST.get("number") != str(in_force.number):
        messages.error(request, CHANGED)
        return go(request, "action_approvals")
    try:
        row = save_approvals(program_id=program.pk, spec=form.read(), actor=person_of(request), at=now())
    except DomainError as error:
        refuse(form, error)
        return write_approvals(request, form)
    messages.success(request, f"{row} is in force.")
    return go(request, "action_approvals")


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


def is_weaker(before: ApprovalSpec, after: ApprovalSpec, kind: ActionKind) -> bool:
    """Whether a kind needs fewer people than it did."""
    return before.approvals.get(kind) == Approval.TWO and after.approvals.get(kind) == Approval.ONE


def list_changes(before: ApprovalSpec, after: ApprovalSpec) -> list[list[Any]]:
    """What differs between two versions, in words."""
    rows: list[list[Any]] = []
    for kind in ActionKind:
        then, now_ = before.approvals.get(kind, Approval.TWO), after.approvals.get(kind, Approval.TWO)
        if then != now_:
            rows.append([kind.label, PEOPLE[Approval(then)], PEOPLE[Approval(now_)]])
    if before.push_limit != after.push_limit:
        rows.append(["Largest push for one person", count(before.push_limit), count(after.push_limit)])
    if before.solo_mode != after.solo_mode:
        rows.append(["Solo mode", *("on" if spec.solo_mode else "off" for spec in (before, after))])
    return rows


def make_history(versions: list[ApprovalPolicy]) -> Table:
    """Every version, newest first, with what it changed."""
    names: Mapping[str, str] = names_of(row.made_by for row in versions)
    rows = []
    for index, row in enumerate(versions):
        before = spec_of(versions[index + 1]) if index + 1 < len(versions) else default_approvals()
        changes = "; ".join(f"{what}: {then} → {after}" for what, then, after in list_changes(before, spec_of(row)))
        state = badge("in force", "good") if index == 0 else NO_DATA
        rows.append(
            [f"Version {row.number}", state, changes or "as every program begins", instant(row.made_at), names[row.made_by]]
        )
    headers = ["Version", "State", "What it changed", "When", "Who"]
    return Table("Versions, newest first", headers, rows, "Nobody has changed the approvals yet.")


def spec_of(row: ApprovalPolicy) -> ApprovalSpec:
    """One stored version."""
    return ApprovalSpec(row.approvals, row.push_limit, row.solo_mode)
