"""Under which terms members may use an offer, from which day on."""

from django.db import models

from offers.models.offers import Offer


class OfferTerms(models.Model):
    """
    The terms of an offer from one program day on (empty: from the beginning). Append-only.

    In force on a day are those that began last; of two for one day, those that were said last.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="dated_terms")
    starts_date = models.DateField("from", null=True, blank=True, help_text="First program day; empty: open to the past.")
    text = models.TextField("terms", blank=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')

    class Meta:
        ordering = ["offer", "starts_date", "id"]
        verbose_name_plural = "offer terms"

    def __str__(self) -> str:
        return f"Terms of {self.offer} from {self.starts_date or 'the beginning'}"
