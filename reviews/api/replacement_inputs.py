"""What the replacements API reads."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from offers.models.trials import LARGEST_SHARE
from plum_site.lib.api_writes import Body, TransitionInput
from reviews.choices import ContactKind
from reviews.rules.replacements import LARGEST_FILE

LARGEST_TEXT = (LARGEST_FILE + 2) // 3 * 4
REVISION = "The one that you looked at; another one is refused."
# What a step takes beside its comment: those that it needs, and those that it can do without.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "choose": ("partner",),
    "agree": ("terms",),
    "start_trial": ("share_percent",),
    "schedule": ("scheduled_at",),
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "go_without": ("gaps", "revision"),
    "agree": ("last_activation_days",),
    "map": ("gaps", "revision"),
    "approve": ("revision",),
    "start_trial": ("revision",),
    "schedule": ("tells_partners",),
}


class GapInput(Body):
    """A gap that was seen and is accepted."""

    group = serializers.CharField(allow_blank=True, max_length=500, trim_whitespace=False, help_text="As in `gaps`.")
    category = serializers.CharField(allow_blank=True, max_length=200, trim_whitespace=False, help_text="As in `gaps`.")


class ReplacementTransitionInput(TransitionInput):
    """
    One named step of a replacement, with what it takes: `choose` a `partner`; `agree` `terms` and `last_activation_days`;
    `map` and `go_without` `gaps` and `revision`; `approve` a `revision`; `start_trial` a
    `share_percent` and `revision`; `schedule` `scheduled_at` and `tells_partners`.
    """

    revision = serializers.IntegerField(required=False, min_value=1, help_text=REVISION)
    partner = serializers.CharField(required=False, max_length=200, help_text="External id of the candidate.")
    terms = serializers.CharField(required=False, help_text="What was agreed, in words; at most 20,000 characters.")
    last_activation_days = serializers.IntegerField(
        required=False, min_value=1, max_value=365, help_text="For so many days after the cutover; 30 unless it is said."
    )
    gaps = serializers.ListField(
        child=GapInput(), required=False, help_text="Those that you saw in `gaps` and accept, all of them; without it none."
    )
    share_percent = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_SHARE,
        help_text="How many percent of members are shown the new offers in the trial.",
    )
    scheduled_at = serializers.DateTimeField(required=False, help_text="When the cutover is; at the earliest now.")
    tells_partners = serializers.BooleanField(
        required=False, help_text="Whether both partners get a mail; true unless it is said."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Only what the step takes, and all that it needs."""
        name = attrs["name"]
        needed, optional = NEEDED.get(name, ()), OPTIONAL.get(name, ())
        faults = {
            field: serializers.ErrorDetail(f"The step {name!r} takes no {field}.", "unknown_field")
            for field in attrs
            if field not in ("name", "comment", *needed, *optional)
        }
        faults |= {
            field: serializers.ErrorDetail(f"The step {name!r} needs this.", "required") for field in needed if field not in attrs
        }
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class PairInput(Body):
    """Which offer follows which, by external id."""

    old = serializers.CharField(allow_null=True, max_length=200, help_text="Null: the new one goes live beside.")
    new = serializers.CharField(allow_null=True, max_length=200, help_text="Null: nothing follows.")


class MappingInput(Body):
    """Which offer follows each of those that go."""

    pairs = serializers.ListField(child=PairInput(), help_text="Every old offer once; new ones that go live beside, too.")
    revision = serializers.IntegerField(required=False, min_value=1, help_text=REVISION)


class CandidateInput(Body):
    """A partner of the program, or one that is made as a prospect now: either `partner`, or `external_id` and `name`."""

    partner = serializers.CharField(required=False, max_length=200, help_text="External id of a partner that there is.")
    external_id = serializers.CharField(required=False, max_length=200, help_text="Of the new one.")
    name = serializers.CharField(required=False, max_length=300, help_text="Of the new one.")
    category = serializers.CharField(
        required=False, max_length=100, help_text="Of the new one; without it that of the partner who is replaced."
    )
    country = serializers.CharField(required=False, max_length=2, help_text="Of the new one; ISO 3166-1, two capital letters.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two."""
        if ("partner" in attrs) == bool(attrs.keys() - {"partner"}):
            detail = "Name a partner that there is as `partner`, or say the `external_id` and `name` of a new one; not both."
            raise serializers.ValidationError(detail, "one_of_two")
        if "partner" not in attrs and (missing := {"external_id", "name"} - attrs.keys()):
            said = serializers.ErrorDetail("A new partner needs this.", "required")
            raise serializers.ValidationError(dict.fromkeys(sorted(missing), said))
        return attrs


class TaskInput(Body):
    """Who does a step, and by when."""

    owner = serializers.CharField(allow_null=True, max_length=150, help_text="User name; null: nobody.")
    due_date = serializers.DateField(allow_null=True, help_text="Program day; null: none.")


class ContactInput(Body):
    """What was spoken with a partner."""

    partner = serializers.CharField(max_length=200, help_text="External id.")
    kind = serializers.ChoiceField(choices=ContactKind.choices)
    text = serializers.CharField(help_text="At most 20,000 characters.")


class FileInput(Body):
    """A document, such as signed terms."""

    name = serializers.CharField(max_length=200, help_text="With its ending: docx, eml, jpg, odt, pdf, png, txt or xlsx.")
    content = serializers.CharField(
        max_length=LARGEST_TEXT, trim_whitespace=False, help_text="Its bytes in base64; at most 5 MB before that."
    )

    def validate_content(self, text: str) -> str:
        """Only base64."""
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is not base64.") from None
        return text
