"""The answers of the partners API."""

from rest_framework import serializers

from partners.choices import PartnerState


class PartnerOutput(serializers.Serializer):
    """A brand that supplies offers."""

    external_id = serializers.CharField()
    name = serializers.CharField()
    category = serializers.CharField(source="category.code")
    country = serializers.CharField(help_text="ISO 3166-1, or empty.")
    state = serializers.ChoiceField(choices=PartnerState.choices)
    created_at = serializers.DateTimeField()
