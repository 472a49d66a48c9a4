"""The console's lists and pages of the monthly review, and what it adds to partners."""

from reviews.admin.compare import show_comparison
from reviews.admin.coverage import show_coverage
from reviews.admin.cycles import CycleAdmin
from reviews.admin.flags import FlagCaseAdmin
from reviews.admin.gaps import DataGapAdmin
from reviews.admin.panels import fill_partner_panel
from reviews.admin.policies import PolicyAdmin
from reviews.admin.reports import preview_report
from reviews.admin.restatements import RestatementAdmin
from reviews.admin.rules import RuleAdmin
from reviews.admin.scorecards import ScorecardAdmin
from reviews.admin.subscriptions import SubscriptionAdmin

__all__ = [
    "CycleAdmin",
    "DataGapAdmin",
    "FlagCaseAdmin",
    "PolicyAdmin",
    "RestatementAdmin",
    "RuleAdmin",
    "ScorecardAdmin",
    "SubscriptionAdmin",
    "fill_partner_panel",
    "preview_report",
    "show_comparison",
    "show_coverage",
]
