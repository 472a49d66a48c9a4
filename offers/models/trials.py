"""Other offers for a share of members: what is tried before it is for everybody."""

from django.db import models
from django.db.models import F, Q

from offers.models.offers import Offer
from offers.models.segments import Segment
from partners.models import Program

LARGEST_SHARE = 50  # percent: those who try are never more than those they are compared with


class CatalogTrial(models.Model):
    """
    A share of members is shown new offers in the places of old ones, everybody else the old ones and not the new ones.

    Who is in the share follows from `salt` and the member's key (`plum_site.lib.draws`) and is stored nowhere. segment: of
    whose members the share is taken; empty: of everyone. Running until it has ended, which is written once; nothing else of it
    ever changes.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="catalog_trials")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="catalog_trials")
    share_percent = models.PositiveSmallIntegerField(help_text=f"How many percent of members try it: 1 to {LARGEST_SHARE}.")
    salt = models.CharField(max_length=100)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(share_percent__gte=1, share_percent__lte=LARGEST_SHARE), name="offers_catalogtrial_share_in_range"
            ),
            models.CheckConstraint(condition=~Q(salt=""), name="offers_catalogtrial_has_salt"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="") | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="offers_catalogtrial_both_ended_at_and_ended_by_set",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="offers_catalogtrial_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"Trial with {self.share_percent} % of members"


class CatalogTrialOffer(models.Model):
    """
    Which offer is shown in the place of which. Without a new one, the old one is not shown; without an old one, a new one is
    shown beside the others. is_fresh: nobody was shown the new one before, so that whoever does not try is not. Append-only.
    """

    trial = models.ForeignKey(CatalogTrial, on_delete=models.PROTECT, related_name="offers")
    old = models.ForeignKey(Offer, null=True, on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey(Offer, null=True, on_delete=models.PROTECT, related_name="+")
    is_fresh = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "old"], name="offers_catalogtrialoffer_old_once"),
            models.CheckConstraint(
                condition=Q(old__isnull=False) | Q(new__isnull=False), name="offers_catalogtrialoffer_names_one"
            ),
            models.CheckConstraint(
                condition=Q(old__isnull=True) | Q(new__isnull=True) | ~Q(old=F("new")), name="offers_catalogtrialoffer_differ"
            ),
            models.CheckConstraint(
                condition=Q(is_fresh=False) | Q(new__isnull=False), name="offers_catalogtrialoffer_only_new_is_fresh"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old or 'nothing'} → {self.new or 'nothing'}"
