"""
The ledger: one row per fact, appended in batches, sealed in order, never edited.

No database foreign keys here: ids are checked against the catalog when an event comes in, and by `verify tenancy`.
Triggers on both engines refuse UPDATE and DELETE (and TRUNCATE) unless a LedgerPermit row exists.
"""

from django.db import models
from django.db.models import DO_NOTHING, Q

from activity.choices import Kind, Origin, Rhythm, Status
from offers.models import Offer
from partners.models import Program

POSITIONS = 8192  # events in one batch at most; event id = batch id * POSITIONS + position


def loose_key(to: type[models.Model] | str) -> models.ForeignKey:
    """A reference for the ORM only: no database constraint, no index."""
    return models.ForeignKey(to, on_delete=DO_NOTHING, db_constraint=False, db_index=False, related_name="+")


class EventSource(models.Model):
    """
    A system that sends events to one program, by the name it gives itself. Made when its first event arrives, or when it
    first says how far it is complete.

    rhythm: how often something is expected, said by a program admin. complete_through_at: before this instant nothing is
    missing any more, as the sender itself said at `stated_at`; empty where it never said so.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="sources")
    code = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    rhythm = models.CharField(
        max_length=10,
        choices=Rhythm.choices,
        default=Rhythm.NONE,
        help_text="How often something from this source is expected. It is silent once that and the grace have passed.",
    )
    complete_through_at = models.DateTimeField(null=True, blank=True)
    stated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["code", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="activity_eventsource_once"),
            models.CheckConstraint(condition=Q(rhythm__in=Rhythm.values), name="activity_eventsource_rhythm_known"),
            models.CheckConstraint(
                condition=Q(complete_through_at__isnull=True, stated_at__isnull=True)
                | Q(complete_through_at__isnull=False, stated_at__isnull=False),
                name="activity_eventsource_stated_with_its_instant",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class IngestBatch(models.Model):
    """
    The events of one source in one ingest transaction, in order, with the outcome of every one that was sent.

    `root` is the RFC 6962 root over the leaves of the accepted events. Insert-only.

    warning_count: how many of the accepted events had a warning. latest_occurred_at: when the latest accepted one happened.
    """

    # Each of the two begins an index below, so that neither needs one of its own.
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="batches", db_index=False)
    source = models.ForeignKey(EventSource, on_delete=models.PROTECT, related_name="batches", db_index=False)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    token_id = models.BigIntegerField(null=True, help_text="The API token that sent it.")
    day = models.DateField(help_text="Program day of recording.")
    recorded_at = models.DateTimeField()
    received_count = models.PositiveIntegerField()
    accepted_count = models.PositiveIntegerField()
    duplicate_count = models.PositiveIntegerField()
    conflict_count = models.PositiveIntegerField()
    rejected_count = models.PositiveIntegerField()
    warning_count = models.PositiveIntegerField(default=0, db_default=0)
    latest_occurred_at = models.DateTimeField(null=True)
    leaf_version = models.PositiveSmallIntegerField()
    root = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "ingest batches"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    received_count=models.F("accepted_count")
                    + models.F("duplicate_count")
                    + models.F("conflict_count")
                    + models.F("rejected_count")
                ),
                name="activity_ingestbatch_outcomes_add_up",
            ),
            models.CheckConstraint(condition=Q(accepted_count__lte=POSITIONS), name="activity_ingestbatch_fits"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="activity_ingestbatch_origin_known"),
            models.CheckConstraint(
                condition=Q(warning_count__lte=models.F("accepted_count")), name="activity_ingestbatch_warns_of_accepted"
            ),
        ]
        indexes = [
            models.Index(fields=["program", "day"], name="activity_ingestbatch_by_day"),  # what came of some days' events?
            models.Index(  # what came of one token's events? day by day
                fields=["token_id", "day"], condition=Q(token_id__isnull=False), name="activity_ingestbatch_of_token"
            ),
            # how far has this source come? its last entry says so
            models.Index(fields=["source", "latest_occurred_at"], name="activity_ingestbatch_of_source"),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk}"


class EventIdentity(models.Model):
    """
    That an event id was seen: (program, key) is unique for ever, in this one index.

    key: the id's own 16 bytes if it is a UUIDv7 or ULID, else 16 keyed bytes of source and id (`activity.rules.identities`).
    content: 8 keyed bytes of what the event said; tells a duplicate from a conflict; blanked on purge or erasure.
    Messages are recognised here too: of a message, `event_id` is its row id below 0, so that no event can have it.
    """

    pk = models.CompositePrimaryKey("program_id", "key")
    program_id = models.BigIntegerField()
    key = models.BinaryField(max_length=16)
    content = models.BinaryField(max_length=8, null=True)
    event_id = models.BigIntegerField(help_text="The Event it became; below 0 the MemberMessage.")

    class Meta:
        verbose_name_plural = "event identities"
        indexes = [
            # Whether a program has any that were blanked: only then is an id looked up in its other form as well.
            models.Index(fields=["program_id"], condition=Q(content__isnull=True), name="activity_eventidentity_blanked"),
        ]


class Event(models.Model):
    """
    One fact: a member did something with an offer. On screen "Activity history".

    The identity half (member, event_key, source, exact time, transaction_ref, reverses) is blanked by erasure, which keeps
    `identity_hash`; the business half (kind, status, offer, local day, attributes, amounts, medium, position) stays.
    On PostgreSQL partitioned by UTC month of `occurred_at`.
    """

    id = models.BigIntegerField(primary_key=True)
    program = loose_key(Program)
    source = loose_key(EventSource)
    event_key = models.CharField(max_length=200, null=True, help_text="The event id its source gave.")
    member = models.ForeignKey(
        "activity.Member", null=True, on_delete=DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    offer = loose_key(Offer)
    attribute_set = loose_key("activity.AttributeSet")
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    status = models.PositiveSmallIntegerField(choices=Status.choices)
    reason_code = models.CharField(max_length=100, null=True)
    occurred_at = models.DateTimeField()
    local_date = models.DateField(help_text="Program day of `occurred_at`.")
    spend_minor = models.BigIntegerField(null=True)
    spend_currency = models.CharField(max_length=3, null=True)
    reward_cost_minor = models.BigIntegerField(null=True)
    reward_cost_currency = models.CharField(max_length=3, null=True)
    transaction_ref = models.CharField(max_length=200, null=True)
    reverses = models.CharField(max_length=200, null=True, help_text="The event id that this reversal takes back.")
    medium = models.CharField(max_length=100, null=True)
    position = models.PositiveIntegerField(null=True, help_text="Rank at which it was shown.")
    received_at = models.DateTimeField(null=True, help_text="A file's own arrival time; display only.")
    nonce = models.BinaryField(max_length=16)
    identity_hash = models.BinaryField(max_length=32, null=True)

    class Meta:
        verbose_name = "event"
        verbose_name_plural = "activity history"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="activity_event_kind_known"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="activity_event_status_known"),
            models.CheckConstraint(
                condition=Q(spend_minor__isnull=True, spend_currency__isnull=True)
                | Q(spend_minor__gte=0, spend_currency__isnull=False),
                name="activity_event_spend_has_currency",
            ),
            models.CheckConstraint(
                condition=Q(reward_cost_minor__isnull=True, reward_cost_currency__isnull=True)
                | Q(reward_cost_minor__gte=0, reward_cost_currency__isnull=False),
                name="activity_event_reward_cost_has_currency",
            ),
        ]
        indexes = [
            models.Index(fields=["program", "occurred_at"], name="activity_event_by_time"),  # one month of one program
            models.Index(fields=["member", "occurred_at"], name="activity_event_of_member"),  # a member's timeline
        ]

    def __str__(self) -> str:
        return f"Event {self.pk}"


class Seal(models.Model):
    """
    That a batch is part of the sealed ledger: dense numbers per program, given under lock, chained by hash.

    chain = SHA-256(previous chain || number || batch || accepted count || root). Insert-only.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="seals")
    number = models.BigIntegerField()
    batch = models.OneToOneField(IngestBatch, on_delete=models.PROTECT, related_name="seal")
    root = models.BinaryField(max_length=32)
    chain = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "number"], name="activity_seal_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="activity_seal_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"Seal {self.number}"


class LedgerPermit(models.Model):
    """While a row is here, ledger rows may be blanked or removed: made and removed in one audited transaction."""

    reason = models.TextField()
    job_id = models.BigIntegerField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.reason
