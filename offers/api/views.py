"""The offers API: offers, what members read of them, whom they are open to, and the steps of their lifecycle."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from offers.api.serializers import (
    AudienceInput,
    AudienceOutput,
    NewOfferInput,
    OfferInput,
    OfferOutput,
)
from offers.choices import OfferState
from offers.filters import OfferFilter
from offers.models import Audience, Offer
from offers.rules import OfferRow
from offers.selectors import (
    find_segment,
    get_described_offer,
    get_offer,
    list_described_offers,
    list_offer_audiences,
    list_offers,
    list_segments,
    terms_in_force,
)
from offers.services import change_offer_state, save_offer, set_audience
from offers.workflow import PUBLISH, TRANSITIONS
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.access import actor_of, check
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import TransitionInput, WritingView
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.money import format_minor
from plum_site.lib.periods import local_date

# The names of offers.rules.OfferRow, as the body has them.
RENAMED = {
    "partner_external_id": "/partner",
    "currency": "/face_value_currency",
    "title": "/listing/title",
    "text": "/listing/text",
    "creative_url": "/listing/creative_url",
    "terms": "/listing/terms",
}
LISTING = {"title": "Two coffees for one", "text": "", "creative_url": "", "terms": "Not at airports."}
EXAMPLE = {
    "external_id": "OF-9",
    "partner": "P-1001",
    "offer_type": "discount",
    "listing": LISTING,
    "face_value": "50%",
    "reward_cost": {"amount": "1.25", "currency": "EUR"},
    "starts_on": "2026-08-01",
    "ends_on": "2026-12-31",
}
ANSWER = {
    **EXAMPLE,
    "category": "",
    "face_value_currency": "",
    "state": "draft",
    "listing": {"number": 1, **LISTING, "published_at": "2026-07-15T09:30:00Z"},
    "audience": None,
    "allowed_actions": [{"name": "submit", "label": "Submit for review", "needs_comment": False}],
    "created_at": "2026-07-15T09:30:00Z",
}


# Before it was published for the first time, whoever drafts an offer drafts its listing too.
UNPUBLISHED = frozenset({OfferState.DRAFT, OfferState.IN_REVIEW})


def today(program_id: int) -> date:
    """The present program day."""
    return local_date(clock.now(), get_program_by_id(program_id).time_zone)


def find_segment_id(program_id: int, code: str | None) -> int | None:
    """The row id of a segment that a body names; None for everyone, InvalidInput where there is none."""
    if code is None:
        return None
    segment = find_segment(program_id, code)
    if segment is None:
        sentence = f"There is no segment {code!r} in this program. Nothing was changed. Save it first."
        raise InvalidInput("unknown_segment", sentence, {"segment": sentence})
    return segment.pk


def find_segment_ids(program_id: int, codes: Collection[str]) -> list[int]:
    """The row ids of segments to leave out that a body names; InvalidInput for those that there are not."""
    found = dict(list_segments(program_id).filter(code__in=codes).values_list("code", "pk"))
    unknown = sorted(set(codes) - found.keys())
    if unknown:
        named = ", ".join(map(repr, unknown))
        sentence = f"There is no segment {named} in this program. Nothing was changed. Save it first."
        raise InvalidInput("unknown_segment", sentence, {"excluded_segments": sentence})
    return list(found.values())


class OfferWriting(WritingView):
    """What every address that writes an offer shares."""

    Output: ClassVar[type[serializers.Serializer] | None] = OfferOutput
    renamed: ClassVar = RENAMED

    def describe(self, row: Offer) -> dict[str, Any]:
        """As read."""
        return dict(OfferOutput(row, context={"request": self.request, "on": today(self.program_id)}).data)

    def find_current(self) -> Offer | None:
        """The one in the address."""
        rows = list_described_offers(self.program_id).filter(external_id=self.kwargs.get("external_id", ""))
        offer: Offer | None = rows.first()
        return offer

    def store(self, external_id: str, given: Mapping[str, Any]) -> Response:
        """
        One service call: 201 for a new offer, else 200. What members read of an offer that was published changes only for
        those who may publish; others write a draft.
        """
        known = self.find_current()
        stored = as_body(known, today(self.program_id)) if known is not None and known.state not in UNPUBLISHED else None
        if stored is not None and stored["listing"] != dict(given["listing"]):
            check(actor_of(self.request), PUBLISH, self.program_id)
        row = OfferRow(
            external_id=external_id,
            partner_external_id=given["partner"],
            offer_type=given["offer_type"],
            category=given["category"],
            face_value=given["face_value"],
            currency=given["face_value_currency"],
            starts_date=given["starts_on"],
            ends_date=given["ends_on"],
            reward_cost=given["reward_cost"] or "",
            **given["listing"],
        )
        _, outcome = save_offer(program_id=self.program_id, row=row, actor=self.actor, at=clock.now(), state=OfferState.DRAFT)
        offer = get_described_offer(self.program_id, external_id)
        if outcome == "created":
            return self.answer(offer, 201, {"Location": reverse("api:offer", args=[external_id])})
        return self.answer(offer)


class OffersView(OfferWriting, ListView):
    """The offers of the token's program, in every state, by external id. A new one begins as a draft."""

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.edit"}
    bodies: ClassVar = {"POST": NewOfferInput}
    outcomes: ClassVar = {"POST": {201: "The offer was created."}}
    examples: ClassVar = {"POST": (EXAMPLE, ANSWER)}
    filterset_class = OfferFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Offer]:
        """Every offer."""
        return list_described_offers(self.program_id)

    def filter_options(self) -> dict[str, Any]:
        """The program day of now."""
        return {"on": today(self.program_id)}

    def output_context(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """The program day of now."""
        return {**super().output_context(query), "on": today(self.program_id)}

    def post(self, request: Request) -> Response:
        """A new one; 409 if there is one with this id."""

        def act(given: dict[str, Any]) -> Response:
            external_id = given.pop("external_id")
            if list_offers(self.program_id).filter(external_id=external_id).exists():
                sentence = f"There is an offer {external_id!r} already. Nothing was changed. Change it with PUT or PATCH."
                raise DomainError("already_exists", sentence, {"external_id": sentence})
            return self.store(external_id, given)

        return self.write(request, act)


class OfferView(OfferWriting):
    """One offer, by its external id. PUT creates it if there is none; PATCH changes what it names."""

    operations: ClassVar = {"GET": "catalog.read", "PUT": "catalog.edit", "PATCH": "catalog.edit"}
    bodies: ClassVar = {"PUT": OfferInput, "PATCH": OfferInput}
    outcomes: ClassVar = {
        "PUT": {200: "It is as sent now.", 201: "There was none: it was created, as a draft."},
        "PATCH": {200: "It is as sent now, in what was named."},
    }
    examples: ClassVar = {"PATCH": ({"ends_on": "2026-12-31"}, ANSWER)}

    def get(self, request: Request, external_id: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(get_described_offer(self.program_id, external_id))

    def put(self, request: Request, external_id: str) -> Response:
        """Create or replace."""
        return self.write(request, lambda given: self.store(external_id, given))

    def patch(self, request: Request, external_id: str) -> Response:
        """Change what is named, in the listing too; the rest stays."""

        def act(given: dict[str, Any]) -> Response:
            stored = as_body(get_described_offer(self.program_id, external_id), today(self.program_id))
            listing = stored["listing"] | given.pop("listing", {})
            return self.store(external_id, {**stored, **given, "listing": listing})

        return self.write(request, act)


def as_body(offer: Any, on: date) -> dict[str, Any]:
    """A stored offer as OfferInput would read it on a program day."""
    newest = offer.newest_listings[0] if offer.newest_listings else None
    terms = terms_in_force(offer.dated_terms.all(), on)
    words = {name: getattr(newest, name, "") for name in ("title", "text", "creative_url")}
    minor, currency = offer.reward_cost_minor, offer.reward_cost_currency
    return {
        "partner": offer.partner.external_id,
        "offer_type": offer.offer_type,
        "listing": {**words, "terms": terms.text if terms else ""},
        "category": offer.category,
        "face_value": offer.face_value,
        "face_value_currency": offer.face_value_currency,
        "reward_cost": "" if minor is None else f"{format_minor(minor, currency)} {currency}",
        "starts_on": offer.starts_date,
        "ends_on": offer.ends_date,
    }


class AudiencesView(WritingView, ListView):
    """
    Whom an offer is open to, from which program day on, newest row first. The newest that has begun is in force. Whoever is in
    one of the `excluded_segments` is left out, whatever `segment` and `countries` say.
    """

    operations: ClassVar = {"GET": "catalog.read", "POST": "catalog.edit"}
    bodies: ClassVar = {"POST": AudienceInput}
    outcomes: ClassVar = {"POST": {200: "It is so from that day on."}}
    examples: ClassVar = {
        "POST": ({"segment": "cards", "countries": ["DE"], "excluded_segments": ["north"], "starts_on": "2026-08-01"},) * 2,
    }
    Output = AudienceOutput
    order = ("-id",)

    def describe(self, row: Audience) -> dict[str, Any]:
        """As read."""
        return dict(AudienceOutput(row).data)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Audience]:
        """Of the offer in the address."""
        return list_offer_audiences(get_offer(self.program_id, self.kwargs["external_id"]).pk)

    def find_current(self) -> Audience | None:
        """The newest row."""
        rows: QuerySet[Audience] = self.find_rows({})
        return rows.first()

    def post(self, request: Request, external_id: str) -> Response:
        """Say it for one day on."""

        def act(given: dict[str, Any]) -> Response:
            offer = get_offer(self.program_id, external_id)
            audience = set_audience(
                offer_id=offer.pk,
                segment_id=find_segment_id(self.program_id, given["segment"]),
                countries=given["countries"],
                excluded_segment_ids=find_segment_ids(self.program_id, given["excluded_segments"]),
                starts_date=given["starts_on"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(audience)

        return self.write(request, act)


class OfferTransitionsView(OfferWriting):
    """
    Take one step of an offer's lifecycle: one of its `allowed_actions`. Submitting needs the scope `catalog:write`, what
    takes an offer in or out of the catalog `catalog:publish`.
    """

    operations: ClassVar = {"POST": "catalog.step"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    examples: ClassVar = {"POST": ({"name": "submit"}, {**ANSWER, "state": "in_review", "allowed_actions": []})}

    def post(self, request: Request, external_id: str) -> Response:
        """One service call, after the step's own operation was checked."""

        def act(given: dict[str, Any]) -> Response:
            offer = get_offer(self.program_id, external_id)
            if given["name"] in TRANSITIONS:
                check(actor_of(request), TRANSITIONS[given["name"]].operation, self.program_id)
            change_offer_state(offer_id=offer.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(get_described_offer(self.program_id, external_id))

        return self.write(request, act)
