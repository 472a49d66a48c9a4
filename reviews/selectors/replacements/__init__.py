"""Reads of replacements: where they stand, who could take the place, what is left without an offer, who holds what."""

from reviews.selectors.replacements.candidates import compare_candidates, list_possible
from reviews.selectors.replacements.checks import check_replacement
from reviews.selectors.replacements.holders import Holding, count_holders, count_notices, list_holdings, list_notices
from reviews.selectors.replacements.losses import Loss, find_gaps_left, list_losses
from reviews.selectors.replacements.places import read_places
from reviews.selectors.replacements.reads import (
    find_open_replacement,
    find_replacement,
    find_task,
    get_replacement,
    list_contact_log,
    list_due_replacements,
    list_files,
    list_followed,
    list_replacement_steps,
    list_replacements,
    list_replacements_of_partner,
    list_tasks,
)
from reviews.selectors.replacements.scope import list_new_offers, list_old_offers, read_pairs, successors_of
from reviews.selectors.replacements.steps import is_open
from reviews.selectors.replacements.trials import TrialArm, TrialComparison, TrialFigure, compare_arms
from reviews.selectors.replacements.worklist import (
    find_replacement_of_action,
    list_replacements_about,
    list_replacements_waiting_for,
    with_present_step,
)

__all__ = [
    "Holding",
    "Loss",
    "TrialArm",
    "TrialComparison",
    "TrialFigure",
    "check_replacement",
    "compare_arms",
    "compare_candidates",
    "count_holders",
    "count_notices",
    "find_gaps_left",
    "find_open_replacement",
    "find_replacement",
    "find_replacement_of_action",
    "find_task",
    "get_replacement",
    "is_open",
    "list_contact_log",
    "list_due_replacements",
    "list_files",
    "list_followed",
    "list_holdings",
    "list_losses",
    "list_new_offers",
    "list_notices",
    "list_old_offers",
    "list_possible",
    "list_replacement_steps",
    "list_replacements",
    "list_replacements_about",
    "list_replacements_of_partner",
    "list_replacements_waiting_for",
    "list_tasks",
    "read_pairs",
    "read_places",
    "successors_of",
    "with_present_step",
]
