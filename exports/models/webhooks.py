"""Webhooks: addresses that are told what happens in a program, and what was sent to them."""

import uuid

from django.db import models
from django.db.models import Q

from exports.choices import EndpointState
from partners.models import Program
from plum_site.lib.models import Outbox


class WebhookEndpoint(models.Model):
    """
    One address that gets a signed message for each announcement of the types it chose.

    Made by a program admin. `secret_sealed` is the signing secret under the program's key; it is shown once, when the
    endpoint is made, and wiped when it is removed. `reason` says why it is disabled. `first_failed_at` is since when
    every attempt has failed; empty after one that succeeded. Removed endpoints stay, for what was sent to them.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="webhook_endpoints")
    name = models.CharField(max_length=100)
    url = models.CharField("address", max_length=500)
    types = models.JSONField(help_text="List of announcement types.")
    secret_sealed = models.BinaryField(max_length=100)
    state = models.CharField(max_length=10, choices=EndpointState.choices, default=EndpointState.ACTIVE)
    reason = models.CharField("why it is disabled", max_length=300, blank=True)
    first_failed_at = models.DateTimeField("failing since", null=True, blank=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=200)

    class Meta:
        verbose_name = "webhook"
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=EndpointState.values), name="exports_webhookendpoint_state_known"),
            models.CheckConstraint(
                condition=~Q(state=EndpointState.DISABLED) | ~Q(reason=""), name="exports_webhookendpoint_disabled_has_reason"
            ),
            models.UniqueConstraint(
                fields=["program", "url"], condition=~Q(state=EndpointState.REMOVED), name="exports_webhookendpoint_url_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """
    One message to one endpoint: which announcement it tells, and the outgoing message that carries it.

    Made in the transaction of the announcement; how the delivery goes stands in the outgoing message and its attempts.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, verbose_name="webhook", on_delete=models.PROTECT, related_name="deliveries")
    message = models.OneToOneField(Outbox, on_delete=models.PROTECT, related_name="webhook_delivery")
    type = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "webhook message"
        ordering = ["-id"]
        indexes = [models.Index(fields=["endpoint", "-id"], name="exports_delivery_newest")]  # the log of one endpoint

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint}"
