"""Reads of activity: figures, rollups, timelines, and the state of the ledger."""

from activity.selectors.arms import count_arms, count_periods, iterate_member_keys
from activity.selectors.attribute_counts import count_by_attributes
from activity.selectors.counts import count_by
from activity.selectors.dimensions import refuse_personal
from activity.selectors.figures import PARTS, Summary, settled_span, summarise
from activity.selectors.funnel import read_funnel
from activity.selectors.groups import list_in_segment
from activity.selectors.ledger import Head, SourceActivity, Unsealed, count_unsealed, head_of, list_sources
from activity.selectors.offer_states import OfferState, StageTimes, list_offer_states
from activity.selectors.recent import tally_days, tally_program, tally_recent
from activity.selectors.standing import Standing, read_standing
from activity.selectors.timeline import list_timeline

__all__ = [
    "PARTS",
    "Head",
    "OfferState",
    "SourceActivity",
    "StageTimes",
    "Standing",
    "Summary",
    "Unsealed",
    "count_arms",
    "count_by",
    "count_by_attributes",
    "count_periods",
    "count_unsealed",
    "head_of",
    "iterate_member_keys",
    "list_in_segment",
    "list_offer_states",
    "list_sources",
    "list_timeline",
    "read_funnel",
    "read_standing",
    "refuse_personal",
    "settled_span",
    "summarise",
    "tally_days",
    "tally_program",
    "tally_recent",
]
