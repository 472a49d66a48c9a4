"""What members read about offers."""

from django.db import models
from django.db.models import Q

from offers.models.offers import Offer


class Listing(models.Model):
    """
    One version of what members read about an offer. Append-only: a refresh is a new version.

    `terms`: as they stood when it was published; what holds on a day is in OfferTerms.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="listings")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    creative_url = models.URLField(max_length=500, blank=True)
    terms = models.TextField(blank=True)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')

    class Meta:
        ordering = ["offer", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "number"], name="offers_listing_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="offers_listing_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.number})"
