"""The console's lists and pages of what leaves Plum."""

from exports.admin.deliveries import WebhookDeliveryAdmin
from exports.admin.exports import ExportAdmin
from exports.admin.webhooks import WebhookEndpointAdmin

__all__ = ["ExportAdmin", "WebhookDeliveryAdmin", "WebhookEndpointAdmin"]
