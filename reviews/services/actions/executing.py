"""Carrying out what was approved, once; and taking it back."""

from datetime import datetime
from typing import Any

from django.db import transaction

from plum_site.lib import audit
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from reviews.choices import ActionState
from reviews.models import CorrectiveAction
from reviews.rules.actions import UNDO_DAYS, is_in_time
from reviews.services.actions.approving import plan_execution
from reviews.services.actions.effects import begin_measuring, make_design
from reviews.services.actions.kinds import HANDLINGS, Applied
from reviews.services.actions.kinds.base import State
from reviews.services.actions.log import lock_action, take, take_by_itself
from reviews.services.actions.people import UnableToDecideAction, person_behind, require_right
from reviews.workflow import APPROVE


def execute_action(*, action_id: int, revision: int, at: datetime) -> CorrectiveAction:
    """
    Carry out one approved action, if it still waits as it was approved: the effect, what was before and after, and the state
    are one transaction, so that any number of runs, and a crash anywhere, leave one effect.

    What cannot be carried out fails with a reason, and changes nothing.

    Raises: NotFound.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent, and what the kind does; one transaction.
    Source: docs/rules/actions.md
    """
    with transaction.atomic():
        action = lock_action(action_id)
        if action.state != ActionState.SCHEDULED or action.revision != revision:
            return action
        crashpoint("action.locked")
        try:
            with transaction.atomic():
                handling = HANDLINGS[action.kind]
                handling.freeze(action, at)
                design = make_design(action, at)
                take_by_itself(action, "begin", at, design=design.as_json() if design else None)
                applied = handling.apply(action, at)
                crashpoint("action.applied")
                if applied.is_done:
                    take_by_itself(action, "finish", at, executed_at=at, before=applied.before, after=applied.after)
                    begin_measuring(action, at)
                else:
                    action.before = applied.before
                    action.save(update_fields=["before"])
        except DomainError as error:
            action.refresh_from_db()
            take_by_itself(action, "fail", at, error.detail, failure=error.detail)
        crashpoint("action.before_commit")
    crashpoint("action.committed")
    return action


@transaction.atomic
def finish_action(
    *, action_id: int, after: State, at: datetime, executed_at: datetime | None = None, design: State | None = None
) -> CorrectiveAction:
    """
    Mark an action executed whose rest was done in the background, and begin to measure it. One that is executed stays so.

    after: what it left, as JSON of its kind. executed_at, design: when it changed what members see, and how that is measured,
    where it was only said then.

    Raises: NotFound; DomainError - transition_refused.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent.
    Source: docs/rules/actions.md
    """
    action = lock_action(action_id)
    if action.state in (ActionState.EXECUTED, ActionState.MEASURING, ActionState.MEASURED):
        return action
    stamps: dict[str, Any] = {"executed_at": executed_at or at, "after": after}
    if action.design is None:
        stamps["design"] = design
    take_by_itself(action, "finish", at, **stamps)
    begin_measuring(action, at)
    return action


@transaction.atomic
def fail_action(*, action_id: int, reason: str, at: datetime) -> CorrectiveAction:
    """
    Mark an action failed whose rest, in the background or by people, came to nothing.

    Raises: NotFound; DomainError - transition_refused.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_outbox, plum_auditevent.
    Source: docs/rules/actions.md
    """
    action = lock_action(action_id)
    take_by_itself(action, "fail", at, reason, failure=reason)
    return action


@transaction.atomic
def retry_action(*, action_id: int, actor: User | str, at: datetime, comment: str = "") -> CorrectiveAction:
    """
    Have an action that failed carried out after all, as it was approved.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; UnableToExecute where it would fail again.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_job, plum_auditevent.
    """
    action = lock_action(action_id)
    require_right(person_behind(actor), APPROVE, action.program_id)
    HANDLINGS[action.kind].preview(action, at)
    take(action, "retry", actor, at, comment, failure="", scheduled_at=at)
    plan_execution(action, at, at)
    return action


@transaction.atomic
def revert_action(*, action_id: int, actor: User | str, at: datetime, comment: str) -> CorrectiveAction:
    """
    Put back what was there before an action, within 30 days. Where somebody has changed it since, nothing is changed, and the
    three versions are shown.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required; ChangedSince;
    UnableToExecute; UnableToDecideAction - cannot_revert, too_late.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent, and what the kind does.
    Source: docs/rules/actions.md
    """
    action = lock_action(action_id)
    require_right(person_behind(actor), APPROVE, action.program_id)
    undo = HANDLINGS[action.kind].undo
    if undo is None:
        label = action.get_kind_display()
        raise UnableToDecideAction("cannot_revert", f"{label}: what went out cannot be taken back. Nothing was changed.")
    if not is_in_time(action.executed_at, at):
        sentence = f"An action is reverted within {UNDO_DAYS} days. Nothing was changed: propose another one instead."
        raise UnableToDecideAction("too_late", sentence)
    take(action, "revert", actor, at, comment, reverted_at=at, reverted_by=audit.actor_name(actor))
    undo(action, Applied(action.before or {}, action.after or {}), audit.actor_name(actor), at)
    return action


def is_undoable(action: CorrectiveAction, at: datetime) -> bool:
    """
    Whether an action that was carried out could be reverted still: its kind can be taken back, and its 30 days are not over.

    Raises: nothing.
    Writes: nothing.
    """
    return HANDLINGS[action.kind].undo is not None and is_in_time(action.executed_at, at)
