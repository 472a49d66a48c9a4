"""The listings API: the versions of what members read, two of them side by side, the next one as a draft, and going back."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.listing_serializers import (
    ComparisonQuery,
    DraftOutput,
    ListingComparison,
    ListingInput,
    ListingOutput,
    ListingRestoreInput,
    TermsInput,
    TermsOutput,
)
from offers.models import Listing, ListingDraft, Offer, OfferTerms
from offers.selectors import compare_listings, find_draft, get_listing, get_offer, list_listings, list_terms
from offers.services import change_draft_state, publish_listing, restore_listing, save_draft, set_terms
from offers.workflow import DRAFT_TRANSITIONS
from plum_site.lib import clock
from plum_site.lib.access import actor_of, check
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import TransitionInput, WritingView
from plum_site.lib.errors import NotFound

WORDS = {"title": "Two coffees for one", "text": "", "creative_url": "", "terms": "Not at airports."}
VERSION = {"number": 2, **WORDS, "published_at": "2026-07-15T09:30:00Z"}
DRAFT = {
    **WORDS,
    "state": "draft",
    "based_on": 1,
    "listing": None,
    "allowed_actions": [{"name": "submit", "label": "Submit for review", "needs_comment": False}],
    "edited_at": "2026-07-15T09:30:00Z",
}
TERMS = {"text": "Not at airports.", "starts_on": "2998-08-01"}


class OfOffer(ApiView):
    """What every address about the listing of one offer shares."""

    def offer(self) -> Offer:
        """The one in the address; 404 where there is none in the token's program."""
        return get_offer(self.program_id, self.kwargs["external_id"])


