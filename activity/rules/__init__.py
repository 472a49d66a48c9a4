"""What an event and a row about a person must be, and how events are hashed. Pure: no database, no Django."""

from activity.rules.events import (
    FILE_COLUMNS,
    FUTURE_SKEW,
    IncomingEvent,
    Rejection,
    check_event,
)
from activity.rules.identities import content_digest, identity_keys
from activity.rules.leaves import (
    LEAF_VERSION,
    business_half,
    chain_hash,
    hash_event,
    identity_half,
    leaf_hash,
    microseconds,
    tree_root,
)
from activity.rules.member_sets import add_members, pack_members, unite_members, unpack_members
from activity.rules.outcomes import ArmCounts, stratum_of, tally_outcomes
from activity.rules.people import MemberRow, PeopleFault, Person, check_member, is_too_many, parse_member, unknown_columns

__all__ = [
    "FILE_COLUMNS",
    "FUTURE_SKEW",
    "LEAF_VERSION",
    "ArmCounts",
    "IncomingEvent",
    "MemberRow",
    "PeopleFault",
    "Person",
    "Rejection",
    "add_members",
    "business_half",
    "chain_hash",
    "check_event",
    "check_member",
    "content_digest",
    "hash_event",
    "identity_half",
    "identity_keys",
    "is_too_many",
    "leaf_hash",
    "microseconds",
    "pack_members",
    "parse_member",
    "stratum_of",
    "tally_outcomes",
    "tree_root",
    "unite_members",
    "unknown_columns",
    "unpack_members",
]
