"""The lifecycle of a partner as a transition table."""

from partners.choices import PartnerState as S
from plum_site.lib.workflow import Transition, make_table

EDIT = "catalog.edit"
PUBLISH = "catalog.publish"  # what takes offers in or out of the catalog

TRANSITIONS = make_table(
    Transition("onboard", frozenset({S.PROSPECT}), S.ONBOARDING, EDIT, "Start onboarding"),
    Transition("reject", frozenset({S.PROSPECT, S.ONBOARDING}), S.REJECTED, EDIT, "Reject", needs_comment=True),
    Transition("reconsider", frozenset({S.REJECTED}), S.PROSPECT, EDIT, "Reconsider"),
    Transition("activate", frozenset({S.ONBOARDING}), S.ACTIVE, PUBLISH, "Activate"),
    Transition("put_on_notice", frozenset({S.ACTIVE}), S.ON_NOTICE, EDIT, "Put on notice", needs_comment=True),
    Transition(
        "start_improvement_plan", frozenset({S.ON_NOTICE}), S.IMPROVEMENT_PLAN, EDIT, "Start improvement plan", needs_comment=True
    ),
    Transition("restore", frozenset({S.ON_NOTICE, S.IMPROVEMENT_PLAN}), S.ACTIVE, EDIT, "Restore", needs_comment=True),
    Transition(
        "start_replacement",
        frozenset({S.ACTIVE, S.ON_NOTICE, S.IMPROVEMENT_PLAN, S.PAUSED}),
        S.REPLACING,
        EDIT,
        "Start replacement",
        needs_comment=True,
    ),
    Transition("stop_replacement", frozenset({S.REPLACING}), S.ACTIVE, EDIT, "Stop replacement", needs_comment=True),
    Transition("pause", frozenset({S.ACTIVE, S.ON_NOTICE, S.IMPROVEMENT_PLAN}), S.PAUSED, PUBLISH, "Pause", needs_comment=True),
    Transition("resume", frozenset({S.PAUSED}), S.ACTIVE, PUBLISH, "Resume"),
    Transition(
        "retire",
        frozenset({S.ACTIVE, S.ON_NOTICE, S.IMPROVEMENT_PLAN, S.REPLACING, S.PAUSED}),
        S.RETIRED,
        PUBLISH,
        "Retire",
        needs_comment=True,
    ),
    Transition("reinstate", frozenset({S.RETIRED}), S.ACTIVE, PUBLISH, "Reinstate", needs_comment=True),
)
