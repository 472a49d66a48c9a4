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
from reviews.services.evaluation import evaluate_running_month, plan_evaluation
from reviews.services.flags import assign_flag, change_flag_state, change_flags_in_bulk, follow_flags
from reviews.services.gaps import accept_gaps_of, change_gap_state, check_sources, keep_gaps
from reviews.services.ladder import end_hold, hold_on_ladder, judge_ladder, save_ladder
from reviews.services.notices import remind_owners, tell_owners_of_flags
from reviews.services.previews import (
    UnableToSavePreview,
    plan_policy_preview,
    plan_rule_preview,
    save_previewed_policy,
    save_previewed_rule,
)
from reviews.services.replay import Replay, ReviewDifference, UnableToReplay, diff_review, digest_stored, replay
from reviews.services.reports import (
    Rendered,
    UnableToSendReport,
    kind_of,
    plan_due_report,
    plan_final_report,
    plan_report,
    render_for,
    send_report,
    send_report_by_hand,
    send_report_to_me,
)
from reviews.services.restatements import (
    UnableToRestate,
    approve_restatement,
    ask_restatement,
    refuse_restatement,
)
from reviews.services.rules import activate_rule, check_named_rule, deactivate_rule, install_default_rules, save_policy, save_rule
from reviews.services.subscriptions import change_subscription, read_unsubscribe_token, subscribe, unsubscribe, unsubscribe_url

__all__ = [
    "Rendered",
    "Replay",
    "ReviewDifference",
    "UnableToCloseCycle",
    "UnableToDecide",
    "UnableToFreezeCycle",
    "UnableToOpenCycle",
    "UnableToReplay",
    "UnableToRestate",
    "UnableToSavePreview",
    "UnableToSendReport",
    "accept_gaps_of",
    "activate_rule",
    "approve_restatement",
    "ask_restatement",
    "assign_flag",
    "change_flag_state",
    "change_flags_in_bulk",
    "change_gap_state",
    "change_subscription",
    "check_named_rule",
    "check_sources",
    "close_cycle",
    "consolidate_cycle",
    "deactivate_rule",
    "decide",
    "decide_by_standing",
    "decide_in_bulk",
    "diff_review",
    "digest_stored",
    "end_hold",
    "evaluate_running_month",
    "follow_flags",
    "freeze",
    "hold_on_ladder",
    "install_default_rules",
    "judge_ladder",
    "keep_gaps",
    "kind_of",
    "open_cycle",
    "plan_consolidation",
    "plan_due_report",
    "plan_evaluation",
    "plan_final_report",
    "plan_policy_preview",
    "plan_report",
    "plan_rule_preview",
    "read_unsubscribe_token",
    "refuse_restatement",
    "remind_owners",
    "render_for",
    "replay",
    "save_ladder",
    "save_policy",
    "save_previewed_policy",
    "save_previewed_rule",
    "save_rule",
    "send_report",
    "send_report_by_hand",
    "send_report_to_me",
    "subscribe",
    "tell_owners_of_flags",
    "unsubscribe",
    "unsubscribe_url",
    "withdraw_decisions",
]
