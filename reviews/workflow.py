"""
The states of a review cycle, a rule, a flag, a data gap, a corrective action, a request to lower the approvals and a
replacement as transition tables.

A closed cycle has no way out: a restatement is a new revision. What people do about a flag is in FLAG_TRANSITIONS; what
consolidation does to it when figures change is in FLAG_DATA_TRANSITIONS, which nobody is offered.
"""

from plum_site.lib.workflow import Transition, make_table
from reviews.choices import ActionState as A
from reviews.choices import ApprovalRequestState as R
from reviews.choices import CycleState as S
from reviews.choices import DecisionKind, GapState, RuleState
from reviews.choices import FlagState as F
from reviews.choices import ReplacementState as P

EDIT = "rule.edit"
RUN = "review.run"
CLOSE = "review.close"
DECIDE = "review.decide"
HANDLE = "flag.handle"
PROPOSE = "action.propose"
APPROVE = "action.approve"
ACCEPT = "gap.accept"

TRANSITIONS = make_table(
    Transition("freeze", frozenset({S.OPEN}), S.READY, RUN, "Freeze the cut-off"),
    # By hand only: a month that nobody has closed yet is consolidated anew, with a new cut-off.
    Transition("freeze_again", frozenset({S.READY}), S.READY, RUN, "Consolidate anew"),
    Transition("close", frozenset({S.READY}), S.CLOSED, CLOSE, "Close"),
)

RULE_TRANSITIONS = make_table(
    Transition("deactivate", frozenset({RuleState.ACTIVE}), RuleState.INACTIVE, EDIT, "Take out of force"),
    Transition("activate", frozenset({RuleState.INACTIVE}), RuleState.ACTIVE, EDIT, "Put in force again"),
)

ACTIVE_FLAGS = frozenset({F.OPEN, F.ACKNOWLEDGED})
ENDED_FLAGS = frozenset({F.RESOLVED, F.DISMISSED})

FLAG_TRANSITIONS = make_table(
    Transition("acknowledge", frozenset({F.OPEN}), F.ACKNOWLEDGED, HANDLE, "Acknowledge"),
    Transition("resolve", ACTIVE_FLAGS, F.RESOLVED, HANDLE, "Resolve: something was done", needs_comment=True),
    Transition("dismiss", ACTIVE_FLAGS, F.DISMISSED, HANDLE, "Dismiss", needs_comment=True),
    Transition("reopen", ENDED_FLAGS, F.OPEN, HANDLE, "Reopen", needs_comment=True),
)

FLAG_DATA_TRANSITIONS = make_table(
    Transition("open", frozenset({""}), F.OPEN, RUN, "Opened"),
    Transition("resolve_by_data", ACTIVE_FLAGS, F.RESOLVED, RUN, "Resolved by the data"),
    Transition("reopen_by_data", frozenset({F.RESOLVED}), F.OPEN, RUN, "Reopened by the data"),
)

# What a closed month relies on stays: a restatement is the way to judge it otherwise.
GAP_TRANSITIONS = make_table(
    Transition("accept", frozenset({GapState.OPEN}), GapState.ACCEPTED, ACCEPT, "Accept", needs_comment=True),
    Transition("withdraw", frozenset({GapState.ACCEPTED}), GapState.OPEN, ACCEPT, "Take the acceptance back", needs_comment=True),
)

# Decisions about one partner of a month that waits for them, told as actions; the cycle stays as it is.
DECISIONS = make_table(
    *(
        Transition(kind.value, frozenset({S.READY}), S.READY, DECIDE, kind.label, needs_comment=kind == DecisionKind.EXEMPT)
        for kind in DecisionKind
    )
)

UNDOABLE_ACTIONS = frozenset({A.EXECUTED, A.MEASURING, A.MEASURED})
WAITING_ACTIONS = frozenset({A.PROPOSED, A.APPROVED, A.SCHEDULED})

# What people do about a corrective action. An edit voids the approval, whatever it changes.
ACTION_TRANSITIONS = make_table(
    Transition("take_up", frozenset({A.PROPOSED}), A.PROPOSED, PROPOSE, "Take up"),
    Transition("edit", WAITING_ACTIONS, A.PROPOSED, PROPOSE, "Edit"),
    Transition("approve", frozenset({A.PROPOSED}), A.APPROVED, APPROVE, "Approve"),
    Transition("reject", frozenset({A.PROPOSED}), A.REJECTED, APPROVE, "Reject", needs_comment=True),
    Transition("cancel", WAITING_ACTIONS, A.CANCELLED, PROPOSE, "Cancel", needs_comment=True),
    Transition("retry", frozenset({A.FAILED}), A.SCHEDULED, APPROVE, "Try again"),
    Transition("revert", UNDOABLE_ACTIONS, A.REVERTED, APPROVE, "Revert", needs_comment=True),
)

# What Plum itself does with one: nobody is offered these.
ACTION_SYSTEM_TRANSITIONS = make_table(
    Transition("propose", frozenset({""}), A.PROPOSED, PROPOSE, "Proposed"),
    Transition("schedule", frozenset({A.APPROVED}), A.SCHEDULED, APPROVE, "Scheduled"),
    Transition("begin", frozenset({A.SCHEDULED}), A.EXECUTING, APPROVE, "Begun"),
    Transition("finish", frozenset({A.EXECUTING}), A.EXECUTED, APPROVE, "Executed"),
    Transition("fail", frozenset({A.SCHEDULED, A.EXECUTING}), A.FAILED, APPROVE, "Failed"),
    Transition("watch", frozenset({A.EXECUTED}), A.MEASURING, APPROVE, "Measuring"),
    Transition("measure", frozenset({A.MEASURING}), A.MEASURED, APPROVE, "Measured"),
)

