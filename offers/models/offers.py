"""Offers, how they came to their state, and whom they are open to."""

from django.db import models
from django.db.models import F, Q

from offers.choices import OfferState
from offers.models.segments import Segment
from offers.querysets import AudienceQuerySet, OfferQuerySet
from partners.models import Partner, Program
from plum_site.lib.fields import CurrencyField


class Offer(models.Model):
    """
    Something a member can redeem. Partner, type and external id never change (another type is another offer).

    Its state changes only by a named transition, each with a row in OfferTransition. An offer is live on
    [starts_date, ends_date + 1 day) in program days while published. Never deleted.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="offers")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="offers")
    external_id = models.CharField(max_length=200)
    offer_type = models.CharField(max_length=100)
    category = models.CharField(max_length=200, blank=True, help_text="Finer than the partner's category; free text.")
    face_value = models.CharField(max_length=60, blank=True, help_text="As printed, for example 10.00 or 15%.")
    face_value_currency = CurrencyField(blank=True)
    reward_cost_minor = models.BigIntegerField(
        null=True, blank=True, help_text="Expected cost of one redemption, in minor units."
    )
    reward_cost_currency = CurrencyField(blank=True)
    starts_date = models.DateField(null=True, blank=True, help_text="First program day; empty: open to the past.")
    ends_date = models.DateField(null=True, blank=True, help_text="Last program day, included; empty: no end.")
    state = models.CharField(max_length=10, choices=OfferState.choices, default=OfferState.DRAFT)
    created_at = models.DateTimeField()

    objects = OfferQuerySet.as_manager()

    class Meta:
        ordering = ["external_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "external_id"], name="offers_offer_once"),
            models.CheckConstraint(condition=Q(state__in=OfferState.values), name="offers_offer_state_known"),
            models.CheckConstraint(
                condition=Q(starts_date__isnull=True) | Q(ends_date__isnull=True) | Q(ends_date__gte=F("starts_date")),
                name="offers_offer_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(reward_cost_minor__isnull=True, reward_cost_currency="")
                | (Q(reward_cost_minor__gte=0) & ~Q(reward_cost_currency="")),
                name="offers_offer_reward_cost_has_currency",
            ),
        ]
        indexes = [models.Index(fields=["program", "partner"], name="offers_offer_of_partner")]  # a partner's offers

    def __str__(self) -> str:
        return self.external_id


class OfferTransition(models.Model):
    """One change of an offer's state, the creation included (from ""). Written with the change, append-only."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, choices=OfferState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.offer}: {self.name}"


class Audience(models.Model):
    """
    Whom an offer is open to from one day on. An offer without any is open to everyone.

    `segment` empty: every member; `countries` empty: every country. Who is in one of `excluded_segments` is left out,
    though both take them in. The newest row that has begun is in force.
    """

    left_out: list[Segment]  # the excluded ones, on rows that were read with_segments()

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="audiences")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="audiences")
    countries = models.JSONField(default=list, blank=True)
    starts_date = models.DateField(null=True, blank=True, help_text="First program day; empty: open to the past.")
    excluded_segments = models.ManyToManyField(Segment, through="AudienceExclusion", related_name="excluding_audiences")

    objects = AudienceQuerySet.as_manager()

    class Meta:
        ordering = ["offer", "starts_date", "id"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "starts_date"], name="offers_audience_one_a_day"),
            models.UniqueConstraint(
                fields=["offer"], condition=Q(starts_date__isnull=True), name="offers_audience_one_open_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.offer}: {self.segment or 'everyone'}"


class AudienceExclusion(models.Model):
    """A segment that an audience leaves out. Comes and goes with what the audience says; holds the segment in place."""

    audience = models.ForeignKey(Audience, on_delete=models.CASCADE, related_name="exclusions")
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="exclusions")

    class Meta:
        ordering = ["audience", "id"]
        constraints = [models.UniqueConstraint(fields=["audience", "segment"], name="offers_audienceexclusion_once")]

    def __str__(self) -> str:
        return f"{self.audience}, without {self.segment}"
