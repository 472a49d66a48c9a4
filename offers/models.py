"""The catalog: offers and their listings, whom they are open to, and in which order they are shown."""

from django.db import models
from django.db.models import F, Q

from offers.choices import OfferState
from offers.querysets import OfferQuerySet
from partners.models import Partner, Program
from plum_site.lib.fields import CurrencyField


class Segment(models.Model):
    """
    A named rule over member attributes, evaluated as of a date: every condition must hold.

    `rule` is a list of {"attribute", "operator": "is"|"is_not", "values": [text, ...]}; "" stands for unknown.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="segments")
    code = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    rule = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["program", "code"], name="offers_segment_once")]

    def __str__(self) -> str:
        return self.name


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


class Listing(models.Model):
    """One version of what members read about an offer. Append-only: a refresh is a new version."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="listings")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    creative_url = models.URLField(max_length=500, blank=True)
    terms = models.TextField(blank=True)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["offer", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["offer", "number"], name="offers_listing_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="offers_listing_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.number})"


class Audience(models.Model):
    """
    Whom an offer is open to from one day on. An offer without any is open to everyone.

    `segment` empty: every member; `countries` empty: every country. The newest row that has begun is in force.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="audiences")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="audiences")
    countries = models.JSONField(default=list, blank=True)
    starts_date = models.DateField(null=True, blank=True, help_text="First program day; empty: open to the past.")

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


class RankingRevision(models.Model):
    """
    One order of offers in the catalog, for everyone (segment empty) or for one segment. Append-only.

    The newest revision per segment is in force; an undo is a new revision that names the one it undoes.
    `offer_ids`: row ids of offers, best first; offers that are not named follow, by external id.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="ranking_revisions")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="ranking_revisions")
    number = models.PositiveIntegerField()
    offer_ids = models.JSONField()
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
