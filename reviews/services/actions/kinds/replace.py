"""Replacing a partner: opens the workflow, which ends in a cutover; the action is executed once that is complete."""

from datetime import datetime

from reviews.models import CorrectiveAction, Replacement
from reviews.rules.effects import EffectDesign
from reviews.selectors.replacements import list_old_offers
from reviews.services.actions.kinds.base import Applied, Change, Handling, Preview, UnableToExecute
from reviews.services.replacements.opening import UnableToReplace, check_opening, open_replacement

OPENS = "It opens the replacement: candidates, terms, mapping and a second approval come before anything changes for members."


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """The offers that would go, and what happens first."""
    try:
        category, _ = check_opening(action)
    except UnableToReplace as error:
        raise UnableToExecute(error.code, error.detail) from error
    offers = list_old_offers(action.program_id, action.partner, category)
    changes = [Change(offer.external_id, offer.get_state_display(), "replaced, at the cutover") for offer in offers]
    return Preview(tuple(changes), notes=(OPENS,))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Open it; the rest is done step by step by people."""
    try:
        replacement = open_replacement(action=action, at=at)
    except UnableToReplace as error:
        raise UnableToExecute(error.code, error.detail) from error
    return Applied({"replacement": None}, {"replacement": replacement.pk}, is_done=False)


def undo(action: CorrectiveAction, done: Applied, actor: str, at: datetime) -> None:
    """Take the cutover back, if nobody has changed since what it left."""
    from reviews.services.replacements.ending import take_back  # noqa: PLC0415 - the two workflows know each other
    from reviews.services.replacements.log import lock_replacement  # noqa: PLC0415

    replacement = lock_replacement(Replacement.objects.get(action=action).pk)
    take_back(replacement=replacement, actor=actor, at=at, comment=f"Corrective action {action.pk} was reverted.")


def design(action: CorrectiveAction, metric: str, at: datetime) -> EffectDesign | None:
    """None: nothing changes for members yet. How the effect is told is fixed in the cutover, before it changes anything."""
    return None


REPLACE_PARTNER = Handling(preview, apply, undo, design=design)
