"""Events of people whom a program does not know yet, kept until they arrive."""

from django.db import models
from django.db.models import F, Q

from activity.choices import Noun, Origin
from activity.models.ledger import EventSource
from partners.models import Program


class QuarantinedEvent(models.Model):
    """
    An event, or a message, of a person whom the program does not know, until that person arrives or 30 days are over.

    Made by ingest when it rejects the event as `unknown_member`; gone in the transaction that records the event, or when
    it expires or somebody discards it. Of the person there is only the look-up that the vault will have; what the event
    said is sealed under a key of the program. refusal_code: why a replay did not take it, though the person is there.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+", db_index=False)
    source = models.ForeignKey(EventSource, on_delete=models.PROTECT, related_name="+")
    noun = models.CharField(max_length=10, choices=Noun.choices, default=Noun.EVENT)
    key = models.BinaryField(max_length=16, help_text="As in EventIdentity.")
    content = models.BinaryField(max_length=8, help_text="As in EventIdentity: whether the same id came with other content.")
    lookup = models.BinaryField(max_length=32, help_text="As in VaultEntry: the HMAC of the person's outside id.")
    sealed = models.BinaryField(help_text="What the event said.")
    origin = models.CharField(max_length=10, choices=Origin.choices)
    token_id = models.BigIntegerField(null=True, help_text="The API token that sent it.")
    kept_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    refusal_code = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "key"], name="activity_quarantinedevent_once"),
            models.CheckConstraint(condition=Q(noun__in=Noun.values), name="activity_quarantinedevent_noun_known"),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="activity_quarantinedevent_origin_known"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("kept_at")), name="activity_quarantinedevent_expires_later"),
            models.CheckConstraint(
                condition=Q(refusal_code="") | Q(tried_at__isnull=False), name="activity_quarantinedevent_refused_when_tried"
            ),
        ]
        indexes = [
            models.Index(fields=["program", "lookup"], name="activity_quarantinedevent_who"),  # whose person has arrived?
            models.Index(fields=["expires_at"], name="activity_quarantinedevent_old"),  # what must go?
            # how much waits, since when? answered from the index alone, because home asks it and the rows are long
            models.Index(fields=["program", "refusal_code", "kept_at", "expires_at"], name="activity_quarantinedevent_told"),
        ]

    def __str__(self) -> str:
        return f"Quarantined {self.noun} {self.pk}"
