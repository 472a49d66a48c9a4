"""Reads of activity: figures, rollups, timelines, and the state of the ledger."""

from activity.selectors.figures import PARTS, Summary, settled_span, summarise
from activity.selectors.ledger import Head, SourceActivity, Unsealed, count_unsealed, head_of, list_sources

__all__ = [
    "PARTS",
    "Head",
    "SourceActivity",
    "Summary",
    "Unsealed",
    "count_unsealed",
    "head_of",
    "list_sources",
    "settled_span",
    "summarise",
]
