"""Rules and policies, by version."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from partners.models import Program
from reviews.choices import Direction, Reference, RuleState, RuleTarget, Severity, TimeUnit


class ReviewPolicy(models.Model):
    """
    How a program turns figures into a standing: one version. The newest is in force; cycles keep the one they froze.

    weights: metric key to points, adding up to 100. bands: [[standing, lowest score], ...] from best to worst, the
    last one from 0, so that 0 to 100 is covered with no gap. minimum_events: below it a partner has insufficient data.
    recency_months: how many months before the reviewed one count too, each less than the one after it; 0 for the month alone.
    Append-only.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="review_policies")
    number = models.PositiveIntegerField()
    weights = models.JSONField()
    bands = models.JSONField()
    minimum_events = models.PositiveIntegerField()
    recency_months = models.PositiveSmallIntegerField(default=0)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-number"]
        verbose_name_plural = "review policies"
        constraints = [
            models.UniqueConstraint(fields=["program", "number"], name="reviews_policy_number_once"),
            models.CheckConstraint(condition=Q(recency_months__lte=12), name="reviews_policy_recency_within_a_year"),
        ]

    def __str__(self) -> str:
        return f"Policy version {self.number}"


class Rule(models.Model):
    """A rule by its code; what it says is in its versions. Made active or inactive, never deleted."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="rules")
    code = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["code", "id"]
        constraints = [models.UniqueConstraint(fields=["program", "code"], name="reviews_rule_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """As the transition table has it."""
        return RuleState.ACTIVE if self.is_active else RuleState.INACTIVE

    @property
    def newest_first(self) -> "list[RuleVersion]":
        """Its versions, the one in force first."""
        return sorted(self.versions.all(), key=lambda version: -version.number)

    @property
    def newest(self) -> "RuleVersion | None":
        """The version in force, were the rule in force."""
        return next(iter(self.newest_first), None)


class RuleVersion(models.Model):
    """
    What a rule says, in one version; the newest is in force. Append-only.

    threshold: for reference "fixed" the value itself (a rate as 0 to 1, a count as a number), else a share of the
    reference (0.5: half of the previous month's). minimum_denominator: the metric's divisor must reach it.
    lookback_months: how many months a "trailing" reference is made of. window_days: the rule looks at so many days instead of
    at the month; empty for the month. persistence, cooldown: in months or in days, never in evaluations. is_strict: flags on
    crossing, certain or not. owner: who is told; empty for the partner's owner. backtest: what was shown before it was saved.
    `digest` is SHA-256 of the canonical JSON of the version and stands in the review's digest.
    """

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    target = models.CharField(max_length=20, choices=RuleTarget.choices, default=RuleTarget.PARTNER)
    metric = models.CharField(max_length=60)
    direction = models.CharField(max_length=10, choices=Direction.choices)
    reference = models.CharField(max_length=20, choices=Reference.choices)
    threshold = models.DecimalField(max_digits=18, decimal_places=9)
    minimum_denominator = models.PositiveIntegerField()
    lookback_months = models.PositiveSmallIntegerField(default=6)
    window_days = models.PositiveSmallIntegerField(null=True, blank=True)
    persistence = models.PositiveSmallIntegerField(default=1)
    persistence_unit = models.CharField(max_length=6, choices=TimeUnit.choices, default=TimeUnit.CYCLES)
    cooldown = models.PositiveSmallIntegerField(default=0)
    cooldown_unit = models.CharField(max_length=6, choices=TimeUnit.choices, default=TimeUnit.CYCLES)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    is_strict = models.BooleanField(default=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    backtest = models.JSONField(null=True, blank=True)
    digest = models.CharField(max_length=64)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["rule", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="reviews_ruleversion_number_once"),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="reviews_ruleversion_direction_known"),
            models.CheckConstraint(condition=Q(reference__in=Reference.values), name="reviews_ruleversion_reference_known"),
            models.CheckConstraint(condition=Q(persistence__gte=1), name="reviews_ruleversion_persistence_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} (version {self.number})"
