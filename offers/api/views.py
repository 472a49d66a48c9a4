"""The offers API: reads only; the catalog is kept in the console and by import."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.serializers import ListingOutput, OfferOutput, RankingOutput, RankingsQuery, SegmentOutput
from offers.filters import OfferFilter
from offers.models import Listing, Offer, RankingRevision, Segment
from offers.selectors import get_offer, get_segment, list_listings, list_offers, list_revisions, list_segments, load_catalog
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.periods import local_date


def today(program_id: int) -> date:
    """The present program day."""
    return local_date(clock.now(), get_program_by_id(program_id).time_zone)


class OffersView(ListView):
    """The offers of the token's program, in every state, by external id."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = OfferOutput
    filterset_class = OfferFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Offer]:
        """Every offer."""
        return list_offers(self.program_id)

    def filter_options(self) -> dict[str, Any]:
        """The program day of now."""
        return {"on": today(self.program_id)}

    def output_context(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """The program day of now."""
        return {"on": today(self.program_id)}


class OfferView(ApiView):
    """One offer."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = OfferOutput

    def get(self, request: Request, external_id: str) -> Response:
        """By its external id."""
        self.read_query(request)
        offer = get_offer(self.program_id, external_id)
        return Response(OfferOutput(offer, context={"on": today(self.program_id)}).data)


class ListingsView(ListView):
    """Every version of an offer's listing, newest first."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = ListingOutput
    order = ("-number",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Listing]:
        """Of the offer in the address."""
        return list_listings(get_offer(self.program_id, self.kwargs["external_id"]).pk)


class SegmentsView(ListView):
    """The segments of the token's program, by code."""

    operations: ClassVar = {"GET": "catalog.read"}
    Output = SegmentOutput
    order = ("code",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Segment]:
        """Every segment."""
        return list_segments(self.program_id)


class RankingsView(ListView):
    """The revisions of one ranking, newest first: that for everyone, or that of a segment."""

    operations: ClassVar = {"GET": "catalog.read"}
    problems = (404,)
    Query = RankingsQuery
    Output = RankingOutput
    order = ("-number",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[RankingRevision]:
        """Of the segment asked for."""
        segment_id = get_segment(self.program_id, query["segment"]).pk if "segment" in query else None
        return list_revisions(self.program_id, segment_id).select_related("segment", "undoes")

    def output_context(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """External ids by row id."""
        return {"names": {facts.id: name for name, facts in load_catalog(self.program_id).items()}}
