"""The API of data gaps: which source was silent when, and accepting that a month is judged without it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.access import actor_of, may
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import AllowedAction, Body, WritingView
from reviews.models import DataGap
from reviews.selectors import get_data_gap, list_data_gaps
from reviews.services import accept_gap

ACCEPT = {"name": "accept", "label": "Accept", "needs_comment": True}
EXAMPLE = {
    "id": 12,
    "source": "urn:acme:shop",
    "starts_at": "2026-06-08T22:00:00Z",
    "ends_at": "2026-06-10T22:00:00Z",
    "found_at": "2026-06-10T10:00:00Z",
    "accepted_at": "2026-07-02T08:00:00Z",
    "reason": "The shop was being moved.",
    "allowed_actions": [],
}


class AcceptanceInput(Body):
    """Why a month may be judged without what is missing."""

    reason = serializers.CharField(max_length=2000, help_text="Kept with the name of whoever accepts.")


class DataGapOutput(serializers.Serializer):
    """One silence of one source."""

    id = serializers.IntegerField()
    source = serializers.CharField(source="source.code")  # type: ignore[assignment]
    starts_at = serializers.DateTimeField(help_text="The first instant of the first program day without any event.")
    ends_at = serializers.DateTimeField(allow_null=True, help_text="The first instant after the last of them; null: it lasts.")
    found_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True, help_text="When somebody accepted it; null: nobody has.")
    reason = serializers.CharField()
    allowed_actions = serializers.SerializerMethodField()

    def get_allowed_actions(self, gap: DataGap) -> list[dict[str, Any]]:
        """Accepting, while nobody has."""
        request = self.context["request"]
        is_open = gap.accepted_at is None and may(actor_of(request), "gap.accept", gap.program_id)
        return list(AllowedAction([ACCEPT], many=True).data) if is_open else []


class DataGapsView(ListView):
    """Sources that should have sent events and did not, newest first. Each is accepted by a person or a token, with a reason."""

    operations: ClassVar = {"GET": "review.read"}
    Output = DataGapOutput
    order = ("-starts_at", "source__code", "id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[DataGap]:
        """Those of the program."""
        return list_data_gaps(self.program_id)


class AcceptGapView(WritingView):
    """Accept a data gap: its months may be closed without what is missing."""

    operations: ClassVar = {"POST": "gap.accept"}
    bodies: ClassVar = {"POST": AcceptanceInput}
    outcomes: ClassVar = {"POST": {200: "It is accepted."}}
    examples: ClassVar = {"POST": ({"reason": "The shop was being moved."}, EXAMPLE)}
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
            accept_gap(gap_id=gap.pk, reason=given["reason"], actor=self.actor, at=clock.now())
            return self.answer(get_data_gap(self.program_id, gap_id))

        return self.write(request, act)
