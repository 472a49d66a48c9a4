"""Writes of the catalog."""

from offers.services.listings import publish_listing
from offers.services.offers import save_offer, save_offers
from offers.services.rankings import change_ranking, order_segment_rankings, restore_ranking, save_ranking, undo_ranking
from offers.services.segments import save_segment, set_audience
from offers.services.states import change_offer_state

__all__ = [
    "change_offer_state",
    "change_ranking",
    "order_segment_rankings",
    "publish_listing",
    "restore_ranking",
    "save_offer",
    "save_offers",
    "save_ranking",
    "save_segment",
    "set_audience",
    "undo_ranking",
]
