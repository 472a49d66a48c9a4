"""In which order offers are shown."""

from django.db import models
from django.db.models import Q

from offers.models.segments import Segment
from partners.models import Program


class RankingRevision(models.Model):
    """
    One order of offers in the catalog, for everyone (segment empty) or for one segment. Append-only.

    The newest revision per segment is in force; an undo is a new revision that names the one it undoes.
    `offer_ids`: row ids of offers, best first, the hidden ones among them; offers that are not named follow, by external id.
    `pinned`: offer (as text) to the place that it keeps among what is shown. `hidden`: offers that are not shown.
    `is_ended`: from here on there is no such ranking, as before the first revision; the three lists are empty.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="ranking_revisions")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="ranking_revisions")
    number = models.PositiveIntegerField()
    offer_ids = models.JSONField()
    pinned = models.JSONField(default=dict)
    hidden = models.JSONField(default=list)
    is_ended = models.BooleanField(default=False)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    comment = models.TextField(blank=True)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "segment", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["program", "segment", "number"], name="offers_ranking_number_once"),
            models.UniqueConstraint(
                fields=["program", "number"], condition=Q(segment__isnull=True), name="offers_ranking_global_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Ranking {self.number} for {self.segment or 'everyone'}"

    @property
    def pins(self) -> dict[int, int]:
        """Offer row id to the place that it keeps."""
        return {int(offer): place for offer, place in self.pinned.items()}
