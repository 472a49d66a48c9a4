"""Review cycles and what stands in them: scorecards, flags and decisions."""

from django.db import models
from django.db.models import Q

from partners.models import Partner, Program
from reviews.choices import CycleState, DecisionKind, RestatementState, RuleTarget, Standing
from reviews.models.rules import RuleVersion


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
    """
    A rule was crossed, for certain, by one partner in one cycle: what was seen, what was allowed, and the evidence.

    target_key: "" for the whole partner, else the offer's external id, or attribute=value. What becomes of it over the
    cycles is in its FlagCase.
    """

    scorecard = models.ForeignKey(Scorecard, on_delete=models.PROTECT, related_name="flags")
    rule_version = models.ForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="flags")
    target = models.CharField(max_length=20, choices=RuleTarget.choices, default=RuleTarget.PARTNER)
    target_key = models.CharField(max_length=400, blank=True)
    metric = models.CharField(max_length=60)
    observed = models.DecimalField(max_digits=18, decimal_places=9)
    threshold = models.DecimalField(max_digits=18, decimal_places=9, help_text="The value that was crossed, reference applied.")
    evidence = models.JSONField(default=dict)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["scorecard", "rule_version"]
        constraints = [models.UniqueConstraint(fields=["scorecard", "rule_version", "target_key"], name="reviews_flag_once")]

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


class Restatement(models.Model):
    """
    A closed review is to be made anew, as a new revision: asked for by one person, approved or refused by another.

    cycle: the closed one, which stays. revised: the new revision, once approved.
    """

    cycle = models.ForeignKey(ReviewCycle, on_delete=models.PROTECT, related_name="restatements")
    state = models.CharField(max_length=10, choices=RestatementState.choices, default=RestatementState.ASKED)
    reason = models.TextField()
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    answered_by = models.CharField(max_length=200, blank=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)
    revised = models.OneToOneField(ReviewCycle, null=True, on_delete=models.PROTECT, related_name="restates")

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["cycle"], condition=Q(state=RestatementState.ASKED), name="reviews_restatement_one_at_a_time"
            ),
            models.CheckConstraint(condition=Q(state__in=RestatementState.values), name="reviews_restatement_state_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="reviews_restatement_has_reason"),
            models.CheckConstraint(
                condition=Q(state=RestatementState.ASKED, answered_by="", answered_at__isnull=True)
                | (~Q(state=RestatementState.ASKED) & ~Q(answered_by="") & Q(answered_at__isnull=False)),
                name="reviews_restatement_both_answered_at_and_answered_by_set",
            ),
            models.CheckConstraint(condition=~Q(asked_by=models.F("answered_by")), name="reviews_restatement_by_two_people"),
        ]

    def __str__(self) -> str:
        return f"Restatement of {self.cycle}"
