"""Writes of reviews: rules and policies, cycles, decisions; and the replay of what was decided upon."""

from reviews.services.cycles import (
    UnableToCloseCycle,
    UnableToFreezeCycle,
    UnableToOpenCycle,
    close_cycle,
    consolidate_cycle,
    freeze,
    open_cycle,
    plan_consolidation,
)
from reviews.services.decisions import UnableToDecide, decide, decide_by_standing, decide_in_bulk, withdraw_decisions
from reviews.services.replay import Replay, ReviewDifference, UnableToReplay, diff_review, digest_stored, replay
from reviews.services.rules import deactivate_rule, install_default_rules, save_policy, save_rule

__all__ = [
    "Replay",
    "ReviewDifference",
    "UnableToCloseCycle",
    "UnableToDecide",
    "UnableToFreezeCycle",
    "UnableToOpenCycle",
    "UnableToReplay",
    "close_cycle",
    "consolidate_cycle",
    "deactivate_rule",
    "decide",
    "decide_by_standing",
    "decide_in_bulk",
    "diff_review",
    "digest_stored",
    "freeze",
    "install_default_rules",
    "open_cycle",
    "plan_consolidation",
    "replay",
    "save_policy",
    "save_rule",
    "withdraw_decisions",
]
