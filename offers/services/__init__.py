"""Writes of the catalog."""

from offers.services.audiences import leave_out_segment, restore_audiences, set_audience
from offers.services.creatives import bring_creative, tidy_creatives
from offers.services.days import turn_day
from offers.services.drafts import change_draft_state, save_draft
from offers.services.listings import publish_listing, restore_listing
from offers.services.offers import save_offer, save_offers
from offers.services.pictures import MOST_BYTES
from offers.services.rankings import change_ranking, order_segment_rankings, restore_ranking, save_ranking, undo_ranking
from offers.services.segments import save_segment
from offers.services.states import change_offer_state
from offers.services.terms import set_terms
from offers.services.trials import end_trial, start_trial

__all__ = [
    "MOST_BYTES",
    "bring_creative",
    "change_draft_state",
    "change_offer_state",
    "change_ranking",
    "end_trial",
    "leave_out_segment",
    "order_segment_rankings",
    "publish_listing",
    "restore_audiences",
    "restore_listing",
    "restore_ranking",
    "save_draft",
    "save_offer",
    "save_offers",
    "save_ranking",
    "save_segment",
    "set_audience",
    "set_terms",
    "start_trial",
    "tidy_creatives",
    "turn_day",
    "undo_ranking",
]
