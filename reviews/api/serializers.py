"""The answers of the reviews API."""

from rest_framework import serializers

from plum_site.lib.periods import month_text
from reviews.choices import CycleState, DecisionKind, Severity, Standing
from reviews.models import Flag, ReviewCycle


class ReviewRow(serializers.Serializer):
    """One month's review, without its partners."""

    month = serializers.SerializerMethodField(help_text="YYYY-MM.")
    revision = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CycleState.choices)
    cutoff = serializers.IntegerField(allow_null=True, help_text="Number of the last seal whose events count.")
    digest = serializers.CharField(help_text="SHA-256 of the canonical review; empty while it is open.")
    opened_at = serializers.DateTimeField()
    consolidated_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)

    def get_month(self, cycle: ReviewCycle) -> str:
        """As YYYY-MM."""
        return month_text(cycle.month_start_date)


class CrossingOutput(serializers.Serializer):
    """A rule that was crossed."""

    rule = serializers.CharField()
    metric = serializers.CharField()
    observed = serializers.FloatField()
    threshold = serializers.FloatField(help_text="The value that was crossed, reference applied.")


class ReviewDecision(serializers.Serializer):
    """What was decided about a partner."""

    kind = serializers.ChoiceField(choices=DecisionKind.choices)
    by_rule = serializers.BooleanField(help_text="By the policy; else by a person.")


class ReviewedPartner(serializers.Serializer):
    """One partner of a review."""

    partner = serializers.CharField(help_text="External id.")
    name = serializers.CharField()
    category = serializers.CharField()
    rank = serializers.IntegerField(allow_null=True)
    standing = serializers.ChoiceField(choices=Standing.choices)
    score = serializers.FloatField(allow_null=True, help_text="0 to 100.")
    metrics = serializers.DictField(help_text="Every metric, as in /api/v1/metrics.")
    flags = CrossingOutput(many=True)
    diagnosis = serializers.DictField(allow_null=True)
    actions = serializers.ListField(child=serializers.DictField())
    decision = ReviewDecision(allow_null=True)


class ReviewOutput(serializers.Serializer):
    """One month's review."""

    program = serializers.CharField()
    month = serializers.CharField()
    revision = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CycleState.choices)
    cutoff = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField()
    recorded_stages = serializers.ListField(child=serializers.CharField())
    partners = ReviewedPartner(many=True)


class ScorecardOutput(ReviewedPartner):
    """One partner's scorecard in the standard form."""

    month = serializers.CharField()
    revision = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CycleState.choices)
    previous = serializers.DictField(allow_null=True, help_text="Every metric of the month before.")
    settled = serializers.DictField(allow_null=True, help_text="Every metric over the settled window.")
    expected = serializers.DictField()
    peers = serializers.DictField()
    trend = serializers.ListField(child=serializers.DictField(), help_text="The months up to this one, oldest first.")


class FlagOutput(serializers.Serializer):
    """An open flag: a rule was crossed, and nobody has decided yet."""

    id = serializers.IntegerField()
    month = serializers.SerializerMethodField(help_text="YYYY-MM.")
    partner = serializers.CharField(source="scorecard.partner.external_id")
    partner_name = serializers.CharField(source="scorecard.partner.name")
    rule = serializers.CharField(source="rule_version.rule.code")
    severity = serializers.ChoiceField(choices=Severity.choices, source="rule_version.severity")
    metric = serializers.CharField()
    observed = serializers.FloatField()
    threshold = serializers.FloatField()
    evidence = serializers.DictField()
    opened_at = serializers.DateTimeField()

    def get_month(self, flag: Flag) -> str:
        """As YYYY-MM."""
        return month_text(flag.scorecard.cycle.month_start_date)
