"""What worked over the API: the same summaries as the console's page and its CSV."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib.api import ApiView
from reviews.choices import ActionKind, Verdict
from reviews.selectors.verdicts import EVERYONE, describe_kind, read_verdicts


class VerdictsQuery(serializers.Serializer):
    """Of which measured actions is asked; all of them where nothing is."""

    kind = serializers.ChoiceField(choices=ActionKind.choices, required=False)
    category = serializers.CharField(required=False, allow_blank=True, help_text="The partner's present one; empty: none.")
    segment = serializers.CharField(required=False, help_text=f"Code of the action's segment; {EVERYONE}: for everyone.")
    to = serializers.DateField(required=False, help_text="Measured before this program day.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of the language, so it cannot be written as an attribute."""
        first = serializers.DateField(required=False, help_text="Measured on this program day or later.")
        return {**super().get_fields(), "from": first}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The days are in order."""
        if "from" in attrs and "to" in attrs and attrs["to"] <= attrs["from"]:
            raise serializers.ValidationError({"to": "Write a day after `from`: it is the day after the last."})
        return attrs


class PooledOutput(serializers.Serializer):
    """Several actions that were measured by the same metric, together: a relative change with its 95 % interval."""

    metric = serializers.CharField()
    actions = serializers.IntegerField()
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    estimate = serializers.FloatField(help_text="0.2 is a fifth more.")
    low = serializers.FloatField()
    high = serializers.FloatField()


class KindOutput(serializers.Serializer):
    """The measured actions of one kind: all of them, those of one category, or those of one segment."""

    kind = serializers.ChoiceField(choices=ActionKind.choices)
    category = serializers.CharField(allow_null=True, allow_blank=True, help_text="Null where it is not about a category.")
    segment = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="Empty: for everyone. Null where it is not about a segment."
    )
    measured = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Actions by verdict.")
    verdict = serializers.ChoiceField(
        choices=Verdict.choices, help_text="Of the kind; cannot_tell with fewer than 3 measured actions."
    )
    pooled = PooledOutput(many=True)
    not_pooled = serializers.DictField(
        child=serializers.IntegerField(), help_text="By metric: actions with an interval, too few to be put together."
    )
    sentence = serializers.CharField()


class VerdictsOutput(serializers.Serializer):
    """What the measured actions say of their kinds."""

    measured = serializers.IntegerField(help_text="Actions that were asked for.")
    kinds = KindOutput(many=True)


class VerdictsView(ApiView):
    """
    What worked: the measured corrective actions by kind, by kind and category of the partner, and by kind and segment. Figures
    of several actions are put together by metric, from 3 with an interval on; never across metrics.
    """

    operations: ClassVar = {"GET": "review.read"}
    Query = VerdictsQuery
    Output = VerdictsOutput

    def get(self, request: Request) -> Response:
        """The same answer as the page What worked."""
        query = self.read_query(request)
        found = read_verdicts(
            get_program_by_id(self.program_id),
            kind=query.get("kind", ""),
            category=query.get("category"),
            segment=query.get("segment", ""),
            starts_date=query.get("from"),
            ends_date=query.get("to"),
        )
        return Response({"measured": len(found.actions), "kinds": [describe_kind(one) for one in found.kinds]})
