"""The answers of the exports API."""

from typing import Any

from rest_framework import serializers

from exports.choices import EndpointState
from exports.models import WebhookEndpoint
from exports.rules import shown_address
from plum_site.lib.choices import AttemptStatus, OutboxState


class WebhookOutput(serializers.Serializer):
    """One webhook, without its secret."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    url = serializers.SerializerMethodField(help_text="The address without its query.")
    types = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=EndpointState.choices)
    reason = serializers.CharField(help_text="Why it is disabled; empty while it is active.")
    first_failed_at = serializers.DateTimeField(allow_null=True, help_text="Since when every attempt has failed.")

    def get_url(self, endpoint: WebhookEndpoint) -> str:
        """Keys that stand in the query stay in the console."""
        return shown_address(endpoint.url)


class DeliveryOutput(serializers.Serializer):
    """One message to a webhook, and how its last attempt went."""

    id = serializers.CharField(source="message.message_id", help_text="The webhook-id that the receiver saw.")
    type = serializers.CharField()
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=OutboxState.choices, source="message.state")
    attempts = serializers.IntegerField(source="message.attempts")
    next_attempt_at = serializers.SerializerMethodField(help_text="When it is tried next; null once it has ended.")
    last_attempt_at = serializers.DateTimeField(source="last_at", allow_null=True)
    last_status = serializers.ChoiceField(choices=AttemptStatus.choices, allow_null=True)
    last_answer = serializers.CharField(source="last_detail", allow_null=True, help_text="4,000 characters at most, for 30 days.")
    last_milliseconds = serializers.IntegerField(allow_null=True)

    def get_next_attempt_at(self, delivery: Any) -> str | None:
        """The due instant of a message that waits."""
        if delivery.message.state != OutboxState.WAITING:
            return None
        return serializers.DateTimeField().to_representation(delivery.message.due_at)
