"""Rules as the API reads and writes them."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from activity.metrics import METRICS
from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions
from plum_site.lib.choices import JobState
from reviews.choices import Direction, Reference, RuleTarget, Severity, TimeUnit
from reviews.models import Rule, RuleVersion
from reviews.rules import say_rule
from reviews.selectors import RulePreview, say_version
from reviews.selectors.backtest import MONTHS, MOST_MONTHS
from reviews.workflow import RULE_TRANSITIONS


class MetricDefinition(serializers.Serializer):
    """What a metric is; docs/rules/metrics.md."""

    label = serializers.CharField()  # type: ignore[assignment] # a field of this name, not the serializer's own label
    formula = serializers.CharField()


class RuleVersionOutput(serializers.Serializer):
    """What a rule says, in one version."""

    number = serializers.IntegerField()
    sentence = serializers.SerializerMethodField(help_text="The whole rule in words.")
    target = serializers.ChoiceField(choices=RuleTarget.choices)
    metric = serializers.CharField(help_text="As in /api/v1/metrics.")
    metric_definition = serializers.SerializerMethodField()
    direction = serializers.ChoiceField(choices=Direction.choices)
    reference = serializers.ChoiceField(choices=Reference.choices)
    threshold = serializers.FloatField(help_text="The value itself for `fixed`, else a share of the reference: 0.6 is 60 %.")
    minimum_denominator = serializers.IntegerField()
    lookback_months = serializers.IntegerField(help_text="Of how many months a `trailing` reference is made.")
    window_days = serializers.IntegerField(allow_null=True, help_text="null: the calendar month.")
    persistence = serializers.IntegerField()
    persistence_unit = serializers.ChoiceField(choices=TimeUnit.choices)
    cooldown = serializers.IntegerField()
    cooldown_unit = serializers.ChoiceField(choices=TimeUnit.choices)
    is_strict = serializers.BooleanField(help_text="Whether it flags on crossing, certain or not.")
    severity = serializers.ChoiceField(choices=Severity.choices)
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True, help_text="null: the partner's owner.")
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()

    def get_sentence(self, version: RuleVersion) -> str:
        """In words."""
        return say_version(version)

    @extend_schema_field(MetricDefinition)
    def get_metric_definition(self, version: RuleVersion) -> dict[str, str]:
        """Label and formula."""
        return {"label": METRICS[version.metric].label, "formula": METRICS[version.metric].formula}


class RuleRow(RuleVersionOutput):
    """A rule as its newest version says."""

    code = serializers.CharField()
    name = serializers.CharField()
    is_active = serializers.BooleanField(help_text="Whether months that are not frozen yet are judged by it.")
    allowed_actions = serializers.SerializerMethodField(help_text="What this token may do with it now.")

    def to_representation(self, instance: Rule) -> dict[str, Any]:
        """What the rule is, then what its newest version says."""
        newest = instance.newest
        said = RuleVersionOutput(newest).data if newest is not None else {}
        return {
            "code": instance.code,
            "name": instance.name,
            "is_active": instance.is_active,
            **said,
            "allowed_actions": self.get_allowed_actions(instance),
        }

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, rule: Rule) -> list[dict[str, Any]]:
        """Of the transition table."""
        return list_allowed_actions(self.context["request"], RULE_TRANSITIONS, rule.state)


class RuleOutput(RuleRow):
    """A rule with all its versions, and what was shown before the newest was saved."""

    versions = RuleVersionOutput(many=True, help_text="Newest first.")
    backtest = serializers.DictField(allow_null=True, help_text="What the newest would have flagged: docs/rules/backtest.md.")

    def to_representation(self, instance: Rule) -> dict[str, Any]:
        """The row, and what stands behind it."""
        newest = instance.newest
        return {
            **super().to_representation(instance),
            "versions": RuleVersionOutput(instance.newest_first, many=True).data,
            "backtest": newest.backtest if newest is not None else None,
        }


@extend_schema_field(OpenApiTypes.NUMBER)
class ThresholdField(serializers.DecimalField):
    """A number, exact to nine decimals; as text it is exact whatever the client does to numbers."""


class RuleInput(Body):
    """The next version of a rule. What is left out is as in a plain rule."""

    name = serializers.CharField(max_length=200, help_text="What people call it.")
    target = serializers.ChoiceField(choices=RuleTarget.choices, default=RuleTarget.PARTNER)
    metric = serializers.CharField(max_length=60, help_text="A rate or a count of /api/v1/metrics. An unknown one is an error.")
    direction = serializers.ChoiceField(choices=Direction.choices)
    reference = serializers.ChoiceField(choices=Reference.choices)
    threshold = ThresholdField(
        max_digits=18, decimal_places=9, help_text="The value itself for `fixed`, else a share: 0.6 is 60 %."
    )
    minimum_denominator = serializers.IntegerField(help_text="At least 1.")
    lookback_months = serializers.IntegerField(default=6, help_text="1 to 12.")
    window_days = serializers.IntegerField(default=None, allow_null=True, help_text="7 to 92; null: the calendar month.")
    persistence = serializers.IntegerField(default=1, help_text="1 to 12 months or 1 to 31 days in a row.")
    persistence_unit = serializers.ChoiceField(choices=TimeUnit.choices, default=TimeUnit.CYCLES)
    cooldown = serializers.IntegerField(default=0, help_text="0 to 12 months or 0 to 31 days of silence after a flag.")
    cooldown_unit = serializers.ChoiceField(choices=TimeUnit.choices, default=TimeUnit.CYCLES)
    is_strict = serializers.BooleanField(default=False)
    severity = serializers.ChoiceField(choices=Severity.choices, default=Severity.WARNING)
    owner = serializers.CharField(
        max_length=150, default=None, allow_null=True, help_text="User name of who is told; null: the partner's owner."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Try it and save nothing.")
    preview = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        max_value=2**63 - 1,
        help_text="The id of a back-test of this rule that was made in the background; it is kept with the version.",
    )
    cycles = serializers.IntegerField(
        default=MONTHS, min_value=1, max_value=MOST_MONTHS, help_text="On how many closed months it is tried."
    )


class NewRuleInput(RuleInput):
    """A rule that is not there yet."""

    code = serializers.CharField(max_length=60, help_text="What programs call it, for ever.")


class RulePreviewOutput(serializers.Serializer):
    """A back-test that is made in the background."""

    id = serializers.IntegerField(source="job.pk", help_text="Send it as `preview` to save the rule with this back-test.")
    state = serializers.ChoiceField(source="job.state", choices=JobState.choices, help_text="`done`: the back-test is there.")
    progress_done = serializers.IntegerField(source="job.progress_done", help_text="Months that were computed.")
    progress_total = serializers.IntegerField(source="job.progress_total")
    code = serializers.CharField(source="rule.code")
    sentence = serializers.SerializerMethodField(help_text="The rule in words.")
    backtest = serializers.DictField(source="result", allow_null=True, help_text="docs/rules/backtest.md; null until it is done.")

    def get_sentence(self, preview: RulePreview) -> str:
        """In words."""
        return say_rule(preview.rule)
