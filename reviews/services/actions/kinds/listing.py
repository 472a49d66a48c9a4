"""Refreshing a listing: a new version of what members read about an offer."""

from datetime import datetime
from typing import Any

from offers.models import Listing, Offer
from offers.selectors import list_listings
from offers.services import publish_listing
from plum_site.lib import audit
from reviews.models import CorrectiveAction
from reviews.services.actions.kinds.base import Applied, Change, ChangedSince, Handling, Preview, UnableToExecute
from reviews.services.actions.kinds.offers import named_offers

WORDS = ("title", "text", "creative_url", "terms")


def preview(action: CorrectiveAction, at: datetime) -> Preview:
    """The words before and after."""
    _, newest = _find(action)
    changes = [
        Change(name, getattr(newest, name) if newest else "", action.params.get(name, ""))
        for name in WORDS
        if (getattr(newest, name) if newest else "") != action.params.get(name, "")
    ]
    if not changes:
        raise UnableToExecute("same_words", "These are the words that members read already. Nothing would change.")
    return Preview(tuple(changes))


def apply(action: CorrectiveAction, at: datetime) -> Applied:
    """Publish the new version."""
    offer, newest = _find(action)
    words = {name: action.params.get(name, "") for name in WORDS}
    listing = publish_listing(offer_id=offer.pk, actor=audit.SYSTEM, at=at, **words)
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
    publish_listing(offer_id=offer.pk, actor=actor, at=at, **{name: done.before[name] for name in WORDS})


def _find(action: CorrectiveAction) -> tuple[Offer, Listing | None]:
    [offer] = named_offers(action)
    return offer, list_listings(offer.pk).first()


def _as_state(listing: Listing | None) -> dict[str, Any]:
    words = {name: getattr(listing, name) if listing else "" for name in WORDS}
    return {"listing": listing.number if listing else None, **words}


REFRESH_LISTING = Handling(preview, apply, undo)
