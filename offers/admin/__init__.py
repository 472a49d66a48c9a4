"""The console's lists and pages of the catalog."""

from offers.admin.offers import OfferAdmin
from offers.admin.rankings import RankingAdmin
from offers.admin.segments import SegmentAdmin

__all__ = ["OfferAdmin", "RankingAdmin", "SegmentAdmin"]
