"""The bodies and answers of the partners API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from partners.choices import PartnerState
from partners.models import Partner
from partners.workflow import TRANSITIONS
from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions


class PartnerOutput(serializers.Serializer):
    """A brand that supplies offers."""

    external_id = serializers.CharField()
    name = serializers.CharField()
    category = serializers.CharField(source="category.code")
    country = serializers.CharField(help_text="ISO 3166-1, or empty.")
    state = serializers.ChoiceField(choices=PartnerState.choices)
    allowed_actions = serializers.SerializerMethodField(help_text="The steps of its lifecycle that this token may take now.")
    created_at = serializers.DateTimeField()

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, partner: Partner) -> list[dict[str, Any]]:
        """From the transition table."""
        return list_allowed_actions(self.context["request"], TRANSITIONS, partner.state)


class PartnerInput(Body):
    """What may be said of a partner that exists. It belongs to a category, which is made if it is new."""

    name = serializers.CharField(max_length=300)
    category = serializers.CharField(max_length=100, allow_blank=True, required=False, default="", help_text="Its peer group.")
    country = serializers.CharField(
        max_length=2, allow_blank=True, required=False, default="", help_text="ISO 3166-1, two capital letters, or empty."
    )


class NewPartnerInput(PartnerInput):
    """A new partner: a prospect."""

    external_id = serializers.CharField(max_length=200, help_text="Your own id for it; it never changes.")
