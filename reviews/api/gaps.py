"""The API of data gaps: which source was silent when, and accepting that a month is judged without it, or not after all."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import AllowedAction, TransitionInput, WritingView, list_allowed_actions
from reviews.choices import GapState
from reviews.models import DataGap
from reviews.selectors import get_data_gap, list_data_gaps
from reviews.services import change_gap_state
from reviews.workflow import GAP_TRANSITIONS

EXAMPLE = {
    "id": 12,
    "state": "accepted",
    "source": "urn:acme:shop",
    "starts_at": "2026-06-08T22:00:00Z",
    "ends_at": "2026-06-10T22:00:00Z",
    "found_at": "2026-06-10T10:00:00Z",
    "accepted_at": "2026-07-02T08:00:00Z",
    "reason": "The shop was being moved.",
    "allowed_actions": [{"name": "withdraw", "label": "Take the acceptance back", "needs_comment": True}],
}


class DataGapOutput(serializers.Serializer):
    """One silence of one source."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=GapState.choices, help_text="What is relied on stays accepted.")
    source = serializers.CharField(source="source.code")  # type: ignore[assignment]
    starts_at = serializers.DateTimeField(help_text="The first instant of the first program day without any event.")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="The first instant after the last of them; null: it lasts.")
    found_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True, help_text="When somebody accepted it; null: nobody has.")
    reason = serializers.CharField()
    allowed_actions = serializers.SerializerMethodField(help_text="What this token may do with it now.")

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, gap: DataGap) -> list[dict[str, Any]]:
        """Of the transition table."""
        return list_allowed_actions(self.context["request"], GAP_TRANSITIONS, gap.state)


class DataGapsView(ListView):
    """Sources that should have sent events and did not, newest first. Each is accepted by a person or a token, with a comment."""

    operations: ClassVar = {"GET": "review.read"}
    Output = DataGapOutput
    order = ("-starts_at", "source__code", "id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[DataGap]:
        """Those of the program."""
        return list_data_gaps(self.program_id)


class GapTransitionsView(WritingView):
    """
    Accept a data gap, so that its months may be closed without what is missing, or take the acceptance back while none is
    closed with it: one of its `allowed_actions`, with a comment that says why.
    """

    operations: ClassVar = {"POST": "gap.accept"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "It was done."}}
    examples: ClassVar = {"POST": ({"name": "accept", "comment": "The shop was being moved."}, EXAMPLE)}
    Output: ClassVar[type[serializers.Serializer] | None] = DataGapOutput

    def describe(self, row: DataGap) -> dict[str, Any]:
        """As read."""
        return dict(DataGapOutput(row, context={"request": self.request}).data)

    def find_current(self) -> DataGap:
        """The one in the address."""
        return get_data_gap(self.program_id, self.kwargs["gap_id"])

    def post(self, request: Request, gap_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            gap = get_data_gap(self.program_id, gap_id)
            change_gap_state(gap_id=gap.pk, name=given["name"], comment=given["comment"], actor=self.actor, at=clock.now())
            return self.answer(get_data_gap(self.program_id, gap_id))

        return self.write(request, act)
