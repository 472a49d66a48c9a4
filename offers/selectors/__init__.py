"""Reads of the catalog: which offers, in which order, for whom, on which day."""

from offers.selectors.audiences import audience_in_force, list_audiences, list_offer_audiences, names_other_segment, takes_in
from offers.selectors.catalog import DayCatalog, LiveOffer, RankedOffer, day_catalog, list_ranked
from offers.selectors.creatives import creative_path, creative_url, find_own_picture
from offers.selectors.drafts import find_draft, list_draft_transitions, list_drafts
from offers.selectors.facts import (
    PUBLISHED,
    catalog_of,
    list_held_days,
    list_live_offers,
    live_periods,
    load_catalog,
    read_catalog,
)
from offers.selectors.listings import compare_listings, get_listing, list_listings, list_newest_listings
from offers.selectors.offers import (
    get_described_offer,
    get_offer,
    list_described_offers,
    list_offers,
    list_transitions,
    list_turned_offers,
    present_state,
)
from offers.selectors.rankings import (
    Comparison,
    compare_revisions,
    find_order,
    find_ranking,
    list_ranked_segments,
    list_revisions,
    order_of,
)
from offers.selectors.segments import find_segment, get_segment, list_segments
from offers.selectors.terms import list_terms, list_terms_in_force, terms_in_force, terms_on

__all__ = [
    "PUBLISHED",
    "Comparison",
    "DayCatalog",
    "LiveOffer",
    "RankedOffer",
    "audience_in_force",
    "catalog_of",
    "compare_listings",
    "compare_revisions",
    "creative_path",
    "creative_url",
    "day_catalog",
    "find_draft",
    "find_order",
    "find_own_picture",
    "find_ranking",
    "find_segment",
    "get_described_offer",
    "get_listing",
    "get_offer",
    "get_segment",
    "list_audiences",
    "list_described_offers",
    "list_draft_transitions",
    "list_drafts",
    "list_held_days",
    "list_listings",
    "list_live_offers",
    "list_newest_listings",
    "list_offer_audiences",
    "list_offers",
    "list_ranked",
    "list_ranked_segments",
    "list_revisions",
    "list_segments",
    "list_terms",
    "list_terms_in_force",
    "list_transitions",
    "list_turned_offers",
    "live_periods",
    "load_catalog",
    "names_other_segment",
    "order_of",
    "present_state",
    "read_catalog",
    "takes_in",
    "terms_in_force",
    "terms_on",
]
