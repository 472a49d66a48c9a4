"""The answers of the reviews API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from plum_site.lib.api_writes import AllowedAction, list_allowed_actions
from plum_site.lib.periods import month_text
from reviews.choices import CycleState, DecisionKind, FlagState, Resolution, RuleTarget, Severity, Standing
from reviews.models import Flag, FlagCase, ReviewCycle
from reviews.selectors import list_flag_transitions, list_sightings, say_flag_case
from reviews.workflow import FLAG_TRANSITIONS, TRANSITIONS


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
    allowed_actions = serializers.SerializerMethodField(help_text="What this token may do with it now.")

    def get_month(self, cycle: ReviewCycle) -> str:
        """As YYYY-MM."""
        return month_text(cycle.month_start_date)

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, cycle: ReviewCycle) -> list[dict[str, Any]]:
        """From the table of a cycle's states."""
        return list_allowed_actions(self.context["request"], TRANSITIONS, cycle.state)


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
    allowed_actions = AllowedAction(many=True, help_text="What this token may do with the review now.")


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
    allowed_actions = AllowedAction(many=True, help_text="The decisions that this token may make about the partner now.")


class FlagRow(serializers.Serializer):
    """A rule that was crossed for certain, and what has become of it since."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=FlagState.choices)
    resolution = serializers.ChoiceField(
        choices=Resolution.choices, allow_blank=True, help_text="What resolved it; empty where nothing did."
    )
    reason = serializers.CharField(help_text="Why it ended; empty while it has not.")
    partner = serializers.CharField(source="partner.external_id")
    partner_name = serializers.CharField(source="partner.name")
    rule = serializers.CharField(source="rule.code")
    rule_name = serializers.CharField(source="rule.name")
    target = serializers.ChoiceField(choices=RuleTarget.choices)
    target_key = serializers.CharField(help_text="Empty for the whole partner, else the offer's id, or attribute=value.")
    severity = serializers.ChoiceField(choices=Severity.choices, source="seen.severity")
    month = serializers.CharField(source="seen.month", help_text="YYYY-MM in which it was seen last.")
    first_month = serializers.SerializerMethodField(help_text="YYYY-MM in which it was seen first.")
    metric = serializers.CharField(source="seen.metric")
    observed = serializers.FloatField(source="seen.observed")
    threshold = serializers.FloatField(source="seen.threshold", help_text="The value that was crossed, reference applied.")
    sentence = serializers.SerializerMethodField(help_text="What was seen and what is allowed, in words.")
    owner = serializers.CharField(source="owner.username", allow_null=True, default=None, help_text="User name.")
    opened_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    allowed_actions = serializers.SerializerMethodField()

    def get_first_month(self, case: FlagCase) -> str:
        """As YYYY-MM."""
        return month_text(case.first_month_date)

    def get_sentence(self, case: FlagCase) -> str:
        """One sentence."""
        return f"{say_flag_case(case)}."

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, case: FlagCase) -> list[dict[str, Any]]:
        """What this token may do with it now."""
        return list_allowed_actions(self.context["request"], FLAG_TRANSITIONS, case.state)


class FlagStep(serializers.Serializer):
    """One change of a flag's state."""

    name = serializers.CharField()
    from_state = serializers.CharField(help_text="Empty for the first.")
    to_state = serializers.ChoiceField(choices=FlagState.choices)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    comment = serializers.CharField()


class FlagSighting(serializers.Serializer):
    """What one month saw."""

    month = serializers.SerializerMethodField(help_text="YYYY-MM.")
    revision = serializers.IntegerField(source="scorecard.cycle.revision")
    observed = serializers.FloatField()
    threshold = serializers.FloatField()

    def get_month(self, flag: Flag) -> str:
        """As YYYY-MM."""
        return month_text(flag.scorecard.cycle.month_start_date)


class FlagOutput(FlagRow):
    """One flag with what it rests on and how it came to its state."""

    evidence = serializers.DictField(source="seen.evidence", help_text="What it rests on, as seen last.")
    history = serializers.SerializerMethodField(help_text="Oldest first.")
    months = serializers.SerializerMethodField(help_text="The months in whose reviews it stands, newest first.")

    @extend_schema_field(FlagStep(many=True))
    def get_history(self, case: FlagCase) -> list[dict[str, Any]]:
        """Every change of its state."""
        return list(FlagStep(list_flag_transitions(case.pk), many=True).data)

    @extend_schema_field(FlagSighting(many=True))
    def get_months(self, case: FlagCase) -> list[dict[str, Any]]:
        """Every month that saw it."""
        return list(FlagSighting(list_sightings(case), many=True).data)
