"""The lifecycles of an offer and of a listing's next version as transition tables; what follows from dates is in no table."""

from offers.choices import DraftState as D
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

DRAFT_TRANSITIONS = make_table(
    Transition("submit", frozenset({D.DRAFT}), D.IN_REVIEW, EDIT, "Submit for review"),
    Transition("send_back", frozenset({D.IN_REVIEW}), D.DRAFT, PUBLISH, "Send back", needs_comment=True),
    Transition("publish", frozenset({D.IN_REVIEW}), D.PUBLISHED, PUBLISH, "Publish"),
    Transition("discard", frozenset({D.DRAFT, D.IN_REVIEW}), D.DISCARDED, EDIT, "Discard"),
)
