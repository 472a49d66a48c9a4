"""Stretches of time in which a source should have sent events and did not."""

from django.db import models
from django.db.models import F, Q

from activity.models import EventSource
from partners.models import Program
from reviews.choices import GapState


class DataGap(models.Model):
    """
    A silence of one source: from the end of what it sent to what it sent next. Never held against a partner.

    ends_at: empty while it lasts. accepted_by: who said that the month may be judged without what is missing, and why.
    is_relied_on: whether a month was closed with the acceptance; `selectors.list_data_gaps` reads it along.
    """

    is_relied_on: bool

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="data_gaps")
    source = models.ForeignKey(EventSource, on_delete=models.PROTECT, related_name="data_gaps")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField()
    accepted_by = models.CharField(max_length=200, blank=True)
    accepted_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-starts_at", "source"]
        constraints = [
            models.UniqueConstraint(fields=["source", "starts_at"], name="reviews_datagap_once"),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")), name="reviews_datagap_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True, accepted_by="", reason="")
                | (Q(accepted_at__isnull=False) & ~Q(accepted_by="") & ~Q(reason="")),
                name="reviews_datagap_both_accepted_at_and_accepted_by_set",
            ),
        ]

    @property
    def state(self) -> GapState:
        """Where it stands in the table of transitions."""
        if self.accepted_at is None:
            return GapState.OPEN
        return GapState.RELIED_ON if self.is_relied_on else GapState.ACCEPTED

    def get_state_display(self) -> str:
        """In words, as a field with choices has it."""
        return str(self.state.label)

    def __str__(self) -> str:
        return f"{self.source} from {self.starts_at:%Y-%m-%d}"
