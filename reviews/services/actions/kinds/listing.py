"""Refreshing a listing: a new version of what members read about an offer."""

from datetime import datetime
from typing import Any

from offers.models import Listing, Offer
from offers.selectors import list_listings
from offers.services import publish_listing, restore_listing
from plum_site.lib import audit
from plum_site.lib.errors import DomainError
from reviews.models import CorrectiveAction
from reviews.services.actions.kinds.base import Applied, Change, ChangedSince, Handling, Preview, UnableToExecute, source_ref
from reviews.services.actions.kinds.offers import named_offers

WORDS = ("title", "text", "creative_url", "terms")


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """The words before and after; terms that the action does not name stay in force."""
    _, newest = _find(action)
    now = _as_state(newest)
    changes = [
        Change(name, now[name], action.params[name])
        for name in WORDS
        if action.params.get(name) is not None and now[name] != action.params[name]
    ]
    if not changes:
        raise UnableToExecute("same_words", "These are the words that members read already. Nothing would change.")
    return Preview(tuple(changes))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Publish the new version."""
    offer, newest = _find(action)
    words = {name: action.params[name] for name in WORDS if action.params.get(name) is not None}
    try:
        listing = publish_listing(
            offer_id=offer.pk, actor=audit.SYSTEM, at=at, comment=action.reason, source_ref=source_ref(action), **words
        )
    except DomainError as error:
        raise UnableToExecute(error.code, error.detail) from error
    return Applied(_as_state(newest), _as_state(listing))


def undo(action: CorrectiveAction, done: Applied, actor: str, at: datetime) -> None:
    """Publish the words from before as one more version, if nobody has published another since."""
    offer, newest = _find(action)
    now = _as_state(newest)
    if now["listing"] != done.after["listing"]:
        raise ChangedSince("Somebody published another listing since. Nothing was changed.", done.before, done.after, now)
    if done.before["listing"] is None:
        sentence = "Before this action the offer had no listing, and members need one. Nothing was changed: publish another."
        raise UnableToExecute("nothing_before", sentence)
    restore_listing(
        offer_id=offer.pk,
        listing_id=done.before["id"],
        replaces=now["listing"],
        actor=actor,
        at=at,
        comment=f"Corrective action {action.pk} was reverted.",
        source_ref=source_ref(action),
    )


def _find(action: CorrectiveAction) -> tuple[Offer, Listing | None]:
    [offer] = named_offers(action)
    return offer, list_listings(offer.pk).first()


def _as_state(listing: Listing | None) -> dict[str, Any]:
    words = {name: getattr(listing, name) if listing else "" for name in WORDS}
    return {"listing": listing.number if listing else None, "id": listing.pk if listing else None, **words}


REFRESH_LISTING = Handling(preview, apply, undo)
