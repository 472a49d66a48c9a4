"""The offers API: segments, and the order of offers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.serializers import (
    NewSegmentInput,
    RankingInput,
    RankingOutput,
    RankingsQuery,
    SegmentInput,
    SegmentOutput,
    UndoInput,
)
from offers.api.views import find_segment_id
from offers.models import RankingRevision, Segment
from offers.selectors import find_segment, get_segment, list_revisions, list_segments, load_catalog
from offers.services import save_ranking, save_segment, undo_ranking
from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import WritingView
from plum_site.lib.errors import DomainError, InvalidInput

SEGMENT = {
    "code": "cards",
    "name": "Card holders",
    "rule": [{"attribute": "business_unit", "operator": "is", "values": ["cards"]}],
}
RANKING = {"segment": None, "offers": ["OF-9", "OF-3"], "comment": "The new one first."}
REVISION = {"number": 4, **RANKING, "undoes": None, "made_at": "2026-07-15T09:30:00Z"}


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


class RankingWriting(WritingView):
    """What every address that writes a ranking shares."""

    Output: ClassVar[type[serializers.Serializer] | None] = RankingOutput

    def names(self) -> dict[int, str]:
        """External ids of offers by row id."""
        return {facts.id: name for name, facts in load_catalog(self.program_id).items()}

    def describe(self, row: RankingRevision) -> dict[str, Any]:
        """As read."""
        return dict(RankingOutput(row, context={"names": self.names()}).data)


class RankingsView(RankingWriting, ListView):
    """
    The revisions of one ranking, newest first: that for everyone, or that of a segment. The newest is in force; a new
    order is a new revision.
    """

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.publish"}
    problems = (404,)
    bodies: ClassVar = {"POST": RankingInput}
    outcomes: ClassVar = {"POST": {201: "The order is in force.", 200: "It was in force already."}}
    examples: ClassVar = {"POST": (RANKING, REVISION)}
    Query = RankingsQuery
    order = ("-number",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[RankingRevision]:
        """Of the segment asked for."""
        segment_id = get_segment(self.program_id, query["segment"]).pk if "segment" in query else None
        return list_revisions(self.program_id, segment_id).select_related("segment", "undoes")

    def output_context(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """External ids by row id."""
        return {"names": self.names()}

    def post(self, request: Request) -> Response:
        """The next revision; the same order again is the one in force."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            ids = {name: facts.id for name, facts in load_catalog(self.program_id).items()}
            unknown = [name for name in given["offers"] if name not in ids]
            if unknown:
                sentence = f"There is no offer {unknown[0]!r} in this program. Nothing was changed."
                raise InvalidInput("unknown_offer", sentence, {"offers": sentence})
            before = list_revisions(self.program_id, segment_id).first()
            revision = save_ranking(
                program_id=self.program_id,
                segment_id=segment_id,
                offer_ids=[ids[name] for name in given["offers"]],
                comment=given["comment"],
                replaces=given["replaces"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(revision, 200 if revision == before else 201)

        return self.write(request, act)


class RankingUndoView(RankingWriting):
    """Put back the order from before a revision, as a new revision. Offers that came since stay, at the end."""

    operations: ClassVar = {"POST": "catalog.publish"}
    bodies: ClassVar = {"POST": UndoInput}
    outcomes: ClassVar = {"POST": {201: "The order from before is in force."}}
    examples: ClassVar = {"POST": ({"segment": None, "number": 4}, {**REVISION, "number": 5, "undoes": 4, "comment": ""})}

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            revision = list_revisions(self.program_id, segment_id).filter(number=given["number"]).first()
            if revision is None:
                sentence = f"This ranking has no revision {given['number']}. Nothing was changed."
                raise InvalidInput("unknown_revision", sentence, {"number": sentence})
            made = undo_ranking(revision_id=revision.pk, actor=self.actor, at=clock.now(), comment=given["comment"])
            return self.answer(made, 201)

        return self.write(request, act)
