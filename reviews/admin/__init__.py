"""The console's lists and pages of the monthly review, and what it adds to partners."""

from reviews.admin.action_bulk import approve_bulk
from reviews.admin.action_panels import fill_actions_of_partner
from reviews.admin.actions import ActionAdmin
from reviews.admin.approvals import show_approvals
from reviews.admin.compare import show_comparison
from reviews.admin.coverage import show_coverage
from reviews.admin.cycles import CycleAdmin
from reviews.admin.flags import FlagCaseAdmin
from reviews.admin.gaps import DataGapAdmin
from reviews.admin.ladder import show_ladder
from reviews.admin.letters import PartnerLinkAdmin
from reviews.admin.panels import fill_partner_panel
from reviews.admin.playbooks import show_playbook
from reviews.admin.policies import PolicyAdmin
from reviews.admin.proposals import propose
from reviews.admin.pushes import show_push
from reviews.admin.replacement_panels import fill_replacements_of_partner
from reviews.admin.replacements import ReplacementAdmin
from reviews.admin.reports import preview_report
from reviews.admin.restatements import RestatementAdmin
from reviews.admin.rules import RuleAdmin
from reviews.admin.scorecards import ScorecardAdmin
from reviews.admin.subscriptions import SubscriptionAdmin
from reviews.admin.verdicts import show_verdicts

__all__ = [
    "ActionAdmin",
    "CycleAdmin",
    "DataGapAdmin",
    "FlagCaseAdmin",
    "PartnerLinkAdmin",
    "PolicyAdmin",
    "ReplacementAdmin",
    "RestatementAdmin",
    "RuleAdmin",
    "ScorecardAdmin",
    "SubscriptionAdmin",
    "approve_bulk",
    "fill_actions_of_partner",
    "fill_partner_panel",
    "fill_replacements_of_partner",
    "preview_report",
    "propose",
    "show_approvals",
    "show_comparison",
    "show_coverage",
    "show_ladder",
    "show_playbook",
    "show_push",
    "show_verdicts",
]
