"""The offers API: the order of offers, and whose order holds."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.ranking_serializers import (
    CompareOutput,
    CompareQuery,
    PriorityInput,
    PriorityOutput,
    RankingInput,
    RankingOutput,
    RankingsQuery,
    RankingStepsInput,
    RestoreInput,
    UndoInput,
    say_revision,
)
from offers.api.views import find_segment_id
from offers.models import RankingRevision
from offers.rules import Step
from offers.selectors import compare_revisions, get_segment, list_offers, list_ranked_segments, list_revisions, list_segments
from offers.services import change_ranking, order_segment_rankings, restore_ranking, save_ranking, undo_ranking
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import WritingView
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.periods import local_date

RANKING = {
    "segment": None,
    "offers": ["OF-9", "OF-3"],
    "pinned": [{"offer": "OF-9", "place": 1}],
    "hidden": [],
    "comment": "The new one first.",
}
REVISION = {"number": 4, **RANKING, "ended": False, "undoes": None, "made_at": "2026-07-15T09:30:00Z"}
COMPARISON = {
    "segment": None,
    "before": 3,
    "after": 4,
    "differences": [{"offer": "OF-9", "before": 14, "after": 1, "changes": ["pinned", "up"]}],
    "made_room": 13,
}


class RankingWriting(WritingView):
    """What every address that writes a ranking shares."""

    Output: ClassVar[type[serializers.Serializer] | None] = RankingOutput

    @cached_property
    def ids(self) -> dict[str, int]:
        """Row ids of the program's offers by external id."""
        return dict(list_offers(self.program_id).values_list("external_id", "id"))

    def find_ids(self, names: Iterable[str], field: str) -> list[int]:
        """Row ids of offers; 422 for one that there is not."""
        wanted = list(names)
        unknown = [name for name in wanted if name not in self.ids]
        if unknown:
            sentence = f"There is no offer {unknown[0]!r} in this program. Nothing was changed."
            raise InvalidInput("unknown_offer", sentence, {field: sentence})
        return [self.ids[name] for name in wanted]

    def find_revision(self, segment_id: int | None, number: int) -> RankingRevision:
        """One revision of a ranking; 422 for one that there is not."""
        revision = list_revisions(self.program_id, segment_id).filter(number=number).first()
        if revision is None:
            sentence = f"This ranking has no revision {number}. Nothing was changed."
            raise InvalidInput("unknown_revision", sentence, {"number": sentence})
        return revision

    def describe(self, row: RankingRevision) -> dict[str, Any]:
        """As read."""
        return dict(RankingOutput(row, context={"names": {pk: name for name, pk in self.ids.items()}}).data)

    def answer_made(self, before: RankingRevision | None, revision: RankingRevision) -> Response:
        """201 for a new revision, 200 where nothing had to be changed."""
        return self.answer(revision, 200 if revision == before else 201)


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
        return {"names": {pk: name for name, pk in self.ids.items()}}

    def post(self, request: Request) -> Response:
        """The next revision; the same order again is the one in force."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            pinned = self.find_ids((pin["offer"] for pin in given["pinned"]), "pinned")
            if len(set(pinned)) < len(pinned):
                sentence = "An offer is pinned twice. Nothing was changed. Pin each to one place."
                raise InvalidInput("named_twice", sentence, {"pinned": sentence})
            before = list_revisions(self.program_id, segment_id).first()
            revision = save_ranking(
                program_id=self.program_id,
                segment_id=segment_id,
                offer_ids=self.find_ids(given["offers"], "offers"),
                pinned=dict(zip(pinned, (pin["place"] for pin in given["pinned"]), strict=True)),
                hidden=self.find_ids(given["hidden"], "hidden"),
                comment=given["comment"],
                replaces=given["replaces"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer_made(before, revision)

        return self.write(request, act)


class RankingStepsView(RankingWriting):
    """
    Move, lower, surface, pin, unpin, hide or show single offers of a ranking: steps taken one after the other, saved as one
    revision. Places are counted in what the audience sees today.
    """

    operations: ClassVar = {"POST": "catalog.publish"}
    bodies: ClassVar = {"POST": RankingStepsInput}
    outcomes: ClassVar = {"POST": {201: "The order is in force.", 200: "It was in force already."}}
    examples: ClassVar = {
        "POST": ({"segment": None, "steps": [{"do": "pin", "offer": "OF-9", "number": 1}], "replaces": 3}, REVISION)
    }

    def post(self, request: Request) -> Response:
        """All steps or none."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            offers = self.find_ids((step["offer"] for step in given["steps"]), "steps")
            steps = [Step(step["do"], offer, step["number"]) for step, offer in zip(given["steps"], offers, strict=True)]
            at = clock.now()
            before = list_revisions(self.program_id, segment_id).first()
            revision = change_ranking(
                program_id=self.program_id,
                segment_id=segment_id,
                steps=steps,
                on=local_date(at, get_program_by_id(self.program_id).time_zone),
                comment=given["comment"],
                replaces=given["replaces"],
                actor=self.actor,
                at=at,
            )
            return self.answer_made(before, revision)

        return self.write(request, act)


