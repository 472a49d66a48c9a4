"""
The lifecycle of a partner as transition tables.

What people may do is in TRANSITIONS. What only rules do is in SYSTEM_TRANSITIONS, which nobody is offered: the ladder moves when
a review is closed, and a replacement begins and ends where one is opened. The database refuses these to people too.
"""

from partners.choices import PartnerState as S
from plum_site.lib.workflow import Transition, make_table

EDIT = "catalog.edit"
PUBLISH = "catalog.publish"  # what takes offers in or out of the catalog

ON_THE_LADDER = frozenset({S.ON_NOTICE, S.IMPROVEMENT_PLAN})

TRANSITIONS = make_table(
    Transition("onboard", frozenset({S.PROSPECT}), S.ONBOARDING, EDIT, "Start onboarding"),
    Transition("reject", frozenset({S.PROSPECT, S.ONBOARDING}), S.REJECTED, EDIT, "Reject", needs_comment=True),
    Transition("reconsider", frozenset({S.REJECTED}), S.PROSPECT, EDIT, "Reconsider"),
    Transition("activate", frozenset({S.ONBOARDING}), S.ACTIVE, PUBLISH, "Activate"),
    Transition("restore", ON_THE_LADDER, S.ACTIVE, EDIT, "Restore", needs_comment=True),
    Transition("pause", frozenset({S.ACTIVE, *ON_THE_LADDER}), S.PAUSED, PUBLISH, "Pause", needs_comment=True),
    Transition("resume", frozenset({S.PAUSED}), S.ACTIVE, PUBLISH, "Resume"),
    Transition(
        "retire",
        frozenset({S.ACTIVE, *ON_THE_LADDER, S.REPLACING, S.PAUSED}),
        S.RETIRED,
        PUBLISH,
        "Retire",
        needs_comment=True,
    ),
    Transition("reinstate", frozenset({S.RETIRED}), S.ACTIVE, PUBLISH, "Reinstate", needs_comment=True),
)

SYSTEM_TRANSITIONS = make_table(
    Transition("put_on_notice", frozenset({S.ACTIVE}), S.ON_NOTICE, EDIT, "Put on notice", needs_comment=True),
    Transition(
        "start_improvement_plan", frozenset({S.ON_NOTICE}), S.IMPROVEMENT_PLAN, EDIT, "Start improvement plan", needs_comment=True
    ),
    Transition(
        "start_replacement",
        frozenset({S.ACTIVE, *ON_THE_LADDER, S.PAUSED}),
        S.REPLACING,
        EDIT,
        "Start replacement",
        needs_comment=True,
    ),
    Transition("stop_replacement", frozenset({S.REPLACING}), S.ACTIVE, EDIT, "Stop replacement", needs_comment=True),
)

# Why nobody may take these by hand.
WITHHELD = {
    "put_on_notice": "The ladder moves by rule, when a review is closed.",
    "start_improvement_plan": "The ladder moves by rule, when a review is closed.",
    "start_replacement": "A partner is being replaced from when its replacement is opened.",
    "stop_replacement": "A partner stops being replaced when its replacement is ended.",
}
