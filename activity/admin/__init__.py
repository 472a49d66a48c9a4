"""The console's lists and pages of members and activity, and what they add to partners and offers."""

from activity.admin.ledger import EventAdmin, EventSourceAdmin, IngestBatchAdmin, SealAdmin
from activity.admin.members import MemberAdmin
from activity.admin.panels import show_recent_offers, show_recent_partners

__all__ = [
    "EventAdmin",
    "EventSourceAdmin",
    "IngestBatchAdmin",
    "MemberAdmin",
    "SealAdmin",
    "show_recent_offers",
    "show_recent_partners",
]
