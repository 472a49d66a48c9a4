"""The states of a review cycle as a transition table. A closed cycle has no way out: a restatement is a new revision."""

from plum_site.lib.workflow import Transition, make_table
from reviews.choices import CycleState as S
from reviews.choices import RuleState

EDIT = "rule.edit"
RUN = "review.run"
CLOSE = "review.close"

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
