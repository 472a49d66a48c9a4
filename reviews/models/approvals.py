"""How many people stand behind corrective actions, by version, and how a version that asks for less comes into force."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from partners.models import Program
from reviews.choices import ApprovalRequestState as S

PERSON = settings.AUTH_USER_MODEL


class ApprovalRequest(models.Model):
    """
    Approvals that ask for less than version `replaces`, which is in force: they take force when another person confirms them,
    or at due_at by themselves. What was asked never changes; once answered, nothing does.

    replaces: 0 for what every program begins with. asker: the person who asked (a token's maker for a token). answerer: who
    confirmed, refused or withdrew it; empty where Plum did. answer: why. approvals, push_limit, solo_mode: as ApprovalPolicy.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="approval_requests")
    state = models.CharField(max_length=10, choices=S.choices, default=S.ASKED)
    replaces = models.PositiveIntegerField()
    approvals = models.JSONField()
    push_limit = models.PositiveIntegerField()
    solo_mode = models.BooleanField()
    asker = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    answerer = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["program"], condition=Q(state=S.ASKED), name="reviews_approvalrequest_one_at_a_time"),
            models.CheckConstraint(condition=Q(state__in=S.values), name="reviews_approvalrequest_state_known"),
            models.CheckConstraint(condition=Q(due_at__gt=F("asked_at")), name="reviews_approvalrequest_due_after_asked"),
            models.CheckConstraint(
                condition=Q(state=S.ASKED, answerer__isnull=True, answered_at__isnull=True, answer="")
                | (~Q(state=S.ASKED) & Q(answered_at__isnull=False)),
                name="reviews_approvalrequest_answered_at_set",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[S.REFUSED, S.WITHDRAWN]) | ~Q(answer=""), name="reviews_approvalrequest_says_why"
            ),
            # The second person is another one; without one it is not before its time.
            models.CheckConstraint(
                condition=~Q(state=S.IN_FORCE)
                | (Q(answerer__isnull=False) & ~Q(answerer=F("asker")))
                | Q(answerer__isnull=True, answered_at__gte=F("due_at")),
                name="reviews_approvalrequest_by_two_people_or_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Request of {self.asked_at:%Y-%m-%d %H:%M} UTC to lower the approvals"


class ApprovalPolicy(models.Model):
    """
    How many people which kind of action needs: one version. The newest is in force. Append-only.

    approvals: kind to "one" or "two". push_limit: a push to more recipients needs two whatever its kind says. solo_mode: a
    program of one person waits SOLO_HOURS instead of asking a second one, which every action then shows. request: who asked for
    it and who confirmed it, where it asks for less than the version before; empty where it does not.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="approval_policies")
    number = models.PositiveIntegerField()
    approvals = models.JSONField()
    push_limit = models.PositiveIntegerField()
    solo_mode = models.BooleanField(default=False)
    request = models.OneToOneField(ApprovalRequest, null=True, on_delete=models.PROTECT, related_name="version")
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-number"]
        verbose_name_plural = "approval policies"
        constraints = [models.UniqueConstraint(fields=["program", "number"], name="reviews_approvalpolicy_number_once")]

    def __str__(self) -> str:
        return f"Approval policy version {self.number}"
