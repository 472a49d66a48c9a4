"""The replacement of a partner as pure rules: its steps and their days, what it leaves without an offer, what must hold after."""

from reviews.rules.replacements.checks import Check, check_ranks, say_checks
from reviews.rules.replacements.files import LARGEST_FILE, MOST_FILES, check_file
from reviews.rules.replacements.gaps import Choice, Gap, find_gaps, gap_from_key
from reviews.rules.replacements.mapping import Pair, check_mapping
from reviews.rules.replacements.steps import STEP_OF_STATE, plan_days, step_of
from reviews.rules.replacements.trials import TRIED_METRICS, design_trial, say_outcome, say_trial

__all__ = [
    "LARGEST_FILE",
    "MOST_FILES",
    "STEP_OF_STATE",
    "TRIED_METRICS",
    "Check",
    "Choice",
    "Gap",
    "Pair",
    "check_file",
    "check_mapping",
    "check_ranks",
    "design_trial",
    "find_gaps",
    "gap_from_key",
    "plan_days",
    "say_checks",
    "say_outcome",
    "say_trial",
    "step_of",
]
