"""Writing what leaves Plum."""

from exports.services.deliveries import deliver_webhook, hear_announcement, send_test_message
from exports.services.endpoints import (
    UnableToChangeEndpoint,
    add_endpoint,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    remove_endpoint,
)

__all__ = [
    "UnableToChangeEndpoint",
    "add_endpoint",
    "deliver_webhook",
    "disable_endpoint",
    "edit_endpoint",
    "enable_endpoint",
    "hear_announcement",
    "remove_endpoint",
    "send_test_message",
]