# What people do about approvals that ask for less: whoever asked withdraws, anybody else confirms or refuses.
APPROVAL_REQUEST_TRANSITIONS = make_table(
    Transition("confirm", frozenset({R.ASKED}), R.IN_FORCE, EDIT, "Confirm"),
    Transition("refuse", frozenset({R.ASKED}), R.REFUSED, EDIT, "Refuse", needs_comment=True),
    Transition("withdraw", frozenset({R.ASKED}), R.WITHDRAWN, EDIT, "Withdraw", needs_comment=True),
)

# What Plum itself does with such a request: its time has come, or what it was about is not in force any more.
APPROVAL_REQUEST_SYSTEM_TRANSITIONS = make_table(
    Transition("ask", frozenset({""}), R.ASKED, EDIT, "Asked for"),
    Transition("take_force", frozenset({R.ASKED}), R.IN_FORCE, EDIT, "In force by its time"),
    Transition("replace", frozenset({R.ASKED}), R.WITHDRAWN, EDIT, "Replaced"),
    Transition("lapse", frozenset({R.ASKED}), R.WITHDRAWN, EDIT, "Lapsed"),
)

# Before the cutover nothing has changed for members, but for those of a trial: every step can be gone back to.
BEFORE_CUTOVER = (P.OPENED, P.COMPARED, P.CHOSEN, P.AGREED, P.MAPPED, P.APPROVED, P.TRIALLING, P.SCHEDULED)
AFTER_CUTOVER = frozenset({P.CUT_OVER, P.VERIFIED, P.COMPLETED})
ENDED_REPLACEMENTS = frozenset({P.COMPLETED, P.CANCELLED})


def _from_beyond(state: P) -> frozenset[str]:
    """The states from which a replacement can go back to this one."""
    return frozenset({*BEFORE_CUTOVER[BEFORE_CUTOVER.index(state) + 1 :], P.ROLLED_BACK})


# What people do in the replacement of a partner. Going back voids an approval and ends a trial; the files and the log of
# contacts stay. A trial that runs when the cutover is scheduled goes on until then.
REPLACEMENT_TRANSITIONS = make_table(
    Transition("compare", frozenset({P.OPENED, P.COMPARED}), P.COMPARED, PROPOSE, "Compare the candidates"),
    Transition("choose", frozenset({P.COMPARED}), P.CHOSEN, PROPOSE, "Choose the candidate"),
    Transition("go_without", frozenset({P.COMPARED}), P.MAPPED, PROPOSE, "End without a candidate", needs_comment=True),
    Transition("refuse_terms", frozenset({P.CHOSEN, P.AGREED}), P.COMPARED, PROPOSE, "Terms were refused", needs_comment=True),
    Transition("agree", frozenset({P.CHOSEN}), P.AGREED, PROPOSE, "Terms are agreed"),
    Transition("map", frozenset({P.AGREED}), P.MAPPED, PROPOSE, "Offers are mapped"),
    Transition("approve", frozenset({P.MAPPED}), P.APPROVED, APPROVE, "Approve"),
    Transition("send_back", frozenset({P.MAPPED}), P.AGREED, APPROVE, "Send back", needs_comment=True),
    Transition("schedule", frozenset({P.APPROVED, P.TRIALLING, P.SCHEDULED}), P.SCHEDULED, APPROVE, "Schedule the cutover"),
    Transition("start_trial", frozenset({P.APPROVED}), P.TRIALLING, APPROVE, "Try it with a share of members"),
    Transition("end_trial", frozenset({P.TRIALLING}), P.APPROVED, APPROVE, "End the trial"),
    Transition("verify", frozenset({P.CUT_OVER, P.VERIFIED}), P.VERIFIED, PROPOSE, "Verify"),
    Transition("complete", frozenset({P.VERIFIED}), P.COMPLETED, APPROVE, "Complete"),
    Transition("roll_back", AFTER_CUTOVER, P.ROLLED_BACK, APPROVE, "Roll back", needs_comment=True),
    Transition("back_to_candidates", _from_beyond(P.COMPARED), P.COMPARED, PROPOSE, "Back to the candidates", needs_comment=True),
    Transition("back_to_terms", _from_beyond(P.CHOSEN), P.CHOSEN, PROPOSE, "Back to the terms", needs_comment=True),
    Transition("back_to_mapping", _from_beyond(P.AGREED), P.AGREED, PROPOSE, "Back to the mapping", needs_comment=True),
    Transition("cancel", frozenset({*BEFORE_CUTOVER, P.ROLLED_BACK}), P.CANCELLED, PROPOSE, "Call it off", needs_comment=True),
)

# What Plum itself does with one: nobody is offered these.
REPLACEMENT_SYSTEM_TRANSITIONS = make_table(
    Transition("open", frozenset({""}), P.OPENED, PROPOSE, "Opened"),
    Transition("cut_over", frozenset({P.SCHEDULED}), P.CUT_OVER, APPROVE, "Cut over"),
    Transition("fail", frozenset({P.SCHEDULED}), P.MAPPED, APPROVE, "The cutover failed"),
)
