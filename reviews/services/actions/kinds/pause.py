"""Pausing offers: no new unlocks from now on; what members have activated is honoured."""

from datetime import datetime

from offers.choices import OfferState
from offers.models import Offer
from offers.services import change_offer_state
from plum_site.lib import audit
from reviews.models import CorrectiveAction
from reviews.services.actions.kinds.base import (
    Applied,
    Change,
    ChangedSince,
    Handling,
    Preview,
    State,
    UnableToExecute,
    source_ref,
)
from reviews.services.actions.kinds.offers import named_offers


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """Which offers would be paused."""
    changes = [
        Change(offer.external_id, offer.get_state_display(), OfferState.PAUSED.label) for offer in _pausable(named_offers(action))
    ]
    return Preview(tuple(changes), notes=("What members have activated already is honoured.",))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Pause them."""
    offers = _pausable(named_offers(action))
    before = {offer.external_id: str(offer.state) for offer in offers}
    for offer in offers:
        change_offer_state(
            offer_id=offer.pk, name="pause", actor=audit.SYSTEM, at=at, comment=_why(action), source_ref=source_ref(action)
        )
    return Applied({"offers": before}, {"offers": dict.fromkeys(before, str(OfferState.PAUSED))})


def undo(action: CorrectiveAction, done: Applied, actor: str, at: datetime) -> None:
    """Publish them again, if they are still paused."""
    offers = [offer for offer in named_offers(action) if offer.external_id in done.before["offers"]]
    now: State = {"offers": {offer.external_id: str(offer.state) for offer in offers}}
    if now != done.after:
        raise ChangedSince("Somebody changed the offers since. Nothing was changed.", done.before, done.after, now)
    for offer in offers:
        change_offer_state(offer_id=offer.pk, name="resume", actor=actor, at=at, source_ref=source_ref(action))


def _pausable(offers: list[Offer]) -> list[Offer]:
    """Those that are published; what is paused already needs nothing."""
    published = [offer for offer in offers if offer.state == OfferState.PUBLISHED]
    if not published:
        raise UnableToExecute("nothing_to_pause", "None of these offers is published. Nothing was changed.")
    return published


def _why(action: CorrectiveAction) -> str:
    return action.reason or f"Corrective action {action.pk}."


PAUSE_OFFER = Handling(preview, apply, undo)
