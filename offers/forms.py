"""Forms of the catalog: they collect, services decide."""

from typing import Any, cast

from django import forms
from django.db.models import QuerySet

from offers.choices import SegmentOperator
from offers.models import ListingDraft, Offer, Segment
from offers.rules import OfferRow
from partners.models import Partner
from plum_site.lib.admin import SuggestInput
from plum_site.lib.money import format_minor

CONDITIONS = 5  # rows of a segment rule that the form offers


class OfferForm(forms.ModelForm):
    """A new offer, or what may change of one; its listing, audience and state have pages of their own."""

    title = forms.CharField(max_length=300, help_text="What members read first; it becomes version 1 of the listing.")
    reward_cost = forms.CharField(
        required=False, max_length=40, help_text="Expected cost of one redemption, with its currency: 12.50 EUR."
    )

    class Meta:
        model = Offer
        fields = [
            "partner",
            "external_id",
            "offer_type",
            "category",
            "face_value",
            "face_value_currency",
            "starts_date",
            "ends_date",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["title"]  # a listing has its own page and its own versions
        minor, currency = self.instance.reward_cost_minor, self.instance.reward_cost_currency
        if self.instance.pk and minor is not None and "reward_cost" in self.fields:
            self.initial["reward_cost"] = f"{format_minor(minor, currency)} {currency}"

    def as_row(self, *, title: str = "") -> OfferRow:
        """The offer as the service takes it."""
        given, offer = self.cleaned_data, self.instance
        partner: Partner = given.get("partner") or offer.partner
        return OfferRow(
            external_id=given.get("external_id") or offer.external_id,
            partner_external_id=partner.external_id,
            title=given.get("title") or title,
            offer_type=given.get("offer_type") or offer.offer_type,
            category=given["category"],
            face_value=given["face_value"],
            currency=given["face_value_currency"],
            starts_date=given["starts_date"],
            ends_date=given["ends_date"],
            reward_cost=given["reward_cost"],
        )


class ListingForm(forms.ModelForm):
    """The next version of what members read."""

    picture = forms.FileField(
        label="Bring a picture",
        required=False,
        allow_empty_file=True,  # the service says what is wrong with it
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        help_text="JPEG, PNG or WebP, at most 5 MB. It is encoded anew, without what cameras write into it.",
    )
    creative_url = forms.URLField(
        label="Or its address",
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text="Of a picture or film elsewhere on the web. A picture that you bring takes its place.",
    )

    class Meta:
        model = ListingDraft
        fields = ["title", "text", "picture", "creative_url", "terms"]
        widgets = {
            "title": forms.TextInput(attrs={"class": "vTextField"}),
            "text": forms.Textarea(attrs={"rows": 5}),
            "terms": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts = {"terms": "They hold from the day on which this version is published."}

    field_order = ["title", "text", "picture", "creative_url", "terms"]


class RestoreForm(forms.Form):
    """Why an earlier version is published again."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    replaces = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    comment = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=500, help_text="Why.")


class TermsForm(forms.Form):
    """Terms of an offer, from one day on."""

    starts_date = forms.DateField(label="From", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))
    text = forms.CharField(
        label="Terms",
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Empty: there are none from that day on.",
    )


class AudienceForm(forms.Form):
    """Whom an offer is open to, from one day on."""

    segment = forms.ModelChoiceField(Segment.objects.none(), required=False, empty_label="Everyone")
    countries = forms.CharField(required=False, help_text="Two-letter codes with commas between; empty for every country.")
    excluded_segments = forms.ModelMultipleChoiceField(
        Segment.objects.none(),
        label="Left out",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Members of these do not see the offer, though segment and countries take them in.",
    )
    starts_date = forms.DateField(
        label="From",
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text="Program day. Empty: from the beginning.",
    )

    def __init__(self, *args: Any, segments: QuerySet[Segment], **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("segment", "excluded_segments"):
            cast(forms.ModelChoiceField, self.fields[name]).queryset = segments
        if not segments:
            del self.fields["excluded_segments"]

    def clean_countries(self) -> list[str]:
        """The codes as a list."""
        return [code.strip().upper() for code in self.cleaned_data["countries"].split(",") if code.strip()]


class SegmentForm(forms.ModelForm):
    """A rule of up to CONDITIONS conditions, all of which must hold."""

    class Meta:
        model = Segment
        fields = ["code", "name"]

    @classmethod
    def with_conditions(
        cls, attributes: list[str], rule: list[dict[str, Any]], known: dict[str, list[str]] | None = None
    ) -> type["SegmentForm"]:
        """The form for a program that keeps these attributes, filled with a rule; known: values to suggest, by attribute."""
        everything = sorted({value for values in (known or {}).values() for value in values})
        choices = [("", "–"), *((name, name.replace("_", " ")) for name in attributes)]
        fields: dict[str, Any] = {}
        for index in range(max(CONDITIONS, len(rule) + 1)):
            condition = rule[index] if index < len(rule) else {}
            fields[f"attribute_{index}"] = forms.ChoiceField(
                label=f"Condition {index + 1}", choices=choices, required=False, initial=condition.get("attribute", "")
            )
            fields[f"operator_{index}"] = forms.ChoiceField(
                label="compares", choices=SegmentOperator.choices, required=False, initial=condition.get("operator", "is")
            )
            fields[f"values_{index}"] = forms.CharField(
                label="values",
                required=False,
                widget=SuggestInput((known or {}).get(condition.get("attribute", ""), everything), {"class": "vTextField"}),
                initial=", ".join(value or "unknown" for value in condition.get("values", [])),
                help_text="With commas between; unknown stands for members of whom it is not known.",
            )
        return type("SegmentForm", (cls,), fields)

    def rule(self) -> list[dict[str, Any]]:
        """The conditions that were filled in, as a segment rule."""
        given, conditions, index = self.cleaned_data, [], 0
        while f"attribute_{index}" in given:
            if given[f"attribute_{index}"]:
                values = [part.strip() for part in given[f"values_{index}"].split(",") if part.strip()]
                conditions.append(
                    {
                        "attribute": given[f"attribute_{index}"],
                        "operator": given[f"operator_{index}"] or SegmentOperator.IS,
                        "values": ["" if value == "unknown" else value for value in values],
                    }
                )
            index += 1
        return conditions
