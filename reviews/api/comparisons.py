"""The comparison of partners over the API: the same figures as the console's page and its CSV."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib.api import ApiView
from plum_site.lib.periods import next_month, parse_month
from reviews.rules import RATES
from reviews.rules.compare import FEWEST_COMPARED, PLACES
from reviews.selectors import compare_partners, describe_comparison

STATUSES = ("ranked", "too_little_data", "suppressed")
SIDES = ("above", "below", "")


class ComparisonQuery(serializers.Serializer):
    """Which partners are compared by what, over which days: a month, or from and to."""

    metric = serializers.ChoiceField(choices=list(RATES), help_text="The rate to compare by.")
    month = serializers.CharField(required=False, help_text="A program month, YYYY-MM; or write from and to.")
    to = serializers.DateField(required=False, help_text="The day after the last program day.")
    by = serializers.CharField(
        required=False,
        help_text="category, country (the partner's), segment, or a reporting attribute of members: each value is a comparison "
        "of its own.",
    )
    where = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="name=value, as for /metrics; may stand several times. The same name again: either.",
    )
    minimum = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=1_000_000,
        default=FEWEST_COMPARED,
        help_text=f"Fewer observations than this are too little data to be ranked; {FEWEST_COMPARED} unless it says otherwise.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        first = serializers.DateField(required=False, help_text="The first program day.")
        return {**super().get_fields(), "from": first}

    def validate_where(self, conditions: list[str]) -> dict[str, list[str]]:
        """Name to the values kept."""
        kept: dict[str, list[str]] = {}
        for condition in conditions:
            name, equals, value = condition.partition("=")
            if not equals or not name:
                raise serializers.ValidationError(f"{condition!r} is not a condition. Write name=value.")
            kept.setdefault(name, []).append(value)
        return kept

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Either a month or both days."""
        days = [name for name in ("from", "to") if name in attrs]
        if "month" in attrs and days:
            raise serializers.ValidationError({"month": "Write a month, or from and to: not both."})
        if "month" not in attrs and len(days) < 2:
            missing = "month" if not days else "to" if days == ["from"] else "from"
            raise serializers.ValidationError({missing: "Write a month, or both from and to."})
        return attrs


class ComparedPartner(serializers.Serializer):
    """One partner in one group. Rates are ratios; intervals are at 95 %."""

    partner = serializers.CharField(help_text="External id.")
    name = serializers.CharField()
    category = serializers.CharField()
    country = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=STATUSES)
    numerator = serializers.IntegerField(allow_null=True)
    denominator = serializers.IntegerField(allow_null=True)
    rate = serializers.FloatField(allow_null=True, help_text="The raw rate.")
    rate_low = serializers.FloatField(allow_null=True)
    rate_high = serializers.FloatField(allow_null=True)
    shrunken = serializers.FloatField(allow_null=True, help_text="Drawn towards the category where little was seen.")
    shrunken_low = serializers.FloatField(allow_null=True)
    shrunken_high = serializers.FloatField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True, help_text="On the shrunken rate; 1 is best.")
    rank_best = serializers.IntegerField(allow_null=True, help_text="The best rank that it may have, at 95 %.")
    rank_worst = serializers.IntegerField(allow_null=True, help_text="The worst.")
    place = serializers.ChoiceField(choices=[*PLACES, ""], help_text="In the funnel plot; empty where there are no limits.")
    side = serializers.ChoiceField(choices=SIDES, help_text="On which side of the overall rate it is outside.")


class DispersionOutput(serializers.Serializer):
    """How much partners differ, against chance alone."""

    measured = serializers.FloatField(help_text="1 is chance alone.")
    tolerated = serializers.FloatField(help_text="Up to this it may be chance.")
    factor = serializers.FloatField(help_text="What the variance of the limits was multiplied by.")


class ComparedGroup(serializers.Serializer):
    """One group: ranked partners best first, then those with too little data, then suppressed ones."""

    group = serializers.CharField(allow_blank=True, help_text="The value; empty where nothing is grouped, or it is unknown.")
    compared = serializers.IntegerField(help_text="Partners ranked.")
    numerator = serializers.IntegerField()
    denominator = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True, help_text="Of all that are ranked; null with fewer than 5 of them.")
    rate_low = serializers.FloatField(allow_null=True)
    rate_high = serializers.FloatField(allow_null=True)
    dispersion = DispersionOutput(allow_null=True)
    places = serializers.DictField(child=serializers.IntegerField(), allow_null=True, help_text="Partners at each place.")
    partners = ComparedPartner(many=True)


class ComparisonOutput(serializers.Serializer):
    """Partners beside each other by one rate."""

    metric = serializers.CharField()
    is_loss = serializers.BooleanField(help_text="Whether less is better.")
    to = serializers.DateField(help_text="The day after the last.")
    by = serializers.CharField(allow_blank=True)
    minimum = serializers.IntegerField()
    as_of = serializers.IntegerField(help_text="Number of the newest seal that counts.")
    groups = ComparedGroup(many=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language."""
        return {**super().get_fields(), "from": serializers.DateField(help_text="The first program day.")}


class ComparisonsView(ApiView):
    """
    Partners beside each other by one rate: shrunken rates, ranks with their uncertainty, and the funnel plot's limits.

    A group of members that is too small to show is suppressed, as everywhere.
    """

    operations: ClassVar = {"GET": "metric.read"}
    problems = (422,)
    Query = ComparisonQuery
    Output = ComparisonOutput

    def get(self, request: Request) -> Response:
        """The same answer as the page Compare partners."""
        query = self.read_query(request)
        if "month" in query:
            first = parse_month(query["month"])
            end = next_month(first)
        else:
            first, end = query["from"], query["to"]
        found = compare_partners(
            program=get_program_by_id(self.program_id),
            metric=query["metric"],
            starts_date=first,
            ends_date=end,
            by=query.get("by", ""),
            where=query.get("where", {}),
            minimum=query["minimum"],
        )
        return Response(describe_comparison(found))
