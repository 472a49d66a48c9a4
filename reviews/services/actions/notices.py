"""What people are told by mail about corrective actions: proposals, failures, void approvals, and approvals to be lowered."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from partners.models import Program
from plum_site.lib.announcements import address_of
from plum_site.lib.models import Outbox, User
from plum_site.lib.people import list_admins, list_insiders, may_be_told
from plum_site.lib.periods import local_date
from plum_site.lib.person_mail import write_to
from reviews.choices import ActionKind, ActionState, RecipientState
from reviews.models import ActionTransition, ApprovalRequest, CorrectiveAction
from reviews.rules.actions import ApprovalSpec, say_action, say_changes
from reviews.selectors.actions import list_waiting_actions
from reviews.selectors.approvals import spec_of
from reviews.selectors.pushes import read_push
from reviews.services.notices import ESCALATES_AFTER


@dataclass(frozen=True)
class Line:
    """One action in a mail. days: for how many it has been due; None: it is not told because it is."""

    sentence: str
    reason: str
    proposer: str
    needs_two: bool
    due_date: date | None
    days: int | None
    url: str


def tell_of_proposals(*, actions: Sequence[CorrectiveAction], at: datetime) -> int:
    """
    Actions of one program were proposed: one mail to each person who should decide, with all of theirs; how many mails.

    Told are the owner and, where two people are needed, the program's admins; never whoever proposed it, and nobody without an
    address or a role. What was not proposed just now is left out.

    Raises: nothing.
    Writes: plum_outbox, in the caller's transaction.
    """
    new = [action for action in actions if action.state == ActionState.PROPOSED and action.proposed_at == at]
    if not new:
        return 0
    program = new[0].program
    insiders, admins = list_insiders(program.pk), list_admins(program.pk)
    by_person: dict[User, list[CorrectiveAction]] = defaultdict(list)
    for action in new:
        people = _deciders(action, admins if action.needs_two else ())
        for person in people:
            if person.pk != action.proposer_id and may_be_told(person, insiders):
                by_person[person].append(action)
    for person, theirs in by_person.items():
        subject = f"{_count(theirs)} proposed and {'waits' if len(theirs) == 1 else 'wait'} for a decision"
        first = min(action.pk for action in theirs)  # proposed once, so told once
        _send(program, person, "actions_waiting", subject, _waiting(theirs, None), f"proposed:{person.pk}:{first}", at)
    return len(by_person)


def remind_of_actions(*, program_id: int, at: datetime) -> int:
    """
    Actions are due and still wait for a decision: one mail a day to the owner and, where two people are needed, nobody else can
    be told, or three days have passed, to the program's admins; how many mails.

    Raises: nothing.
    Writes: plum_outbox; one transaction. Twice on a day sends once.
    """
    program = Program.objects.get(pk=program_id)
    today = local_date(at, program.time_zone)
    insiders, admins = list_insiders(program_id), list_admins(program_id)
    by_person: dict[User, list[CorrectiveAction]] = defaultdict(list)
    for action in list_waiting_actions(program_id).filter(due_date__lte=today):
        has_owner = action.owner is not None and may_be_told(action.owner, insiders)
        is_late = action.due_date is not None and today - action.due_date >= ESCALATES_AFTER
        for person in _deciders(action, admins if action.needs_two or is_late or not has_owner else ()):
            if may_be_told(person, insiders):
                by_person[person].append(action)
    count = 0
    with transaction.atomic():
        for person, theirs in sorted(by_person.items(), key=lambda pair: pair[0].pk):
            subject = f"{_count(theirs)} due for a decision"
            key = f"actions_due:{program_id}:{person.pk}:{today}"
            message = _send(program, person, "actions_waiting", subject, _waiting(theirs, today), key, at)
            count += message.created_at == at
    return count


def tell_of_failure(*, action: CorrectiveAction, step: ActionTransition, at: datetime) -> int:
    """
    An action could not be carried out: its owner and whoever approved it are told why at once, or the admins where neither can
    be; how many mails.

    Raises: nothing.
    Writes: plum_outbox, in the caller's transaction.
    """
    insiders = list_insiders(action.program_id)
    people = {person for person in (action.owner, action.approver) if person is not None and may_be_told(person, insiders)}
    people = people or {person for person in list_admins(action.program_id) if may_be_told(person, insiders)}
    told = {"action": _line(action, None), "failure": step.comment, "extent": say_extent(action)}
    for person in sorted(people, key=lambda person: person.pk):
        subject = f"A corrective action for {action.partner.name} failed"
        _send(action.program, person, "action_failed", subject, told, f"action_failed:{step.pk}:{person.pk}", at)
    return len(people)


def tell_of_lowering(*, request: ApprovalRequest, before: ApprovalSpec, at: datetime) -> int:
    """
    Somebody asked for approvals that ask for less: one mail at once to every admin of the program, whoever asked included, with
    what would change and until when it can be stopped; how many mails. Nobody without an address or a role is told.

    Raises: nothing.
    Writes: plum_outbox, in the caller's transaction.
    """
    insiders = list_insiders(request.program_id)
    told = {
        "asker": request.asker.get_full_name() or request.asker.username,
        "changes": say_changes(before, spec_of(request)),
        "due_at": request.due_at,
        "zone": ZoneInfo(request.program.time_zone),
        "approvals_url": address_of("admin:action_approvals"),
    }
    admins = [person for person in list_admins(request.program_id) if may_be_told(person, insiders)]
    for person in admins:
        subject = "somebody asked to lower the approvals"
        mine = {**told, "is_asker": person == request.asker}
        key = f"approvals_asked:{request.pk}:{person.pk}"
        _send(request.program, person, "approvals_asked", subject, mine, key, at)
    return len(admins)


def tell_of_voided_approval(*, action: CorrectiveAction, approver: User | None, at: datetime) -> int:
    """
    An action was edited after somebody had approved it: they are told that their approval is void; how many mails. Whoever edited
    it knows.

    Raises: nothing.
    Writes: plum_outbox, in the caller's transaction.
    """
    if approver is None or approver == action.editor or not may_be_told(approver, list_insiders(action.program_id)):
        return 0
    editor = action.editor
    told = {"action": _line(action, None), "editor": (editor.get_full_name() or editor.username) if editor else ""}
    subject = f"A corrective action for {action.partner.name} that you approved was edited"
    _send(action.program, approver, "action_edited", subject, told, f"action_edited:{action.pk}:{action.revision}", at)
    return 1


def say_extent(action: CorrectiveAction) -> str:
    """
    How far an action came that failed: what was sent of it and what was not.

    Shape: a sentence.
    """
    if action.kind == ActionKind.CONTACT_PARTNER:
        return "No letter was sent."
    if action.kind != ActionKind.PROMOTIONAL_PUSH:
        return "Nothing was changed."
    states = read_push(action).states
    sent = states[RecipientState.QUEUED]
    others = states[RecipientState.WAITING] + states[RecipientState.STOPPED] + states[RecipientState.SKIPPED]
    if not sent:
        return "Nobody was written to."
    smallest = action.program.minimum_group
    numbers = [f"fewer than {smallest}" if 0 < number < smallest else f"{number:,}" for number in (sent, others)]
    return f"Messages to {numbers[0]} members had left or were on their way; {numbers[1]} members were not written to."


def _deciders(action: CorrectiveAction, admins: Collection[User]) -> list[User]:
    """The owner and, of these admins, those who did not propose or edit it: they could not be the second person."""
    others = [person for person in admins if person.pk not in (action.proposer_id, action.editor_id)]
    return list(dict.fromkeys([*([action.owner] if action.owner else []), *others]))


def _count(actions: Sequence[CorrectiveAction]) -> str:
    if len(actions) == 1:
        return f"1 corrective action for {actions[0].partner.name} is"
    return f"{len(actions)} corrective actions are"


def _waiting(actions: Sequence[CorrectiveAction], today: date | None) -> dict[str, object]:
    """What the mail about actions that wait says; today: of a reminder."""
    by_partner: dict[str, list[Line]] = defaultdict(list)
    for action in sorted(actions, key=lambda action: (action.partner.name, action.pk)):
        by_partner[action.partner.name].append(_line(action, today))
    return {"partners": list(by_partner.items()), "is_reminder": today is not None, "is_one": len(actions) == 1}


def _line(action: CorrectiveAction, today: date | None) -> Line:
    segment = action.segment.name if action.segment else ""
    return Line(
        sentence=say_action(action.kind, action.params, action.partner.name, segment),
        reason=action.reason,
        proposer=(action.proposer.get_full_name() or action.proposer.username) if action.proposer else "",
        needs_two=action.needs_two,
        due_date=action.due_date,
        days=(today - action.due_date).days if today is not None and action.due_date is not None else None,
        url=address_of("admin:reviews_correctiveaction_change", action.pk),
    )


def _send(
    program: Program, person: User, template: str, subject: str, told: Mapping[str, object], dedup_key: str, at: datetime
) -> Outbox:
    return write_to(
        person=person,
        program=program,
        template=f"reviews/mail/{template}",
        subject=subject,
        told={**told, "list_url": address_of("admin:reviews_correctiveaction_changelist")},
        dedup_key=dedup_key,
        at=at,
    )
