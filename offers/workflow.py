"""The lifecycle of an offer as a transition table; scheduled, live and expired follow from the dates."""

from offers.choices import OfferState as S
from plum_site.lib.workflow import Transition, make_table

EDIT = "catalog.edit"
PUBLISH = "catalog.publish"

TRANSITIONS = make_table(
    Transition("submit", frozenset({S.DRAFT}), S.IN_REVIEW, EDIT, "Submit for review"),
    Transition("send_back", frozenset({S.IN_REVIEW}), S.DRAFT, PUBLISH, "Send back", needs_comment=True),
    Transition("publish", frozenset({S.IN_REVIEW}), S.PUBLISHED, PUBLISH, "Publish"),
    Transition("pause", frozenset({S.PUBLISHED}), S.PAUSED, PUBLISH, "Pause", needs_comment=True),
    Transition("resume", frozenset({S.PAUSED}), S.PUBLISHED, PUBLISH, "Resume"),
    Transition(
        "retire", frozenset({S.DRAFT, S.IN_REVIEW, S.PUBLISHED, S.PAUSED}), S.RETIRED, PUBLISH, "Retire", needs_comment=True
    ),
    Transition("reinstate", frozenset({S.RETIRED}), S.PAUSED, PUBLISH, "Reinstate", needs_comment=True),
)
