"""The answers of the offers API."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from offers.api.listing_serializers import ListingInput, ListingOutput
from offers.choices import PresentState, SegmentOperator
from offers.models import Audience, Offer
from offers.selectors import audience_in_force, present_state, terms_in_force
from offers.workflow import TRANSITIONS
from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions
from plum_site.lib.money import format_minor


class AmountOutput(serializers.Serializer):
    """An amount of money."""

    amount = serializers.CharField(help_text="A decimal with as many places as the currency has.")
    currency = serializers.CharField()


class AudienceOutput(serializers.Serializer):
    """Whom an offer is open to from one day on."""

    segment = serializers.CharField(source="segment.code", default=None, allow_null=True, help_text="null: every member.")
    countries = serializers.ListField(child=serializers.CharField(), help_text="Empty: every country.")
    excluded_segments = serializers.SerializerMethodField(help_text="Codes of segments that are left out although taken in.")
    starts_on = serializers.DateField(source="starts_date", allow_null=True, help_text="null: from the beginning.")

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_excluded_segments(self, audience: Audience) -> list[str]:
        """By code."""
        return sorted(segment.code for segment in audience.left_out)


class OfferOutput(serializers.Serializer):
    """Something that a member can redeem."""

    external_id = serializers.CharField()
    partner = serializers.CharField(source="partner.external_id")
    offer_type = serializers.CharField()
    category = serializers.CharField()
    face_value = serializers.CharField(help_text="As printed, for example 10.00 or 15%.")
    face_value_currency = serializers.CharField()
    reward_cost = serializers.SerializerMethodField(help_text="What one redemption is expected to cost.")
    starts_on = serializers.DateField(source="starts_date", allow_null=True, help_text="First program day.")
    ends_on = serializers.DateField(source="ends_date", allow_null=True, help_text="Last program day, included.")
    state = serializers.SerializerMethodField(help_text="What it is today: draft, in_review, scheduled, live, ...")
    listing = serializers.SerializerMethodField(help_text="What members read now.")
    audience = serializers.SerializerMethodField(help_text="Whom it is open to today; null: everyone.")
    allowed_actions = serializers.SerializerMethodField(help_text="The steps of its lifecycle that this token may take now.")
    created_at = serializers.DateTimeField()

    @extend_schema_field(ListingOutput(allow_null=True))
    def get_listing(self, offer: Any) -> dict[str, Any] | None:
        """The newest version, with the terms in force on the program day `on` of the context."""
        if not offer.newest_listings:
            return None
        terms = terms_in_force(offer.dated_terms.all(), self.context["on"])
        return {**ListingOutput(offer.newest_listings[0]).data, "terms": terms.text if terms else ""}

    @extend_schema_field(AudienceOutput(allow_null=True))
    def get_audience(self, offer: Offer) -> dict[str, Any] | None:
        """The one in force on the program day `on` of the context."""
        audience = audience_in_force(offer.audiences.all(), self.context["on"])
        return dict(AudienceOutput(audience).data) if audience else None

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, offer: Offer) -> list[dict[str, Any]]:
        """From the transition table."""
        return list_allowed_actions(self.context["request"], TRANSITIONS, offer.state)

    @extend_schema_field(AmountOutput(allow_null=True))
    def get_reward_cost(self, offer: Offer) -> dict[str, str] | None:
        """In the shape of AmountOutput."""
        if offer.reward_cost_minor is None:
            return None
        return {
            "amount": format_minor(offer.reward_cost_minor, offer.reward_cost_currency),
            "currency": offer.reward_cost_currency,
        }

    @extend_schema_field(serializers.ChoiceField(choices=PresentState.choices))
    def get_state(self, offer: Offer) -> str:
        """On the program day `on` of the context."""
        on: date = self.context["on"]
        return present_state(offer, on).value


class ConditionOutput(serializers.Serializer):
    """One condition of a segment; every condition must hold."""

    attribute = serializers.CharField()
    operator = serializers.ChoiceField(choices=SegmentOperator.choices)
    values = serializers.ListField(child=serializers.CharField(allow_blank=True))


class SegmentOutput(serializers.Serializer):
    """A named rule over member attributes."""

    code = serializers.CharField()
    name = serializers.CharField()
    rule = ConditionOutput(many=True)


@extend_schema_field(AmountOutput)
class AmountField(serializers.Field):
    """{"amount": "12.50", "currency": "EUR"} as the services take it: 12.50 EUR."""

    def to_internal_value(self, data: Any) -> str:
        """Both parts as text; whether they make an amount is for the service to say."""
        if not isinstance(data, dict) or set(data) != {"amount", "currency"}:
            raise serializers.ValidationError("Write an object of amount and currency, or null.")
        if not all(isinstance(part, str) and len(part) <= 40 and part for part in data.values()):
            raise serializers.ValidationError('Write both as text, such as {"amount": "12.50", "currency": "EUR"}.')
        return f"{data['amount']} {data['currency']}"


class OfferInput(Body):
    """What may be said of an offer. Partner and type never change: another type is another offer."""

    partner = serializers.CharField(max_length=200, help_text="External id of the partner.")
    offer_type = serializers.CharField(max_length=100)
    listing = ListingInput(help_text="A new version is published if it reads differently.")
    category = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    face_value = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=60, help_text="As printed, for example 10.00 or 15%."
    )
    face_value_currency = serializers.CharField(required=False, default="", allow_blank=True, max_length=3)
    reward_cost = AmountField(required=False, default=None, allow_null=True, help_text="Expected cost of one redemption.")
    starts_on = serializers.DateField(required=False, default=None, allow_null=True, help_text="First program day.")
    ends_on = serializers.DateField(required=False, default=None, allow_null=True, help_text="Last program day, included.")


class NewOfferInput(OfferInput):
    """A new offer: a draft."""

    external_id = serializers.CharField(max_length=200, help_text="Your own id for it; it never changes.")


class AudienceInput(Body):
    """Whom an offer is open to from one day on; what was said of the same day is replaced."""

    segment = serializers.CharField(required=False, default=None, allow_null=True, help_text="Code; null: every member.")
    countries = serializers.ListField(
        child=serializers.CharField(max_length=2), required=False, default=list, max_length=300, help_text="Empty: every country."
    )
    excluded_segments = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        default=list,
        max_length=100,
        help_text="Codes of segments to leave out, whatever the other two say. What is not named is not left out.",
    )
    starts_on = serializers.DateField(
        required=False, default=None, allow_null=True, help_text="Program day; null: from the beginning."
    )


class ConditionInput(Body):
    """One condition."""

    attribute = serializers.CharField(max_length=100)
    operator = serializers.ChoiceField(choices=SegmentOperator.choices)
    values = serializers.ListField(
        child=serializers.CharField(allow_blank=True, max_length=300),
        min_length=1,
        max_length=1000,
        help_text='"" stands for unknown.',
    )


class SegmentInput(Body):
    """Who is in a segment: members of whom every condition holds; without any, everyone."""

    name = serializers.CharField(max_length=200)
    rule = ConditionInput(many=True)


class NewSegmentInput(SegmentInput):
    """A new segment."""

    code = serializers.SlugField(max_length=60, help_text="Letters, digits, - and _; it never changes.")
