"""The console's lists and pages of members and activity, and what they add to partners and offers."""

from activity import pages
from activity.admin.attributes import show_attributes
from activity.admin.imports import ImportAdmin
from activity.admin.ledger import EventAdmin, IngestBatchAdmin, SealAdmin
from activity.admin.members import MemberAdmin
from activity.admin.panels import fill_token_panel
from activity.admin.recent import show_recent_offers, show_recent_partners
from activity.admin.segments import fill_segment_panel
from activity.admin.sources import EventSourceAdmin

__all__ = [  # importing them, and the pages, registers them
    "EventAdmin",
    "EventSourceAdmin",
    "ImportAdmin",
    "IngestBatchAdmin",
    "MemberAdmin",
    "SealAdmin",
    "fill_segment_panel",
    "fill_token_panel",
    "pages",
    "show_attributes",
    "show_recent_offers",
    "show_recent_partners",
]