class ListingsView(OfOffer, WritingView, ListView):
    """
    Every published version of an offer's listing, newest first: the first is what members read now, the others were
    superseded. POST publishes the next one at once; to have it reviewed first, use the draft.
    """

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.publish"}
    bodies: ClassVar = {"POST": ListingInput}
    outcomes: ClassVar = {"POST": {201: "It is what members read now.", 200: "It reads so already."}}
    examples: ClassVar = {"POST": (WORDS, VERSION)}
    Output = ListingOutput
    order = ("-number",)

    def describe(self, row: Listing) -> dict[str, Any]:
        """As read."""
        return dict(ListingOutput(row).data)

    def find_current(self) -> Listing | None:
        """The newest version."""
        return list_listings(self.offer().pk).first()

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Listing]:
        """Of the offer in the address."""
        return list_listings(self.offer().pk)

    def post(self, request: Request, external_id: str) -> Response:
        """Publish the next version."""

        def act(given: dict[str, Any]) -> Response:
            offer, before = self.offer(), self.find_current()
            listing = publish_listing(offer_id=offer.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(listing, 200 if listing == before else 201)

        return self.write(request, act)


class ComparisonView(OfOffer):
    """Two versions of an offer's listing side by side, field by field."""

    operations: ClassVar = {"GET": "catalog.read"}
    Query = ComparisonQuery
    Output = ListingComparison

    def get(self, request: Request, external_id: str) -> Response:
        """By their numbers; 404 for one that there is not."""
        asked = self.read_query(request)
        offer = self.offer()
        first, second = get_listing(offer.pk, asked["from"]), get_listing(offer.pk, asked["to"])
        fields = [
            {"field": one.field, "from": one.first, "to": one.second, "differs": one.differs}
            for one in compare_listings(first, second)
        ]
        return Response({"from": ListingOutput(first).data, "to": ListingOutput(second).data, "fields": fields})


class RestoreView(OfOffer, WritingView):
    """Publish an earlier version of an offer's listing again, as a new version."""

    operations: ClassVar = {"POST": "catalog.publish"}
    bodies: ClassVar = {"POST": ListingRestoreInput}
    outcomes: ClassVar = {"POST": {201: "It is what members read now.", 200: "It reads so already."}}
    examples: ClassVar = {"POST": ({"number": 1, "replaces": 2, "comment": "The new words confused people."}, VERSION)}
    Output = ListingOutput

    def describe(self, row: Listing) -> dict[str, Any]:
        """As read."""
        return dict(ListingOutput(row).data)

    def find_current(self) -> Listing | None:
        """The newest version."""
        return list_listings(self.offer().pk).first()

    def post(self, request: Request, external_id: str) -> Response:
        """409 if another version was published since."""

        def act(given: dict[str, Any]) -> Response:
            offer, before = self.offer(), self.find_current()
            earlier = get_listing(offer.pk, given.pop("number"))
            listing = restore_listing(offer_id=offer.pk, listing_id=earlier.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(listing, 200 if listing == before else 201)

        return self.write(request, act)


class OfDraft(OfOffer, WritingView):
    """What the addresses of a draft share."""

    Output: ClassVar[type[serializers.Serializer] | None] = DraftOutput

    def describe(self, row: ListingDraft) -> dict[str, Any]:
        """As read."""
        return dict(DraftOutput(row, context={"request": self.request}).data)

    def find_current(self) -> ListingDraft | None:
        """The one that is worked on."""
        return find_draft(self.offer().pk)

    def draft(self) -> ListingDraft:
        """The one that is worked on; 404 where nobody works on one."""
        offer = self.offer()
        draft = find_draft(offer.pk)
        if draft is None:
            raise NotFound("draft", offer.external_id)
        return draft


class DraftView(OfDraft):
    """The next version of an offer's listing while it is worked on: at most one at a time. Members do not see it."""

    operations: ClassVar = {"GET": "catalog.read", "PUT": "catalog.edit"}
    bodies: ClassVar = {"PUT": ListingInput}
    outcomes: ClassVar = {"PUT": {200: "It reads as sent now.", 201: "There was none: it was begun."}}
    examples: ClassVar = {"PUT": (WORDS, DRAFT)}

    def get(self, request: Request, external_id: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.draft())

    def put(self, request: Request, external_id: str) -> Response:
        """Begin or change; 409 while it is in review."""

        def act(given: dict[str, Any]) -> Response:
            offer = self.offer()
            draft, outcome = save_draft(offer_id=offer.pk, actor=self.actor, at=clock.now(), **given)
            if outcome == "created":
                return self.answer(draft, 201, {"Location": reverse("api:listing_draft", args=[external_id])})
            return self.answer(draft)

        return self.write(request, act)


class DraftTransitionsView(OfDraft):
    """
    Take one step of a draft's lifecycle: one of its `allowed_actions`. Submitting and discarding need the scope
    `catalog:write`, publishing and sending back `catalog:publish`.
    """

    operations: ClassVar = {"POST": "catalog.step"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    examples: ClassVar = {"POST": ({"name": "submit"}, {**DRAFT, "state": "in_review", "allowed_actions": []})}

    def post(self, request: Request, external_id: str) -> Response:
        """One service call, after the step's own operation was checked; 409 where another version came meanwhile."""

        def act(given: dict[str, Any]) -> Response:
            draft = self.draft()
            if given["name"] in DRAFT_TRANSITIONS:
                check(actor_of(request), DRAFT_TRANSITIONS[given["name"]].operation, self.program_id)
            return self.answer(change_draft_state(draft_id=draft.pk, actor=self.actor, at=clock.now(), **given))

        return self.write(request, act)


class TermsView(OfOffer, WritingView, ListView):
    """
    Under which terms an offer stands, from which program day on, the latest day first. Those that began last are in force;
    what held on days that are over never changes.
    """

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.publish"}
    bodies: ClassVar = {"POST": TermsInput}
    outcomes: ClassVar = {"POST": {200: "They hold from that day on."}}
    examples: ClassVar = {"POST": (TERMS, {**TERMS, "made_at": "2026-07-15T09:30:00Z"})}
    Output = TermsOutput
    renamed: ClassVar = {"starts_date": "/starts_on"}
    order = ("-id",)

    def describe(self, row: OfferTerms) -> dict[str, Any]:
        """As read."""
        return dict(TermsOutput(row).data)

    def find_current(self) -> OfferTerms | None:
        """What was said last."""
        return self.find_rows({}).order_by("-id").first()

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[OfferTerms]:
        """Of the offer in the address."""
        return list_terms(self.offer().pk)

    def post(self, request: Request, external_id: str) -> Response:
        """Say it for one day on: today, or a day to come."""

        def act(given: dict[str, Any]) -> Response:
            starts_date = given.pop("starts_on")
            terms = set_terms(
                offer_id=self.offer().pk, text=given["text"], starts_date=starts_date, actor=self.actor, at=clock.now()
            )
            return self.answer(terms)

        return self.write(request, act)
