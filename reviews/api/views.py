"""The API of reviews and scorecards: reads only; reviews are run by the schedule and decided in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.periods import month_text, parse_month
from reviews.api.serializers import ReviewOutput, ReviewRow, ScorecardOutput
from reviews.models import ReviewCycle, Scorecard
from reviews.selectors import describe_scorecard, get_review, get_scorecard, list_cycles

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
        """The newest revision, as `run_review` prints it."""
        self.read_query(request)
        return Response(get_review(get_program_by_id(self.program_id), parse_month(month)))


class ScorecardView(ApiView):
    """One partner's scorecard of one month, in the standard form."""

    operations: ClassVar = {"GET": "review.read"}
    problems = (422,)
    Output = ScorecardOutput

    def get(self, request: Request, month: str, external_id: str) -> Response:
        """By the partner's external id."""
        self.read_query(request)
        return Response(as_document(get_scorecard(self.program_id, parse_month(month), external_id)))


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
