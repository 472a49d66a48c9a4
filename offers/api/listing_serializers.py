"""The answers and bodies of the listings API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from offers.choices import DraftState
from offers.models import ListingDraft
from offers.workflow import DRAFT_TRANSITIONS
from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions

LARGEST_NUMBER = 2**31 - 1


class ListingOutput(serializers.Serializer):
    """One version of what members read about an offer."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField()
    creative_url = serializers.CharField(help_text="A picture or film on the web; ours never change under one address.")
    terms = serializers.CharField(help_text="As they stood when it was published; of what members read now, those in force.")
    published_at = serializers.DateTimeField()


class ListingInput(Body):
    """What members read."""

    title = serializers.CharField(max_length=300)
    text = serializers.CharField(required=False, default="", allow_blank=True, max_length=100_000)
    creative_url = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=500, help_text="A picture or film on the web."
    )
    terms = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100_000, help_text="In force from the day of publication."
    )


class ComparisonQuery(serializers.Serializer):
    """Which two versions."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Two numbers; `from` is no name that a class could give."""
        number: dict[str, Any] = {"min_value": 1, "max_value": LARGEST_NUMBER}
        return {
            "from": serializers.IntegerField(help_text="Number of the one version.", **number),
            "to": serializers.IntegerField(help_text="Number of the other.", **number),
        }


class ComparedWords(serializers.Serializer):
    """One field of two versions."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is no name that a class could give."""
        return {
            "field": serializers.ChoiceField(choices=["title", "text", "creative_url", "terms"]),
            "from": serializers.CharField(),
            "to": serializers.CharField(),
            "differs": serializers.BooleanField(),
        }


class ListingComparison(serializers.Serializer):
    """Two versions side by side."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is no name that a class could give."""
        return {"from": ListingOutput(), "to": ListingOutput(), "fields": ComparedWords(many=True)}


class ListingRestoreInput(Body):
    """Which version to publish again."""

    number = serializers.IntegerField(min_value=1, max_value=LARGEST_NUMBER)
    replaces = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_NUMBER,
        help_text="Number of the version that you saw as the newest; 409 if there is a newer one.",
    )
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class DraftOutput(serializers.Serializer):
    """The next version of a listing while it is worked on."""

    title = serializers.CharField()
    text = serializers.CharField()
    creative_url = serializers.CharField()
    terms = serializers.CharField()
    state = serializers.ChoiceField(choices=DraftState.choices)
    based_on = serializers.IntegerField(help_text="Number of the version that was published when it was last saved; 0: none.")
    listing = serializers.IntegerField(
        source="listing.number", default=None, allow_null=True, help_text="Number of the version that it became."
    )
    allowed_actions = serializers.SerializerMethodField(help_text="The steps of its lifecycle that this token may take now.")
    edited_at = serializers.DateTimeField()

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, draft: ListingDraft) -> list[dict[str, Any]]:
        """From the transition table."""
        return list_allowed_actions(self.context["request"], DRAFT_TRANSITIONS, draft.state)


class TermsOutput(serializers.Serializer):
    """The terms of an offer from one day on."""

    text = serializers.CharField()
    starts_on = serializers.DateField(source="starts_date", allow_null=True, help_text="Program day; null: from the beginning.")
    made_at = serializers.DateTimeField()


class TermsInput(Body):
    """Terms from one day on; what was said of the same day is replaced."""

    text = serializers.CharField(allow_blank=True, max_length=100_000)
    starts_on = serializers.DateField(help_text="Program day: today, or one to come.")
