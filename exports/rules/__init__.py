"""What exports and webhooks look like, without a database."""

from exports.rules.webhooks import (
    RETRY_DELAYS,
    encode_body,
    encode_secret,
    make_message_id,
    pause_asked_for,
    shown_address,
    sign,
    sign_headers,
)

__all__ = [
    "RETRY_DELAYS",
    "encode_body",
    "encode_secret",
    "make_message_id",
    "pause_asked_for",
    "shown_address",
    "sign",
    "sign_headers",
]
