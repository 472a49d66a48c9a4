"""The next version of a listing while people work on it; what members read is a Listing and never changes."""

from django.db import models
from django.db.models import Q

from offers.choices import OPEN_DRAFT, DraftState
from offers.models.listings import Listing
from offers.models.offers import Offer


class ListingDraft(models.Model):
    """
    The next version of an offer's listing: one at a time is worked on. Published or discarded, it never changes again.

    `based_on`: number of the version that was published when it was last saved (0: none), so that nobody publishes over
    words that came meanwhile. `listing`: the version that it became.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="drafts")
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    creative_url = models.URLField("picture or film", max_length=500, blank=True)
    terms = models.TextField(blank=True)
    based_on = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=DraftState.choices, default=DraftState.DRAFT)
    listing = models.ForeignKey(Listing, null=True, blank=True, on_delete=models.PROTECT, related_name="drafts")
    edited_at = models.DateTimeField()
    edited_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["-edited_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DraftState.values), name="offers_listingdraft_state_known"),
            models.CheckConstraint(
                condition=~Q(state=DraftState.PUBLISHED) | Q(listing__isnull=False), name="offers_listingdraft_published_as"
            ),
            models.UniqueConstraint(
                fields=["offer"], condition=Q(state__in=OPEN_DRAFT), name="offers_listingdraft_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Draft of {self.offer}"

    @property
    def program_id(self) -> int:
        """The program of the offer: select it with the draft."""
        return self.offer.program_id


class ListingDraftTransition(models.Model):
    """One change of a draft's state, the beginning included (from ""). Written with the change, append-only."""

    listingdraft = models.ForeignKey(ListingDraft, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, choices=DraftState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.listingdraft}: {self.name}"
