"""The offers API: segments."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.serializers import NewSegmentInput, SegmentInput, SegmentOutput
from offers.models import Segment
from offers.selectors import find_segment, get_segment, list_segments
from offers.services import save_segment
from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import WritingView
from plum_site.lib.errors import DomainError

SEGMENT = {
    "code": "cards",
    "name": "Card holders",
    "rule": [{"attribute": "business_unit", "operator": "is", "values": ["cards"]}],
}


class SegmentWriting(WritingView):
    """What every address that writes a segment shares."""

    Output: ClassVar[type[serializers.Serializer] | None] = SegmentOutput

    def describe(self, row: Segment) -> dict[str, Any]:
        """As read."""
        return dict(SegmentOutput(row).data)

    def store(self, code: str, given: Mapping[str, Any]) -> Response:
        """One service call: 201 for a new segment, else 200."""
        rule = [dict(condition) for condition in given["rule"]]
        segment, outcome = save_segment(
            program_id=self.program_id, code=code, name=given["name"], rule=rule, actor=self.actor, at=clock.now()
        )
        if outcome == "created":
            return self.answer(segment, 201, {"Location": reverse("api:segment", args=[code])})
        return self.answer(segment)


class SegmentsView(SegmentWriting, ListView):
    """The segments of the token's program, by code."""

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.edit"}
    bodies: ClassVar = {"POST": NewSegmentInput}
    outcomes: ClassVar = {"POST": {201: "The segment was created."}}
    examples: ClassVar = {"POST": (SEGMENT, SEGMENT)}
    order = ("code",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Segment]:
        """Every segment."""
        return list_segments(self.program_id)

    def post(self, request: Request) -> Response:
        """A new one; 409 if there is one with this code."""

        def act(given: dict[str, Any]) -> Response:
            code = given.pop("code")
            if find_segment(self.program_id, code) is not None:
                sentence = f"There is a segment {code!r} already. Nothing was changed. Change it with PUT."
                raise DomainError("already_exists", sentence, {"code": sentence})
            return self.store(code, given)

        return self.write(request, act)


class SegmentView(SegmentWriting):
    """One segment, by its code. PUT creates it if there is none."""

    operations: ClassVar = {"GET": "catalog.read", "PUT": "catalog.edit"}
    bodies: ClassVar = {"PUT": SegmentInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now.", 201: "There was none: it was created."}}
    examples: ClassVar = {"PUT": ({key: SEGMENT[key] for key in ("name", "rule")}, SEGMENT)}

    def find_current(self) -> Segment | None:
        """The one in the address."""
        return find_segment(self.program_id, self.kwargs["code"])

    def get(self, request: Request, code: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(get_segment(self.program_id, code))

    def put(self, request: Request, code: str) -> Response:
        """Create or replace."""
        return self.write(request, lambda given: self.store(code, given))
