"""The states of a review cycle as a transition table. A closed cycle has no way out: a restatement is a new revision."""

from plum_site.lib.workflow import Transition, make_table
from reviews.choices import CycleState as S

RUN = "review.run"
CLOSE = "review.close"

TRANSITIONS = make_table(
    Transition("freeze", frozenset({S.OPEN}), S.READY, RUN, "Freeze the cut-off"),
    # By hand only: a month that nobody has closed yet is consolidated anew, with a new cut-off.
    Transition("freeze_again", frozenset({S.READY}), S.READY, RUN, "Consolidate anew"),
    Transition("close", frozenset({S.READY}), S.CLOSED, CLOSE, "Close"),
)
