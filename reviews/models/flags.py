"""What becomes of a flag once it was opened, over as many cycles as it takes."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from partners.models import Partner, Program
from reviews.choices import FlagState, Resolution, RuleTarget
from reviews.models.cycles import Flag
from reviews.models.rules import Rule


class FlagCase(models.Model):
    """
    One stretch of time over which a rule flags a partner (or one of its offers, or the partner in one segment): opened when
    it is first certain, carried from cycle to cycle, ended by the data, by an action, or by a person who says why.

    It stands outside the cycles, because a closed cycle never changes; consolidation keeps it in step with them. On screen
    it is the flag. target_key: "" for the whole partner, else the offer's external id, or attribute=value.

    newest_flag: the flag that the newest cycle holds; empty once that cycle does not hold it any more. seen: what was seen
    last, kept by value: {"month", "metric", "observed", "threshold", "evidence"} and of the rule's version
    {"rule_number", "severity", "direction", "reference", "share"}.
    first_month_date, newest_month_date: the months in which the rule was first and last crossed. ended_month_date: the month
    whose figures (or in which a person) ended it. owner: who is told and who works on it.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="flag_cases")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="flag_cases")
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="flag_cases")
    target = models.CharField(max_length=20, choices=RuleTarget.choices, default=RuleTarget.PARTNER)
    target_key = models.CharField(max_length=400, blank=True)
    state = models.CharField(max_length=12, choices=FlagState.choices, default=FlagState.OPEN)
    resolution = models.CharField(max_length=10, choices=Resolution.choices, blank=True)
    reason = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    newest_flag = models.ForeignKey(Flag, null=True, on_delete=models.SET_NULL, related_name="cases")
    seen = models.JSONField(default=dict)
    first_month_date = models.DateField()
    newest_month_date = models.DateField()
    ended_month_date = models.DateField(null=True)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "flag"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "partner", "target_key"],
                condition=Q(state__in=[FlagState.OPEN, FlagState.ACKNOWLEDGED]),
                name="reviews_flagcase_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=(Q(state__in=[FlagState.OPEN, FlagState.ACKNOWLEDGED]) & Q(ended_at__isnull=True, resolution=""))
                | (Q(state=FlagState.RESOLVED, ended_at__isnull=False) & ~Q(resolution=""))
                | (Q(state=FlagState.DISMISSED, ended_at__isnull=False, resolution="") & ~Q(reason="")),
                name="reviews_flagcase_end_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(newest_month_date__gte=models.F("first_month_date")), name="reviews_flagcase_months_in_order"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_month_date__isnull=True)
                | Q(ended_at__isnull=False, ended_month_date__isnull=False),
                name="reviews_flagcase_ended_in_a_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.partner}{f', {self.target_key}' if self.target_key else ''}"


class FlagTransition(models.Model):
    """One change of a flag's state. Append-only."""

    case = models.ForeignKey(FlagCase, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, choices=FlagState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.case}: {self.name}"
