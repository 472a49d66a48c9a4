"""The console's lists and pages of the monthly review, and what it adds to partners."""

from reviews.admin.coverage import show_coverage
from reviews.admin.cycles import CycleAdmin
from reviews.admin.flags import FlagAdmin
from reviews.admin.panels import fill_partner_panel
from reviews.admin.rules import PolicyAdmin, RuleAdmin
from reviews.admin.scorecards import ScorecardAdmin

__all__ = ["CycleAdmin", "FlagAdmin", "PolicyAdmin", "RuleAdmin", "ScorecardAdmin", "fill_partner_panel", "show_coverage"]
