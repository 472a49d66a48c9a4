"""The answers of the offers API."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from offers.choices import PresentState, SegmentOperator
from offers.models import Offer
from offers.selectors import present_state
from plum_site.lib.money import format_minor


class AmountOutput(serializers.Serializer):
    """An amount of money."""

    amount = serializers.CharField(help_text="A decimal with as many places as the currency has.")
    currency = serializers.CharField()


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
    created_at = serializers.DateTimeField()

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


class ListingOutput(serializers.Serializer):
    """One version of what members read about an offer."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField()
    creative_url = serializers.CharField()
    terms = serializers.CharField()
    published_at = serializers.DateTimeField()


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


class RankingsQuery(serializers.Serializer):
    """Parameters of the revisions of one ranking."""

    segment = serializers.CharField(required=False, help_text="Code of a segment; without it, the ranking for everyone.")


class RankingOutput(serializers.Serializer):
    """One revision of a ranking; the newest is in force."""

    number = serializers.IntegerField()
    segment = serializers.CharField(source="segment.code", default=None, allow_null=True)
    offers = serializers.SerializerMethodField(help_text="External ids of offers, best first.")
    undoes = serializers.IntegerField(source="undoes.number", default=None, allow_null=True)
    comment = serializers.CharField()
    made_at = serializers.DateTimeField()

    def get_offers(self, revision: Any) -> list[str]:
        """By the names in the context."""
        names: dict[int, str] = self.context["names"]
        return [names[pk] for pk in revision.offer_ids if pk in names]
