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

    It stands outside the cycles, because a closed cycle never changes. newest_flag: what the newest cycle saw.
    target_key: "" for the whole partner, else the offer's external id, or attribute=value.
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
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "partner", "target_key"],
                condition=Q(state__in=[FlagState.OPEN, FlagState.ACKNOWLEDGED]),
                name="reviews_flagcase_one_at_a_time",
            ),
            models.CheckConstraint(condition=Q(state__in=FlagState.values), name="reviews_flagcase_state_known"),
            models.CheckConstraint(
                condition=(Q(state__in=[FlagState.OPEN, FlagState.ACKNOWLEDGED]) & Q(ended_at__isnull=True, resolution=""))
                | (Q(state=FlagState.RESOLVED, ended_at__isnull=False) & ~Q(resolution=""))
                | (Q(state=FlagState.DISMISSED, ended_at__isnull=False, resolution="") & ~Q(reason="")),
                name="reviews_flagcase_end_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.partner}"


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
