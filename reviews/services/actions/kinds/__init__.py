"""The kinds of corrective actions, one module each: what they show, what they do, how they are taken back."""

from reviews.choices import ActionKind
from reviews.services.actions.kinds.base import Applied, Change, ChangedSince, Handling, Preview, UnableToExecute
from reviews.services.actions.kinds.contact import CONTACT_PARTNER
from reviews.services.actions.kinds.listing import REFRESH_LISTING
from reviews.services.actions.kinds.pause import PAUSE_OFFER
from reviews.services.actions.kinds.push import PROMOTIONAL_PUSH
from reviews.services.actions.kinds.replace import REPLACE_PARTNER
from reviews.services.actions.kinds.rerank import RERANK

__all__ = ["HANDLINGS", "Applied", "Change", "ChangedSince", "Handling", "Preview", "UnableToExecute"]

HANDLINGS: dict[str, Handling] = {
    ActionKind.RERANK: RERANK,
    ActionKind.REFRESH_LISTING: REFRESH_LISTING,
    ActionKind.PAUSE_OFFER: PAUSE_OFFER,
    ActionKind.CONTACT_PARTNER: CONTACT_PARTNER,
    ActionKind.PROMOTIONAL_PUSH: PROMOTIONAL_PUSH,
    ActionKind.REPLACE_PARTNER: REPLACE_PARTNER,
}
