"""What leaves Plum, and where it goes."""

from exports.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = ["WebhookDelivery", "WebhookEndpoint"]
