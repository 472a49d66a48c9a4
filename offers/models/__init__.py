"""The catalog: offers and their listings, whom they are open to, and in which order they are shown."""

from offers.models.listings import Listing
from offers.models.offers import Audience, Offer, OfferTransition
from offers.models.rankings import RankingRevision
from offers.models.segments import Segment

__all__ = [
    "Audience",
    "Listing",
    "Offer",
    "OfferTransition",
    "RankingRevision",
    "Segment",
]
