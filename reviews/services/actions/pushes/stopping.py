"""Stopping a push: what has not left yet does not leave any more."""

from datetime import datetime

from django.db import transaction

from plum_site.lib import audit
from plum_site.lib.choices import OutboxState
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from reviews.choices import ActionKind, ActionState, RecipientState
from reviews.models import CorrectiveAction, PushRecipient, PushStop
from reviews.selectors.pushes import read_push
from reviews.services.actions.log import lock_action
from reviews.services.actions.people import person_behind, require_right
from reviews.services.actions.pushes.sending import finish_push
from reviews.workflow import APPROVE

LONGEST_REASON = 2000


@transaction.atomic
def stop_push(*, action_id: int, actor: User | str, at: datetime, reason: str) -> PushStop:
    """
    Stop a push: members who still wait are not written to, and mails that wait in the outbox are given up when their turn
    comes. What was sent or announced is out.

    Raises: NotFound; NotAllowed; DomainError - nothing_to_stop; InvalidInput - comment_required; UnableToDecideAction.
    Writes: reviews_pushstop, reviews_pushrecipient, plum_auditevent, and as finish_action.
    Source: docs/rules/pushes.md
    """
    action = lock_action(action_id)
    require_right(person_behind(actor), APPROVE, action.program_id)
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON or "\0" in reason:
        sentence = f"Say why, in at most {LONGEST_REASON:,} characters."
        raise InvalidInput("comment_required", f"{sentence} Nothing was stopped.", {"reason": sentence})
    known = PushStop.objects.filter(action=action).first()
    if known is not None:
        return known
    if not can_stop(action):
        raise DomainError("nothing_to_stop", "Nothing of this push waits any more. Nothing was changed.")
    stop = PushStop.objects.create(action=action, reason=reason, stopped_by=audit.actor_name(actor), stopped_at=at)
    waiting = PushRecipient.objects.filter(action=action, state=RecipientState.WAITING)
    number = waiting.update(state=RecipientState.STOPPED, settled_at=at)
    audit.record(
        program_id=action.program_id,
        actor=actor,
        action="reviews.stop_push",
        row=action,
        at=at,
        after={"stopped": number},
        comment=reason,
    )
    if action.state == ActionState.EXECUTING:
        finish_push(action, at)
    return stop


def can_stop(action: CorrectiveAction) -> bool:
    """
    Whether something of a push has not left yet, and nobody stopped it.

    Raises: nothing.
    Writes: nothing.
    """
    if action.kind != ActionKind.PROMOTIONAL_PUSH or PushStop.objects.filter(action=action).exists():
        return False
    return action.state == ActionState.EXECUTING or bool(read_push(action).mails[OutboxState.WAITING])
