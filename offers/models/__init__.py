"""The catalog: offers and their listings, whom they are open to, and in which order they are shown."""

from offers.models.creatives import Creative
from offers.models.days import CatalogDay
from offers.models.drafts import ListingDraft, ListingDraftTransition
from offers.models.listings import Listing
from offers.models.offers import Audience, AudienceExclusion, Offer, OfferTransition
from offers.models.rankings import RankingRevision
from offers.models.segments import Segment
from offers.models.terms import OfferTerms
from offers.models.trials import CatalogTrial, CatalogTrialOffer

__all__ = [
    "Audience",
    "AudienceExclusion",
    "CatalogDay",
    "CatalogTrial",
    "CatalogTrialOffer",
    "Creative",
    "Listing",
    "ListingDraft",
    "ListingDraftTransition",
    "Offer",
    "OfferTerms",
    "OfferTransition",
    "RankingRevision",
    "Segment",
]
