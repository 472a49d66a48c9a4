"""Corrective actions as pure rules: what each kind needs to be told, how many people it needs, what the playbook proposes."""

from reviews.rules.actions.approvals import (
    LARGEST_LIMIT,
    SOLO_HOURS,
    UNDO_DAYS,
    ApprovalSpec,
    check_approvals,
    default_approvals,
    needs_two_people,
)
from reviews.rules.actions.params import HOWS, SEGMENT_KINDS, WITH_PLACE, check_params, say_action
from reviews.rules.actions.playbook import (
    ANY,
    AUDIENCES,
    LONGEST_PERSISTENCE,
    MOST_LINES,
    Finding,
    PlaybookLine,
    ProposalSpec,
    check_playbook,
    default_playbook,
    find_proposal,
    read_lines,
    write_lines,
)

__all__ = [
    "ANY",
    "AUDIENCES",
    "HOWS",
    "LARGEST_LIMIT",
    "LONGEST_PERSISTENCE",
    "MOST_LINES",
    "SEGMENT_KINDS",
    "SOLO_HOURS",
    "UNDO_DAYS",
    "WITH_PLACE",
    "ApprovalSpec",
    "Finding",
    "PlaybookLine",
    "ProposalSpec",
    "check_approvals",
    "check_params",
    "check_playbook",
    "default_approvals",
    "default_playbook",
    "find_proposal",
    "needs_two_people",
    "read_lines",
    "say_action",
    "write_lines",
]
