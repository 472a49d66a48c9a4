"""The ranked catalog: what a member, a segment or somebody with certain attributes sees, best first."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from activity.api.serializers import CatalogOffer, CatalogQuery
from activity.services.browsing import find_browser
from offers.selectors import RankedOffer, day_catalog, get_segment
from partners.models import Program
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import LIMIT_DEFAULT, ListView, read_cursor, refuse_parameters, write_cursor
from plum_site.lib.api_writes import names_etag
from plum_site.lib.periods import local_date

CHOICES = ("member", "segment")
SHAPE = 2  # of an answer: another one, and what clients have kept of the old is no longer the same
CATALOG_EXAMPLE = {
    "data": [
        {
            "position": 1,
            "offer": "OF-9",
            "partner": "P-1001",
            "partner_name": "Northwind Coffee",
            "partner_category": "food",
            "offer_type": "discount",
            "category": "",
            "face_value": "50%",
            "face_value_currency": "",
            "starts_on": "2026-08-01",
            "ends_on": "2026-12-31",
            "listing": {
                "number": 1,
                "title": "Two coffees for one",
                "text": "",
                "creative_url": "",
                "terms": "Not at airports.",
            },
        }
    ],
    "next_cursor": None,
    "has_more": False,
}
ANY_ATTRIBUTE = OpenApiParameter(
    "attributes",
    {"type": "object", "additionalProperties": {"type": "string"}},
    OpenApiParameter.QUERY,
    style="form",
    explode=True,
    description="Any kept attribute of members as name=value: the catalog of a member like that.",
)


class CatalogView(ListView):
    """
    The ranked catalog of one day, best first: published offers within their dates, open to the member, the segment or the
    attributes given, without those that their rankings hide. Without any of these, the whole catalog. While other offers are
    on trial, a member of the share that tries them is shown those in the places of the old ones; nobody else is.

    The answer has an ETag. Send it back as If-None-Match, with the same parameters: 304 says that nothing has changed. Send
    `position` back with the impression and viewed events of what was shown.
    """

    operations: ClassVar = {"GET": "catalog.read"}
    problems = (404,)
    Query = CatalogQuery
    Output = CatalogOffer
    order = ("position",)
    described_parameters = (ANY_ATTRIBUTE,)
    successes: ClassVar = {200: "As asked.", 304: "As the answer with the ETag in If-None-Match."}
    examples: ClassVar = {"GET": (None, CATALOG_EXAMPLE)}

    @cached_property
    def program(self) -> Program:
        """The token's program, read once."""
        return get_program_by_id(self.program_id)

    def known_parameters(self) -> dict[str, Any]:
        """Beside the usual ones, the attributes that the program keeps of its members."""
        kept = {name: serializers.CharField(required=False, allow_blank=True) for name in self.program.member_attributes}
        return {**kept, **super().known_parameters()}

    def get(self, request: Request, **kwargs: str) -> HttpResponse:
        """One page; nothing but its ETag where the client has it already."""
        query = self.read_query(request)
        binding = self.bind(request)
        after = read_cursor(query.get("cursor", ""), binding, 1)
        key, ranked = self.find_ranked(query)
        start, limit = after[0] if after else 0, query.get("limit", LIMIT_DEFAULT)
        said = [SHAPE, self.program.uuid.hex, self.program.catalog_revision, *key, start, limit]
        etag = f'"{hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:24]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if names_etag(request.headers.get("If-None-Match", ""), etag):
            return HttpResponse(status=304, headers=headers)
        page = ranked[start : start + limit]
        following = write_cursor([start + limit], binding) if len(ranked) > start + limit else None
        rows = [{"position": one.position, **one.offer.described} for one in page]
        body = msgspec.json.encode({"data": rows, "next_cursor": following, "has_more": following is not None})
        return HttpResponse(body, content_type="application/json", headers=headers)

    def find_ranked(self, query: Mapping[str, Any]) -> tuple[tuple[Any, ...], list[RankedOffer]]:
        """The offers in order, and what makes the answer another one beside the catalog itself."""
        at = clock.now()
        on = query.get("on") or local_date(at, self.program.time_zone)
        own = CatalogQuery().fields.keys() | {"limit", "cursor"}
        attributes = {name: str(value) for name, value in self.request.query_params.items() if name not in own}
        chosen = [name for name in CHOICES if name in query] + (["attributes"] if attributes else [])
        if len(chosen) > 1:
            detail = "Ask for a member, a segment or attributes: one of the three."
            refuse_parameters([{"parameter": name, "code": "contradiction", "detail": detail} for name in chosen])
        catalog, day = day_catalog(self.program, on), on.isoformat()
        if "segment" in query:
            segment = get_segment(self.program_id, query["segment"])
            return (day, "segment", segment.pk), catalog.for_segment(segment.pk)
        if "member" in query:
            member = find_browser(program=self.program, external_id=query["member"], at=at)
            tries = catalog.tried_by(member.key, member.attributes)
            key = (day, "member", *catalog.key_of(member.attributes), *tries)
            return key, catalog.for_attributes(member.attributes, tries)
        if not attributes:
            return (day, "whole"), catalog.whole()
        return (day, "member", *catalog.key_of(attributes)), catalog.for_attributes(attributes)
