"""The checks of `manage.py verify actions`: who stands behind each corrective action, and that each was carried out once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from partners.models import Program
from partners.selectors import list_programs
from plum_site.lib.audit import reference
from plum_site.lib.models import ApiToken, AuditEvent
from plum_site.lib.verify import Finding, check
from reviews.models import ActionTransition, CorrectiveAction
from reviews.verify.approvals import check_lowerings

STANDS_BEHIND = ("propose", "take_up", "edit")
Steps = Mapping[int, Sequence[ActionTransition]]


@check("actions")
def check_actions() -> Iterator[Finding]:
    """Every corrective action of every program."""
    for program in list_programs():
        actions = list(CorrectiveAction.objects.filter(program=program).order_by("id"))
        steps: dict[int, list[ActionTransition]] = defaultdict(list)
        for step in ActionTransition.objects.filter(action__program=program).order_by("id"):
            steps[step.action_id].append(step)
        people = _find_people(program)
        yield _check_approvals(program, actions, people)
        yield _check_second_people(program, actions, steps, people)
        yield _check_executions(program, actions, steps)
        yield _check_histories(program, actions, steps)
        yield check_lowerings(program, partial(_person, people=people))


def _find_people(program: Program) -> dict[str, int | None]:
    """Who stands behind each token of a program, by the name that logs have for it."""
    tokens = ApiToken.objects.filter(program_id=program.pk).values_list("pk", "created_by_id")
    return {f"token:{pk}": person for pk, person in tokens}


def _person(actor: str, people: Mapping[str, int | None]) -> int | None:
    """The id of the person behind a name in a log; None where there is none."""
    kind, _, number = actor.partition(":")
    return int(number) if kind == "user" and number.isdecimal() else people.get(actor)


def _check_approvals(program: Program, actions: Sequence[CorrectiveAction], people: Mapping[str, int | None]) -> Finding:
    """Each approval that stands is in the audit log, once for its revision, by the one who is named as its approver."""
    approved = [action for action in actions if action.approver_id is not None]
    audited: dict[str, list[AuditEvent]] = defaultdict(list)
    for entry in AuditEvent.objects.filter(program_id=program.pk, action="reviews.approve_action").order_by("id"):
        audited[entry.object_ref].append(entry)
    violations = []
    for action in approved:
        entries = [entry for entry in audited[reference(action)] if (entry.after or {}).get("revision") == action.revision]
        if len(entries) != 1:
            violations.append(
                f"action {action.pk} revision {action.revision} has an approver, and the audit log {len(entries)} approvals of it"
            )
        elif _person(entries[0].actor, people) != action.approver_id:
            violations.append(
                f"action {action.pk} names user:{action.approver_id} as its approver, and the audit log {entries[0].actor}"
            )
    return Finding(f"{program.code}: approvals as they were logged", len(approved), violations)


def _check_second_people(
    program: Program, actions: Sequence[CorrectiveAction], steps: Steps, people: Mapping[str, int | None]
) -> Finding:
    """Where two people are required, whoever approved is neither the proposer nor anybody who edited it before."""
    double = [action for action in actions if action.needs_two and not action.is_solo and action.approver_id is not None]
    violations = []
    for action in double:
        involved = {action.proposer_id, action.editor_id}
        involved |= {_person(step.actor, people) for step in steps.get(action.pk, ()) if step.name in STANDS_BEHIND}
        if action.proposer_id is None:
            violations.append(f"action {action.pk} needs two people, and nobody stands behind its proposal")
        elif action.approver_id in involved:
            violations.append(f"action {action.pk} needs two people, and user:{action.approver_id} proposed or edited it too")
    return Finding(f"{program.code}: two people where two are required", len(double), violations)


def _check_executions(program: Program, actions: Sequence[CorrectiveAction], steps: Steps) -> Finding:
    """What was carried out was so once, and nothing else was."""
    violations, checked = [], 0
    for action in actions:
        count = sum(step.name == "finish" for step in steps.get(action.pk, ()))
        is_done = action.executed_at is not None
        checked += is_done
        if count != int(is_done):
            said = "was carried out" if is_done else "was not carried out"
            violations.append(f"action {action.pk} {said}, and its history finishes it {count} times")
    return Finding(f"{program.code}: carried out once", checked, violations)


def _check_histories(program: Program, actions: Sequence[CorrectiveAction], steps: Steps) -> Finding:
    """The steps of each action lead from one to the next, and to the state that it is in."""
    violations = []
    for action in actions:
        own = steps.get(action.pk, ())
        froms, tos = [step.from_state for step in own], [step.to_state for step in own]
        if froms != ["", *tos[:-1]] or tos[-1:] != [action.state]:
            said = " → ".join(tos) or "nothing"
            violations.append(f"action {action.pk} is {action.state}, and its history says otherwise: {said}")
    return Finding(f"{program.code}: histories of actions", len(actions), violations)
