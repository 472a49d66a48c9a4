"""The one way in which a corrective action changes its state: a row of the table, a log row, an audit row, and who is told."""

from datetime import datetime
from typing import Any

from plum_site.lib import audit
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition, write_transition
from plum_site.lib.workflow import Table
from reviews.models import ActionTransition, CorrectiveAction
from reviews.services.actions.notices import tell_of_failure
from reviews.services.announcements import announce_step
from reviews.workflow import ACTION_SYSTEM_TRANSITIONS, ACTION_TRANSITIONS

KEPT = ("revision",)  # of an action, in its log and its audit rows


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
    step = write_transition(
        row=action,
        log=ActionTransition,
        link="action",
        kept=KEPT,
        name="propose",
        before="",
        action="reviews.propose_action",
        actor=actor,
        at=at,
        comment=comment,
        told={"kind": action.kind, "params": action.params},
    )
    announce_step(action=action, step=step, at=at)


def _take(
    table: Table, action: CorrectiveAction, name: str, actor: User | str, at: datetime, comment: str, changes: dict[str, Any]
) -> None:
    step = take_transition(
        row=action,
        log=ActionTransition,
        link="action",
        kept=KEPT,
        table=table,
        name=name,
        action=f"reviews.{name}_action",
        actor=actor,
        at=at,
        comment=comment,
        changes=changes,
    )
    announce_step(action=action, step=step, at=at)
    if step.name == "fail":
        tell_of_failure(action=action, step=step, at=at)
