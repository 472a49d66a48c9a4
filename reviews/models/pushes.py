"""Promotional pushes: to whom each one goes, who wants none, and which were stopped. No address and no outside id is here."""

from django.db import models
from django.db.models import Q

from activity.models import Member
from partners.models import Program
from reviews.choices import PushArm, PushChannel, RecipientState
from reviews.models.actions import CorrectiveAction

R = RecipientState


class PushRecipient(models.Model):
    """
    One member of the audience of one push, frozen when it was carried out: written to, or held out to tell its effect.

    Who and in which arm never changes; the state only from waiting, once: queued when the message went into the outbox or was
    announced, stopped, or skipped (opted out or left meanwhile). What became of a queued mail is in the outbox.
    """

    action = models.ForeignKey(CorrectiveAction, on_delete=models.PROTECT, related_name="recipients", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    arm = models.CharField(max_length=10, choices=PushArm.choices)
    channel = models.CharField(max_length=10, choices=PushChannel.choices)
    state = models.CharField(max_length=10, choices=RecipientState.choices)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["action", "state", "id"], name="reviews_pushrecipient_next"),  # who comes next, how many?
            models.Index(fields=["member", "created_at"], name="reviews_pushrecipient_recent"),  # written to lately?
        ]
        constraints = [
            models.UniqueConstraint(fields=["action", "member"], name="reviews_pushrecipient_once"),
            models.CheckConstraint(condition=Q(arm__in=PushArm.values), name="reviews_pushrecipient_arm_known"),
            models.CheckConstraint(condition=Q(channel__in=PushChannel.values), name="reviews_pushrecipient_channel_known"),
            models.CheckConstraint(
                condition=Q(arm=PushArm.HELD_OUT, state=R.HELD_OUT) | (~Q(arm=PushArm.HELD_OUT) & ~Q(state=R.HELD_OUT)),
                name="reviews_pushrecipient_held_out_gets_nothing",
            ),
            models.CheckConstraint(
                condition=Q(state__in=(R.WAITING, R.HELD_OUT), settled_at__isnull=True)
                | Q(state__in=(R.QUEUED, R.STOPPED, R.SKIPPED), settled_at__isnull=False),
                name="reviews_pushrecipient_settled_has_settled_at",
            ),
        ]

    def __str__(self) -> str:
        return f"Recipient {self.pk} of push {self.action_id}"


class PushStop(models.Model):
    """Somebody stopped a push: what had not left then does not leave any more. Append-only."""

    action = models.OneToOneField(CorrectiveAction, on_delete=models.PROTECT, related_name="push_stop")
    reason = models.TextField()
    stopped_by = models.CharField(max_length=200)
    stopped_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="reviews_pushstop_has_reason")]

    def __str__(self) -> str:
        return f"Stop of push {self.action_id}"


class PushOptOut(models.Model):
    """
    A member wants no pushes of their program, by the link in one: `recipient` is its row. Deleted if they want them again.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="push_opt_outs")
    member = models.OneToOneField(Member, on_delete=models.PROTECT, related_name="push_opt_out")
    recipient = models.ForeignKey(PushRecipient, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Opt-out of member {self.member_id}"
