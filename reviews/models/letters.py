"""Letters to partners about a corrective action: the link that each carries, and what was answered by it."""

from django.db import models
from django.db.models import F, Q

from partners.models import Contact
from reviews.models.actions import ActionNote, CorrectiveAction
from reviews.models.cycles import ReviewCycle


class PartnerLink(models.Model):
    """
    The way of one contact to their partner's own card, without signing in: one for each letter of an action.

    The link in the mail is signed and names this row and its version; it is good until `expires_at`. Renewing or withdrawing
    it makes the version grow, which voids every link that went out before. cycle: the review whose card it shows; empty where
    the partner was never reviewed. contact: empty once the contact was deleted.
    """

    action = models.ForeignKey(CorrectiveAction, on_delete=models.PROTECT, related_name="partner_links")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="+")
    cycle = models.ForeignKey(ReviewCycle, null=True, on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField(default=1)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-sent_at", "-id"]
        verbose_name = "letter to a partner"
        verbose_name_plural = "letters to partners"
        constraints = [
            models.UniqueConstraint(fields=["action", "contact"], name="reviews_partnerlink_once"),
            models.CheckConstraint(condition=Q(version__gte=1), name="reviews_partnerlink_version_from_one"),
            models.CheckConstraint(condition=Q(expires_at__gte=F("sent_at")), name="reviews_partnerlink_expires_after_sent"),
        ]

    def __str__(self) -> str:
        return f"Letter to {self.contact.name if self.contact else 'a contact that was deleted'}"


class PartnerAnswer(models.Model):
    """What a partner answered by a link: a note of the action, with the link that it came by. Append-only."""

    link = models.ForeignKey(PartnerLink, on_delete=models.PROTECT, related_name="answers")
    note = models.OneToOneField(ActionNote, on_delete=models.PROTECT, related_name="partner_answer")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Answer: {self.note}"
