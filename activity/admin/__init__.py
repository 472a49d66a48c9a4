"""The console's lists and pages of members and activity, and what they add to partners and offers."""

from activity import pages
from activity.admin.imports import ImportAdmin
from activity.admin.ledger import EventAdmin, EventSourceAdmin, IngestBatchAdmin, SealAdmin
from activity.admin.members import MemberAdmin
from activity.admin.panels import show_recent_offers, show_recent_partners

__all__ = [  # importing them, and the pages, registers them
    "EventAdmin",
    "EventSourceAdmin",
    "ImportAdmin",
    "IngestBatchAdmin",
    "MemberAdmin",
    "SealAdmin",
    "pages",
    "show_recent_offers",
    "show_recent_partners",
]
