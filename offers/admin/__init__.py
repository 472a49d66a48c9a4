"""The console's lists and pages of the catalog."""

from offers.admin.drafts import ListingDraftAdmin
from offers.admin.offers import OfferAdmin
from offers.admin.rankings import RankingAdmin
from offers.admin.segments import SegmentAdmin

__all__ = ["ListingDraftAdmin", "OfferAdmin", "RankingAdmin", "SegmentAdmin"]
