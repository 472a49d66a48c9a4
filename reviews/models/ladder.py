"""The ladder: its rule, who moved on it and why, and who is held."""

from django.db import models
from django.db.models import F, Q

from partners.choices import PartnerState
from partners.models import Partner, Program
from reviews.choices import LadderName, LadderOutcome
from reviews.models.actions import CorrectiveAction
from reviews.models.cycles import ReviewCycle

MOVED = LadderOutcome.MOVED


class LadderVersion(models.Model):
    """When partners move on the ladder, as reviews.rules.ladder describes it: one version. The newest holds. Append-only."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="ladder_versions")
    number = models.PositiveIntegerField()
    rule = models.JSONField()
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-number"]
        constraints = [models.UniqueConstraint(fields=["program", "number"], name="reviews_ladderversion_number_once")]

    def __str__(self) -> str:
        return f"Ladder version {self.number}"


class LadderMove(models.Model):
    """
    What the ladder's rule asked for about one partner when one review was closed, and what became of it. Append-only.

    outcome: moved from one state to another; held, because somebody had said so; or due, which is for people to decide. evidence:
    the months, the flag and the actions that it rests on, as they were. version: which of the rule, 0 for the one that every
    program begins with. action: what was proposed with it.
    """

    cycle = models.ForeignKey(ReviewCycle, on_delete=models.PROTECT, related_name="ladder_moves")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="ladder_moves")
    name = models.CharField(max_length=30, choices=LadderName.choices)
    outcome = models.CharField(max_length=5, choices=LadderOutcome.choices)
    from_state = models.CharField(max_length=20, choices=PartnerState.choices)
    to_state = models.CharField(max_length=20, choices=PartnerState.choices)
    version = models.PositiveIntegerField()
    evidence = models.JSONField()
    action = models.ForeignKey(CorrectiveAction, null=True, on_delete=models.PROTECT, related_name="ladder_moves")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["cycle", "partner"], name="reviews_laddermove_once"),
            models.CheckConstraint(condition=Q(name__in=LadderName.values), name="reviews_laddermove_name_known"),
            models.CheckConstraint(condition=Q(outcome__in=LadderOutcome.values), name="reviews_laddermove_outcome_known"),
            models.CheckConstraint(
                condition=(Q(outcome=MOVED) & ~Q(from_state=F("to_state"))) | (~Q(outcome=MOVED) & Q(from_state=F("to_state"))),
                name="reviews_laddermove_moved_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.partner}"


class LadderHold(models.Model):
    """
    Somebody said that a partner is not to be moved up before a day is over, and why. It ends by itself, by hand, or by the next.

    until_date: the last program day on which it holds.
    """

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="ladder_holds")
    until_date = models.DateField()
    reason = models.TextField()
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    ended_by = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-made_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["partner"], condition=Q(ended_at__isnull=True), name="reviews_ladderhold_one_at_a_time"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="reviews_ladderhold_says_why"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="") | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="reviews_ladderhold_both_ended_at_and_ended_by_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner} is held until {self.until_date}"
