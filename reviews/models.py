"""The monthly review: rules and policies by version, cycles, scorecards, flags and decisions."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from partners.models import Partner, Program
from reviews.choices import (
    CycleState,
    DecisionKind,
    Direction,
    Reference,
    RuleTarget,
    Severity,
    Standing,
    SubscriptionScope,
    SubscriptionState,
)


class ReviewPolicy(models.Model):
    """
    How a program turns figures into a standing: one version. The newest is in force; cycles keep the one they froze.

    weights: metric key to points, adding up to 100. bands: [[standing, lowest score], ...] from best to worst, the
    last one from 0, so that 0 to 100 is covered with no gap. minimum_events: below it a partner has insufficient data.
    Append-only.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="review_policies")
    number = models.PositiveIntegerField()
    weights = models.JSONField()
    bands = models.JSONField()
    minimum_events = models.PositiveIntegerField()
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-number"]
        verbose_name_plural = "review policies"
        constraints = [models.UniqueConstraint(fields=["program", "number"], name="reviews_policy_number_once")]

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


class RuleVersion(models.Model):
    """
    What a rule says, in one version; the newest is in force. Append-only.

    threshold: for reference "fixed" the value itself (a rate as 0 to 1, a count as a number), else a share of the
    reference (0.5: half of the previous month's). minimum_denominator: the metric's divisor must reach it.
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
    persistence_cycles = models.PositiveSmallIntegerField(default=1)
    cooldown_cycles = models.PositiveSmallIntegerField(default=0)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    digest = models.CharField(max_length=64)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["rule", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="reviews_ruleversion_number_once"),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="reviews_ruleversion_direction_known"),
            models.CheckConstraint(condition=Q(reference__in=Reference.values), name="reviews_ruleversion_reference_known"),
            models.CheckConstraint(condition=Q(persistence_cycles__gte=1), name="reviews_ruleversion_persistence_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} (version {self.number})"


class ReviewCycle(models.Model):
    """
    One program, one month, one revision. Opened by the schedule or by hand; never changes once closed (trigger).

    cutoff: the last seal number whose batches count. config: what was frozen with it (policy, rules, segments,
    recorded stages, seasonal index, metric version, code version, time-zone data version). digest: SHA-256 of the
    canonical review, see docs/rules/digest.md.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="cycles")
    month_start_date = models.DateField()
    revision = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=CycleState.choices, default=CycleState.OPEN)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    consolidated_at = models.DateTimeField(null=True)
    cutoff = models.BigIntegerField(null=True)
    config = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["program", "-month_start_date", "-revision"]
        constraints = [
            models.UniqueConstraint(fields=["program", "month_start_date", "revision"], name="reviews_cycle_once"),
            models.CheckConstraint(condition=Q(state__in=CycleState.values), name="reviews_cycle_state_known"),
            models.CheckConstraint(condition=Q(ends_at__gt=models.F("starts_at")), name="reviews_cycle_ends_after_start"),
            models.CheckConstraint(condition=Q(month_start_date__day=1), name="reviews_cycle_starts_on_first"),
            models.CheckConstraint(
                condition=Q(state=CycleState.OPEN) | (Q(cutoff__isnull=False, consolidated_at__isnull=False) & ~Q(digest="")),
                name="reviews_cycle_ready_is_frozen",
            ),
            models.CheckConstraint(
                condition=(Q(state=CycleState.CLOSED, closed_at__isnull=False) & ~Q(closed_by=""))
                | (~Q(state=CycleState.CLOSED) & Q(closed_at__isnull=True, closed_by="")),
                name="reviews_cycle_both_closed_at_and_closed_by_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program} {self.month_start_date:%Y-%m}"


class CycleTransition(models.Model):
    """One change of a cycle's state. Append-only."""

    cycle = models.ForeignKey(ReviewCycle, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, choices=CycleState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.cycle}: {self.name}"


class Scorecard(models.Model):
    """
    One partner in one cycle, in the standard form. Written by consolidation, which replaces it while the cycle is
    not closed. metrics, previous, settled: every metric of the metric layer, as JSON; expected, peers: see
    reviews/README.md. score: 0 to 100, empty where there is too little data for one.
    """

    cycle = models.ForeignKey(ReviewCycle, on_delete=models.PROTECT, related_name="scorecards")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="scorecards")
    standing = models.CharField(max_length=20, choices=Standing.choices)
    score = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    rank = models.PositiveIntegerField(null=True, help_text="Among the cycle's scored partners, best first.")
    metrics = models.JSONField()
    previous = models.JSONField(null=True)
    settled = models.JSONField(null=True)
    expected = models.JSONField(default=dict)
    peers = models.JSONField(default=dict)
    trend = models.JSONField(default=list, help_text="The months up to this one, oldest first.")
    evidence = models.JSONField(default=dict, help_text="How the score came about, crossings that are no flags, late events.")
    diagnosis = models.JSONField(null=True)

    class Meta:
        ordering = ["cycle", "rank", "partner"]
        constraints = [
            models.UniqueConstraint(fields=["cycle", "partner"], name="reviews_scorecard_once"),
            models.CheckConstraint(condition=Q(standing__in=Standing.values), name="reviews_scorecard_standing_known"),
            models.CheckConstraint(
                condition=Q(score__isnull=True) | Q(score__gte=0, score__lte=100), name="reviews_scorecard_score_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner} in {self.cycle}"


class Flag(models.Model):
    """A rule was crossed by one partner in one cycle: what was seen, what was allowed, and the evidence."""

    scorecard = models.ForeignKey(Scorecard, on_delete=models.PROTECT, related_name="flags")
    rule_version = models.ForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="flags")
    metric = models.CharField(max_length=60)
    observed = models.DecimalField(max_digits=18, decimal_places=9)
    threshold = models.DecimalField(max_digits=18, decimal_places=9, help_text="The value that was crossed, reference applied.")
    evidence = models.JSONField(default=dict)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["scorecard", "rule_version"]
        constraints = [models.UniqueConstraint(fields=["scorecard", "rule_version"], name="reviews_flag_once")]

    def __str__(self) -> str:
        return f"{self.rule_version.rule}: {self.scorecard}"


class Decision(models.Model):
    """What was decided about one scorecard: by rule where the policy passes it, else by a person."""

    scorecard = models.OneToOneField(Scorecard, on_delete=models.PROTECT, related_name="decision")
    kind = models.CharField(max_length=10, choices=DecisionKind.choices)
    is_by_rule = models.BooleanField()
    decided_by = models.CharField(max_length=200)
    decided_at = models.DateTimeField()
    comment = models.TextField(blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=DecisionKind.values), name="reviews_decision_kind_known")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.scorecard}"


