"""What leaves Plum, and where it goes."""

from exports.models.exports import Export, ExportDownload
from exports.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Export",
    "ExportDownload",
    "WebhookDelivery",
    "WebhookEndpoint",
]
