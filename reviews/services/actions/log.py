"""The one way in which a corrective action changes its state: a row of the table, a log row, an audit row, and who is told."""

from datetime import datetime
from typing import Any

from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.workflow import Table, check_comment, find_transition
from reviews.models import ActionTransition, CorrectiveAction
from reviews.services.actions.notices import tell_of_failure
from reviews.services.announcements import announce_step
from reviews.workflow import ACTION_SYSTEM_TRANSITIONS, ACTION_TRANSITIONS


def lock_action(action_id: int) -> CorrectiveAction:
    """
    One action, locked, with what its sentences need.

    Raises: NotFound.
    """
    related = ("program", "partner", "segment", "case__rule", "cycle")
    found = CorrectiveAction.objects.select_for_update(of=("self",)).select_related(*related).filter(pk=action_id).first()
    if found is None:
        raise NotFound("corrective action", action_id)
    return found


def take(action: CorrectiveAction, name: str, actor: User | str, at: datetime, comment: str = "", **changes: Any) -> None:
    """
    Take one step that people take with a locked action, and save what changes with it.

    Raises: DomainError - transition_refused; InvalidInput - comment_required.
    Writes: reviews_correctiveaction, reviews_actiontransition, plum_auditevent, what listeners write, and plum_outbox
    where it failed; in the caller's transaction.
    """
    _take(ACTION_TRANSITIONS, action, name, actor, at, comment, changes)


def take_by_itself(action: CorrectiveAction, name: str, at: datetime, comment: str = "", **changes: Any) -> None:
    """As take, for what Plum does itself."""
    _take(ACTION_SYSTEM_TRANSITIONS, action, name, audit.SYSTEM, at, comment, changes)


def note_proposal(action: CorrectiveAction, actor: User | str, at: datetime, comment: str) -> None:
    """The first row of a new action's log. Writes: reviews_actiontransition, plum_auditevent, what listeners write."""
    _write(action, "propose", "", actor, at, comment, {"kind": action.kind, "params": action.params})


def _take(
    table: Table, action: CorrectiveAction, name: str, actor: User | str, at: datetime, comment: str, changes: dict[str, Any]
) -> None:
    before = action.state
    transition = find_transition(table, name, before)
    check_comment(transition, comment)
    action.state = transition.target
    for field, value in changes.items():
        setattr(action, field, value)
    action.save(update_fields=["state", *changes])
    _write(action, name, before, actor, at, comment, {})


def _write(
    action: CorrectiveAction, name: str, before: str, actor: User | str, at: datetime, comment: str, told: dict[str, Any]
) -> None:
    step = ActionTransition.objects.create(
        action=action,
        name=name,
        from_state=before,
        to_state=action.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        revision=action.revision,
    )
    audit.record(
        program_id=action.program_id,
        actor=actor,
        action=f"reviews.{name}_action",
        row=action,
        at=at,
        before={"state": before} if before else None,
        after={"state": action.state, "revision": action.revision, **told},
        comment=comment,
    )
    announce_step(action=action, step=step, at=at)
    if step.name == "fail":
        tell_of_failure(action=action, step=step, at=at)
