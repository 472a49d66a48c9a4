"""
Messages: what an organisation's own messenger says about what it sent to members.

They share the identity of events and are append-only like them, and stand beside the ledger: no leaf, no seal, no rollup
and no metric holds one: docs/adr/0013-messages-beside-the-ledger.md.
"""

from django.db import models
from django.db.models import DO_NOTHING, Q

from activity.choices import MessageKind, Origin
from activity.models.ledger import EventSource, loose_key
from offers.models import Offer
from partners.models import Program


class MessageBatch(models.Model):
    """
    The messages of one source in one ingest transaction, with the outcome of every one that was sent: what an IngestBatch
    is for events, without the proof. Insert-only.
    """

    # Each of the two begins an index below.
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+", db_index=False)
    source = models.ForeignKey(EventSource, on_delete=models.PROTECT, related_name="+", db_index=False)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    token_id = models.BigIntegerField(null=True, help_text="The API token that sent it.")
    day = models.DateField(help_text="Program day of recording.")
    recorded_at = models.DateTimeField()
    received_count = models.PositiveIntegerField()
    accepted_count = models.PositiveIntegerField()
    duplicate_count = models.PositiveIntegerField()
    conflict_count = models.PositiveIntegerField()
    rejected_count = models.PositiveIntegerField()
    latest_occurred_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "message batches"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    received_count=models.F("accepted_count")
                    + models.F("duplicate_count")
                    + models.F("conflict_count")
                    + models.F("rejected_count")
                ),
                name="activity_messagebatch_outcomes_add_up",
            ),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="activity_messagebatch_origin_known"),
        ]
        indexes = [
            models.Index(fields=["program", "day"], name="activity_messagebatch_day"),  # what came of some days' messages?
            models.Index(  # what came of one token's messages? day by day
                fields=["token_id", "day"], condition=Q(token_id__isnull=False), name="activity_messagebatch_token"
            ),
            # how far has this source come?
            models.Index(fields=["source", "latest_occurred_at"], name="activity_messagebatch_source"),
        ]

    def __str__(self) -> str:
        return f"Messages {self.pk}"


class MemberMessage(models.Model):
    """
    One fact about one message to one member: it was sent, delivered, bounced or opened. Made by ingest, never edited;
    erasure takes member and event_key away while a LedgerPermit stands.
    """

    # It begins both indexes below.
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(MessageBatch, on_delete=models.PROTECT, related_name="messages", db_index=False)
    event_key = models.CharField(max_length=200, null=True, help_text="The event id its source gave.")
    member = models.ForeignKey(
        "activity.Member", null=True, on_delete=DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.PositiveSmallIntegerField(choices=MessageKind.choices)
    push_ref = models.CharField(max_length=200, help_text="Which push it belongs to, by the sender's name for it.")
    reason_code = models.CharField(max_length=100, null=True, help_text="Why it bounced.")
    occurred_at = models.DateTimeField()
    local_date = models.DateField(help_text="Program day of `occurred_at`.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=MessageKind.values), name="activity_membermessage_kind_known"),
        ]
        indexes = [
            models.Index(fields=["program", "push_ref"], name="activity_membermessage_of_push"),  # how did one push go?
            models.Index(fields=["program", "local_date"], name="activity_membermessage_by_day"),  # what went out in a month?
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}"


class MessageOffer(models.Model):
    """That a message was about an offer. Made with the message, never edited."""

    # The unique constraint begins with it.
    message = models.ForeignKey(MemberMessage, on_delete=models.PROTECT, related_name="offers", db_index=False)
    offer = loose_key(Offer)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "offer"], name="activity_messageoffer_once")]
        # which messages were about this offer?
        indexes = [models.Index(fields=["offer", "message"], name="activity_messageoffer_of_offer")]

    def __str__(self) -> str:
        return f"Offer {self.offer_id} in message {self.message_id}"
