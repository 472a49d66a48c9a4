"""The API of reviews and scorecards: reads only; reviews are run by the schedule and decided in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import list_allowed_actions
from plum_site.lib.periods import month_text, parse_month
from reviews.api.serializers import ReviewOutput, ReviewRow, ScorecardOutput
from reviews.models import ReviewCycle, Scorecard
from reviews.selectors import describe_scorecard, get_review, get_scorecard, list_cycles
from reviews.workflow import DECISIONS, TRANSITIONS

STANDARD_FORM = ("previous", "settled", "expected", "peers", "trend")


class ReviewsView(ListView):
    """The monthly reviews of the token's program, newest month first."""

    operations: ClassVar = {"GET": "review.read"}
    Output = ReviewRow
    order = ("-month_start_date", "-revision")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ReviewCycle]:
        """Every cycle and revision."""
        return list_cycles(self.program_id)


class ReviewView(ApiView):
    """One month's review with every partner: standing, score, metrics, flags, decision. The month is YYYY-MM."""

    operations: ClassVar = {"GET": "review.read"}
    problems = (422,)
    Output = ReviewOutput

    def get(self, request: Request, month: str) -> Response:
        """The newest revision, as `run_review` prints it, and what may be done with it."""
        self.read_query(request)
        review = get_review(get_program_by_id(self.program_id), parse_month(month))
        return Response(review | {"allowed_actions": list_allowed_actions(request, TRANSITIONS, review["state"])})


class ScorecardView(ApiView):
    """One partner's scorecard of one month, in the standard form."""

    operations: ClassVar = {"GET": "review.read"}
    problems = (422,)
    Output = ScorecardOutput

    def get(self, request: Request, month: str, external_id: str) -> Response:
        """By the partner's external id."""
        self.read_query(request)
        card = get_scorecard(self.program_id, parse_month(month), external_id)
        return Response(as_document(card) | {"allowed_actions": list_allowed_actions(request, DECISIONS, card.cycle.state)})


def as_document(card: Scorecard) -> dict[str, Any]:
    """A scorecard in the shape of ScorecardOutput."""
    cycle = card.cycle
    return {
        "month": month_text(cycle.month_start_date),
        "revision": cycle.revision,
        "state": cycle.state,
        **describe_scorecard(card, cycle.config),
        **{name: getattr(card, name) for name in STANDARD_FORM},
    }
