"""The API of flags: which rules were crossed for certain, what they rest on, what became of them, and what to do about them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import TransitionInput, WritingView, make_etag
from reviews.api.serializers import FlagOutput, FlagRow
from reviews.filters import FlagFilter
from reviews.models import FlagCase
from reviews.selectors import get_flag_case, list_flag_cases
from reviews.services import change_flag_state

LARGEST_ID = 2**63 - 1


ANSWER = {
    "id": 17,
    "state": "acknowledged",
    "resolution": "",
    "reason": "",
    "partner": "P-17",
    "partner_name": "Coffee Corner",
    "rule": "activation_fall",
    "rule_name": "Activation rate fell",
    "target": "partner",
    "target_key": "",
    "severity": "warning",
    "month": "2026-10",
    "first_month": "2026-10",
    "metric": "activation_rate",
    "observed": 0.21,
    "threshold": 0.34,
    "sentence": "Activation rate fell: activation rate 21.0 %, should be at least 34.0 % (70 % of the previous month).",
    "owner": "otis",
    "opened_at": "2026-10-14T09:30:00Z",
    "ended_at": None,
    "allowed_actions": [{"name": "dismiss", "label": "Dismiss", "needs_comment": True}],
    "evidence": {"numerator": 63, "denominator": 300, "interval": [0.167, 0.261]},
    "history": [
        {"name": "open", "from_state": "", "to_state": "open", "actor": "system", "at": "2026-10-14T09:30:00Z", "comment": ""},
        {
            "name": "acknowledge",
            "from_state": "open",
            "to_state": "acknowledged",
            "actor": "token:Partner desk",
            "at": "2026-10-14T10:00:00Z",
            "comment": "",
        },
    ],
    "months": [{"month": "2026-10", "revision": 1, "observed": 0.21, "threshold": 0.34}],
}


class FlagsView(ListView):
    """The flags of the token's program, whatever became of them, newest first. `?active=true` gives those that are open."""

    operations: ClassVar = {"GET": "review.read"}
    Output = FlagRow
    order = ("-id",)
    filterset_class = FlagFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[FlagCase]:
        """Every flag of the program."""
        return list_flag_cases(self.program_id)


class FlagView(ApiView):
    """One flag with its evidence, its history and what can be done with it."""

    operations: ClassVar = {"GET": "review.read"}
    Output = FlagOutput

    def get(self, request: Request, flag_id: int) -> Response:
        """With its ETag."""
        self.read_query(request)
        case = get_flag_case(self.program_id, min(flag_id, LARGEST_ID))
        body = dict(FlagOutput(case, context={"request": request}).data)
        return Response(body, headers={"ETag": make_etag(body, case)})


class FlagTransitionsView(WritingView):
    """
    Take one step with a flag: one of its `allowed_actions`. Acknowledging says that somebody works on it; to resolve,
    dismiss or reopen it needs a comment that says what was done, or why.
    """

    operations: ClassVar = {"POST": "flag.handle"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    examples: ClassVar = {"POST": ({"name": "acknowledge"}, ANSWER)}
    Output = FlagOutput

    def describe(self, row: FlagCase) -> dict[str, Any]:
        """As read."""
        return dict(FlagOutput(row, context={"request": self.request}).data)

    def find_current(self) -> FlagCase:
        """The one in the address."""
        return get_flag_case(self.program_id, min(self.kwargs["flag_id"], LARGEST_ID))

    def post(self, request: Request, flag_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            case = self.find_current()
            change_flag_state(case_id=case.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(self.find_current())

        return self.write(request, act)
