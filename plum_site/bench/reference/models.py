"""Members, offers and events with the keys and indexes that Django makes by itself."""

from typing import ClassVar

from django.db import models


class ReferenceMember(models.Model):
    """Somebody."""

    class Meta:
        app_label = "reference"


class ReferenceOffer(models.Model):
    """Something on offer."""

    class Meta:
        app_label = "reference"


class ReferenceSet(models.Model):
    """A combination of attributes."""

    class Meta:
        app_label = "reference"


class ReferenceEvent(models.Model):
    """One fact, recognised by its id."""

    event_id = models.UUIDField(unique=True)
    member = models.ForeignKey(ReferenceMember, on_delete=models.PROTECT)
    offer = models.ForeignKey(ReferenceOffer, on_delete=models.PROTECT)
    attribute_set = models.ForeignKey(ReferenceSet, on_delete=models.PROTECT)
    kind = models.PositiveSmallIntegerField()
    status = models.PositiveSmallIntegerField()
    occurred_at = models.DateTimeField()
    spend_minor = models.BigIntegerField(null=True)
    spend_currency = models.CharField(max_length=3, null=True)
    transaction_ref = models.CharField(max_length=200, null=True)
    medium = models.CharField(max_length=100, null=True)
    position = models.PositiveIntegerField(null=True)

    objects: ClassVar[models.Manager["ReferenceEvent"]] = models.Manager()

    class Meta:
        app_label = "reference"


MODELS = (ReferenceMember, ReferenceOffer, ReferenceSet, ReferenceEvent)
