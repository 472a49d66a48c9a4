"""Members, the ledger and what is derived from it."""

from activity.models.imports import Import
from activity.models.ledger import Event, EventIdentity, EventSource, IngestBatch, LedgerPermit, Seal
from activity.models.members import AttributeSet, Member, MemberVersion, VaultEntry
from activity.models.messages import MemberMessage, MessageBatch, MessageOffer
from activity.models.quarantine import QuarantinedEvent
from activity.models.rollups import (
    DayOfferRollup,
    DayPartnerMembers,
    DayPartnerRollup,
    DaySegmentMembers,
    DaySegmentRollup,
    DaySourceRollup,
)

__all__ = [
    "AttributeSet",
    "DayOfferRollup",
    "DayPartnerMembers",
    "DayPartnerRollup",
    "DaySegmentMembers",
    "DaySegmentRollup",
    "DaySourceRollup",
    "Event",
    "EventIdentity",
    "EventSource",
    "Import",
    "IngestBatch",
    "LedgerPermit",
    "Member",
    "MemberMessage",
    "MemberVersion",
    "MessageBatch",
    "MessageOffer",
    "QuarantinedEvent",
    "Seal",
    "VaultEntry",
]
