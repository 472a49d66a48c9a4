"""Approving corrective actions, rejecting and cancelling them: by people who hold the right at that moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from plum_site.lib import jobs
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from reviews.models import CorrectiveAction
from reviews.rules.actions import SOLO_HOURS, check_params, needs_two_people
from reviews.selectors.actions import read_approvals
from reviews.services.actions.kinds import HANDLINGS
from reviews.services.actions.log import lock_action, take, take_by_itself
from reviews.services.actions.people import UnableToDecideAction, person_behind, require_right
from reviews.services.actions.proposing import check_revision
from reviews.workflow import APPROVE, PROPOSE

EXECUTE = "reviews.execute_action"


@dataclass(frozen=True)
class Approved:
    """What became of one action of a bulk approval: refused and code say why it was left as it is, for people and programs."""

    action_id: int
    refused: str = ""
    code: str = ""


@transaction.atomic
def approve_action(
    *, action_id: int, actor: User | str, at: datetime, comment: str = "", replaces: int | None = None
) -> CorrectiveAction:
    """
    Give leave for one action, as it stands: it is carried out at its time, or at once.

    Where two people are needed, never by whoever proposed it or edited it, by whatever door they come; the database refuses it
    too. In solo mode one person is enough, and the action waits for 24 hours. replaces: the revision that the caller saw.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_params (words are missing),
    changed_since; UnableToExecute; UnableToDecideAction - nobody_behind, same_person, not_taken_up.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_job, plum_auditevent.
    Source: docs/rules/approvals.md
    """
    action = lock_action(action_id)
    person = require_right(person_behind(actor), APPROVE, action.program_id)
    check_revision(action, replaces)
    check_params(action.kind, action.params)
    recipients = HANDLINGS[action.kind].preview(action, at).members or 0
    spec = read_approvals(action.program_id).spec
    # The policy, or the number of recipients, may ask for more than when it was proposed; never for less unseen.
    needs_two = action.needs_two or needs_two_people(spec, action.kind, recipients)
    is_solo = needs_two and spec.solo_mode and _stands_behind(person, action)
    if needs_two and not is_solo:
        _check_second(person, action)
    due_at = max(at + timedelta(hours=SOLO_HOURS) if is_solo else at, action.scheduled_at or at)
    try:
        with transaction.atomic():
            take(
                action,
                "approve",
                actor,
                at,
                comment,
                approver=person,
                approved_at=at,
                needs_two=needs_two,
                is_solo=is_solo,
            )
    except IntegrityError as error:
        raise UnableToDecideAction("same_person", "Somebody else has to approve this action. Nothing was changed.") from error
    take_by_itself(action, "schedule", at, scheduled_at=due_at)
    plan_execution(action, due_at, at)
    return action


def approve_in_bulk(*, actions: Mapping[int, int], actor: User | str, at: datetime, comment: str = "") -> list[Approved]:
    """
    Give leave for several actions, each checked anew and for itself: what is refused stays as it is and says why.

    actions: id to the revision that the caller saw.

    Raises: nothing.
    Writes: as approve_action, a transaction for each.
    """
    done = []
    for action_id, revision in actions.items():
        try:
            approve_action(action_id=action_id, actor=actor, at=at, comment=comment, replaces=revision)
            done.append(Approved(action_id))
        except DomainError as error:
            done.append(Approved(action_id, error.detail, error.code))
    return done


@transaction.atomic
def reject_action(*, action_id: int, actor: User | str, at: datetime, comment: str) -> CorrectiveAction:
    """
    Refuse an action that was proposed, with a reason.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent.
    """
    action = lock_action(action_id)
    require_right(person_behind(actor), APPROVE, action.program_id)
    take(action, "reject", actor, at, comment)
    return action


@transaction.atomic
def cancel_action(*, action_id: int, actor: User | str, at: datetime, comment: str) -> CorrectiveAction:
    """
    Call off an action that has not begun, with a reason.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent.
    """
    action = lock_action(action_id)
    require_right(person_behind(actor), PROPOSE, action.program_id)
    take(action, "cancel", actor, at, comment)
    return action


def plan_execution(action: CorrectiveAction, due_at: datetime, at: datetime) -> None:
    """Have an approved action carried out at its time. Writes: plum_job."""
    jobs.plan(
        name=EXECUTE,
        key=f"action:{action.pk}:{action.revision}:{action.transitions.count()}",
        program_id=action.program_id,
        arguments={"action_id": action.pk, "revision": action.revision},
        due_at=due_at,
        at=at,
    )


def _stands_behind(person: User, action: CorrectiveAction) -> bool:
    return person.pk in (action.proposer_id, action.editor_id)


def _check_second(person: User, action: CorrectiveAction) -> None:
    if action.proposer_id is None:
        sentence = "A rule proposed this: one person takes it up, and another one approves it. Nothing was changed."
        raise UnableToDecideAction("not_taken_up", sentence)
    involved = action.transitions.filter(name__in=("propose", "take_up", "edit")).values_list("actor", flat=True)
    if _stands_behind(person, action) or any(person == person_behind(name) for name in set(involved)):
        sentence = "You proposed or edited this action: somebody else has to approve it. Nothing was changed."
        raise UnableToDecideAction("same_person", sentence)
