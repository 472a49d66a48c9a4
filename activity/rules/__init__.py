"""What an event must be, and how it is hashed. Pure: no database, no Django."""

from activity.rules.events import (
    FILE_COLUMNS,
    FUTURE_SKEW,
    IncomingEvent,
    Rejection,
    check_event,
)
from activity.rules.identities import content_digest, identity_keys
from activity.rules.leaves import LEAF_VERSION, business_half, chain_hash, identity_half, leaf_hash, tree_root

__all__ = [
    "FILE_COLUMNS",
    "FUTURE_SKEW",
    "LEAF_VERSION",
    "IncomingEvent",
    "Rejection",
    "business_half",
    "chain_hash",
    "check_event",
    "content_digest",
    "identity_half",
    "identity_keys",
    "leaf_hash",
    "tree_root",
]
