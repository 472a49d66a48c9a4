"""Corrective actions: proposed, approved by risk, carried out once, measured, and taken back."""

from reviews.services.actions.approvals import LOWER, answer_approval_request, lower_by_time, save_approvals
from reviews.services.actions.approving import (
    EXECUTE,
    Approved,
    approve_action,
    approve_in_bulk,
    cancel_action,
    reject_action,
)
from reviews.services.actions.effects import measure_due_actions
from reviews.services.actions.executing import (
    execute_action,
    fail_action,
    finish_action,
    is_undoable,
    retry_action,
    revert_action,
)
from reviews.services.actions.kinds import HANDLINGS, Change, ChangedSince, Handling, Preview, UnableToExecute
from reviews.services.actions.kinds.push import SEND as SEND_PUSH
from reviews.services.actions.letters import answer_letter, letter_url, read_letter_token, renew_letter, withdraw_letter
from reviews.services.actions.notes import add_note
from reviews.services.actions.notices import remind_of_actions
from reviews.services.actions.people import UnableToDecideAction
from reviews.services.actions.playbook import propose_by_playbook, save_playbook
from reviews.services.actions.proposing import draft_action, edit_action, propose_action, take_up_action
from reviews.services.actions.pushes.mailing import render_push
from reviews.services.actions.pushes.opting_out import has_opted_out, opt_in_again, opt_out, opt_out_url, read_opt_out_token
from reviews.services.actions.pushes.references import resolve_recipients
from reviews.services.actions.pushes.sending import send_push
from reviews.services.actions.pushes.stopping import can_stop, stop_push

__all__ = [
    "EXECUTE",
    "HANDLINGS",
    "LOWER",
    "SEND_PUSH",
    "Approved",
    "Change",
    "ChangedSince",
    "Handling",
    "Preview",
    "UnableToDecideAction",
    "UnableToExecute",
    "add_note",
    "answer_approval_request",
    "answer_letter",
    "approve_action",
    "approve_in_bulk",
    "can_stop",
    "cancel_action",
    "draft_action",
    "edit_action",
    "execute_action",
    "fail_action",
    "finish_action",
    "has_opted_out",
    "is_undoable",
    "letter_url",
    "lower_by_time",
    "measure_due_actions",
    "opt_in_again",
    "opt_out",
    "opt_out_url",
    "propose_action",
    "propose_by_playbook",
    "read_letter_token",
    "read_opt_out_token",
    "reject_action",
    "remind_of_actions",
    "render_push",
    "renew_letter",
    "resolve_recipients",
    "retry_action",
    "revert_action",
    "save_approvals",
    "save_playbook",
    "send_push",
    "stop_push",
    "take_up_action",
    "withdraw_letter",
]