class RankingUndoView(RankingWriting):
    """
    Put back what was before a revision, as a new revision. Offers that came since stay, at the end. The undo of the first
    revision ends the ranking.
    """

    operations: ClassVar = {"POST": "catalog.publish"}
    bodies: ClassVar = {"POST": UndoInput}
    outcomes: ClassVar = {"POST": {201: "The order from before is in force."}}
    examples: ClassVar = {"POST": ({"segment": None, "number": 4}, {**REVISION, "number": 5, "undoes": 4, "comment": ""})}

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            revision = self.find_revision(segment_id, given["number"])
            made = undo_ranking(revision_id=revision.pk, actor=self.actor, at=clock.now(), comment=given["comment"])
            return self.answer(made, 201)

        return self.write(request, act)


class RankingRestoreView(RankingWriting):
    """Put back exactly what a revision said, as a new revision; revision 0 ends the ranking."""

    operations: ClassVar = {"POST": "catalog.publish"}
    bodies: ClassVar = {"POST": RestoreInput}
    outcomes: ClassVar = {"POST": {201: "It is in force again.", 200: "It was in force already."}}
    examples: ClassVar = {"POST": ({"segment": None, "number": 4, "replaces": 6}, {**REVISION, "number": 7})}

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            segment_id = find_segment_id(self.program_id, given["segment"])
            self.find_revision(segment_id, given["number"] or 1)
            before = list_revisions(self.program_id, segment_id).first()
            revision = restore_ranking(
                program_id=self.program_id,
                segment_id=segment_id,
                revision=given["number"],
                replaces=given["replaces"],
                comment=given["comment"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer_made(before, revision)

        return self.write(request, act)


class RankingCompareView(ApiView):
    """What two revisions of one ranking differ in: which offers were moved, pinned, hidden, new."""

    operations: ClassVar = {"GET": "catalog.read"}
    problems = (404,)
    Query = CompareQuery
    Output = CompareOutput
    examples: ClassVar = {"GET": (None, COMPARISON)}

    def get(self, request: Request) -> Response:
        """The one in force against the one before it, if nothing else is asked."""
        query = self.read_query(request)
        segment_id = get_segment(self.program_id, query["segment"]).pk if "segment" in query else None
        revisions = list_revisions(self.program_id, segment_id)
        after = self.find(revisions, query["after"]) if "after" in query else revisions.first()
        before = self.find(revisions, query.get("before", max(say_revision(after) - 1, 0)))
        found = compare_revisions(before, after)
        names = dict(list_offers(self.program_id).values_list("id", "external_id"))
        differences = [
            {"offer": names[one.offer], "before": one.before, "after": one.after, "changes": one.changes}
            for one in found.differences
        ]
        said = {"segment": query.get("segment"), "before": say_revision(before), "after": say_revision(after)}
        return Response(CompareOutput({**said, "differences": differences, "made_room": found.made_room}).data)

    def find(self, revisions: QuerySet[RankingRevision], number: int) -> RankingRevision | None:
        """One of them; None for 0, 404 for one that there is not."""
        revision = revisions.filter(number=number).first()
        if revision is None and number:
            raise NotFound("ranking revision", number)
        return revision


class RankingPriorityView(WritingView):
    """Whose ranking holds for a member who is in several segments with a ranking of their own: the first of this list."""

    operations: ClassVar = {"GET": "catalog.read", "PUT": "catalog.publish"}
    Output: ClassVar[type[serializers.Serializer] | None] = PriorityOutput
    bodies: ClassVar = {"PUT": PriorityInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now."}}
    examples: ClassVar = {"PUT": ({"segments": ["gold", "cards"]}, {"segments": ["gold", "cards"]})}

    def describe(self, row: Any) -> dict[str, Any]:
        """As read."""
        return {"segments": [segment.code for segment in list_ranked_segments(self.program_id)]}

    def find_current(self) -> Any:
        """The program's one list."""
        return get_program_by_id(self.program_id)

    def get(self, request: Request) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.find_current())

    def put(self, request: Request) -> Response:
        """Every segment with a ranking, in the new order."""

        def act(given: dict[str, Any]) -> Response:
            ids = dict(list_segments(self.program_id).values_list("code", "id"))
            order_segment_rankings(
                program_id=self.program_id,
                segment_ids=[ids.get(code, 0) for code in given["segments"]],
                comment=given["comment"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(self.find_current())

        return self.write(request, act)
