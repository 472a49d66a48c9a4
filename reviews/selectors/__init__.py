"""Reads of reviews: cycles and scorecards, what is due, and what a review is computed from."""

from reviews.selectors.config import code_version, list_live_partners, list_rules_in_force, policy_of, read_config, spec_of
from reviews.selectors.coverage import Certificate, Coverage, certify, check_cycle, check_months, list_required
from reviews.selectors.cycles import (
    Progress,
    describe_review,
    describe_scorecard,
    find_closing_digest,
    find_cycle,
    find_latest_cycle,
    get_cycle,
    get_review,
    get_scorecard,
    list_consolidated_cycles,
    list_cycles,
    list_open_flags,
    list_scorecards,
    list_undecided,
    summarise_progress,
)
from reviews.selectors.inputs import UNFROZEN, read_input
from reviews.selectors.late import LateEvent, count_after_cutoff, count_late_events, list_late_events
from reviews.selectors.months import (
    find_first_month,
    find_first_reviewable_month,
    list_due_months,
    list_reviewed_months,
)

__all__ = [
    "UNFROZEN",
    "Certificate",
    "Coverage",
    "LateEvent",
    "Progress",
    "certify",
    "check_cycle",
    "check_months",
    "code_version",
    "count_after_cutoff",
    "count_late_events",
    "describe_review",
    "describe_scorecard",
    "find_closing_digest",
    "find_cycle",
    "find_first_month",
    "find_first_reviewable_month",
    "find_latest_cycle",
    "get_cycle",
    "get_review",
    "get_scorecard",
    "list_consolidated_cycles",
    "list_cycles",
    "list_due_months",
    "list_late_events",
    "list_live_partners",
    "list_open_flags",
    "list_required",
    "list_reviewed_months",
    "list_rules_in_force",
    "list_scorecards",
    "list_undecided",
    "policy_of",
    "read_config",
    "read_input",
    "spec_of",
    "summarise_progress",
]