class Subscription(models.Model):
    """
    One recipient of a program's monthly report, in one scope. Added, paused and ended in the console, or ended by the link
    in a mail; never deleted. scope_value: the category's or the country's code, where the scope is one of these.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="subscriptions")
    email = models.EmailField("e-mail address")
    name = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        help_text="A person with a login, whose report links to the console.",
    )
    scope = models.CharField(max_length=10, choices=SubscriptionScope.choices, default=SubscriptionScope.WHOLE)
    scope_value = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=12, choices=SubscriptionState.choices, default=SubscriptionState.ACTIVE)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["email", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "email", "scope", "scope_value"], name="reviews_subscription_once"),
            models.CheckConstraint(condition=Q(state__in=SubscriptionState.values), name="reviews_subscription_state_known"),
            models.CheckConstraint(
                condition=(Q(scope__in=[SubscriptionScope.CATEGORY, SubscriptionScope.COUNTRY]) & ~Q(scope_value=""))
                | (Q(scope=SubscriptionScope.OWNED, user__isnull=False) & Q(scope_value=""))
                | Q(scope=SubscriptionScope.WHOLE, scope_value=""),
                name="reviews_subscription_scope_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.email}: {self.scope_text}"

    @property
    def scope_text(self) -> str:
        """The scope in words."""
        match self.scope:
            case SubscriptionScope.CATEGORY:
                return f"partners of the category {self.scope_value}"
            case SubscriptionScope.COUNTRY:
                return f"partners of {self.scope_value}"
        return SubscriptionScope(self.scope).label[0].lower() + SubscriptionScope(self.scope).label[1:]
