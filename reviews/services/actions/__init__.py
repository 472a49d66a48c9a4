"""Corrective actions: proposed, approved by risk, carried out once, measured, and taken back."""

from reviews.services.actions.approving import (
    EXECUTE,
    Approved,
    approve_action,
    approve_in_bulk,
    cancel_action,
    reject_action,
    save_approvals,
)
from reviews.services.actions.effects import measure_due_actions
from reviews.services.actions.executing import execute_action, is_undoable, retry_action, revert_action
from reviews.services.actions.kinds import HANDLINGS, Change, ChangedSince, Handling, Preview, UnableToExecute
from reviews.services.actions.letters import answer_letter, letter_url, read_letter_token, renew_letter, withdraw_letter
from reviews.services.actions.notes import add_note
from reviews.services.actions.notices import remind_of_actions
from reviews.services.actions.people import UnableToDecideAction
from reviews.services.actions.playbook import propose_for_flags, save_playbook
from reviews.services.actions.proposing import draft_action, edit_action, propose_action, take_up_action

__all__ = [
    "EXECUTE",
    "HANDLINGS",
    "Approved",
    "Change",
    "ChangedSince",
    "Handling",
    "Preview",
    "UnableToDecideAction",
    "UnableToExecute",
    "add_note",
    "answer_letter",
    "approve_action",
    "approve_in_bulk",
    "cancel_action",
    "draft_action",
    "edit_action",
    "execute_action",
    "is_undoable",
    "letter_url",
    "measure_due_actions",
    "propose_action",
    "propose_for_flags",
    "read_letter_token",
    "reject_action",
    "remind_of_actions",
    "renew_letter",
    "retry_action",
    "revert_action",
    "save_approvals",
    "save_playbook",
    "take_up_action",
    "withdraw_letter",
]
