"""
The form of webhook messages: Standard Webhooks 1.0.0 (https://www.standardwebhooks.com).

A receiver checks HMAC-SHA256 over "id.timestamp.body" with its own secret, so it knows who sent it, that nothing was
changed, and that it is not an old message sent again.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

# The pauses of the specification's example: 75.6 hours in all, then the message is given up.
RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
LARGEST_BODY = 20_000
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ASKS_FOR_PATIENCE = frozenset({429, 502, 503, 504})
SECONDS = re.compile(r"[0-9]{1,9}")


def make_message_id(at: datetime, randomness: int) -> str:
    """`msg_` and a ULID: 48 bits of time in milliseconds, 80 random bits. The same over all attempts of a message."""
    number = int(at.timestamp() * 1000) << 80 | randomness & ((1 << 80) - 1)
    return "msg_" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def encode_secret(secret: bytes) -> str:
    """A secret as receivers write it into their settings."""
    return "whsec_" + base64.b64encode(secret).decode("ascii")


def encode_body(type: str, data: Mapping[str, Any], at: datetime) -> str:
    """The message as it is kept, signed and sent: {"type", "timestamp", "data"}, with nothing between the tokens."""
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"type": type, "timestamp": stamp, "data": data}, ensure_ascii=False, separators=(",", ":"))
    if len(body.encode()) > LARGEST_BODY:
        raise ValueError(f"a {type} message of {len(body)} characters: say less, and give an address where more can be read")
    return body


def shown_address(url: str) -> str:
    """An address without its query, where people put keys."""
    return url.partition("?")[0]


def sign(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature: `v1,` and the HMAC-SHA256 over id, time and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode("ascii")


def sign_headers(secret: bytes, message_id: str, body: bytes, at: datetime) -> dict[str, str]:
    """The three headers of an attempt at this instant."""
    timestamp = int(at.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }


def pause_asked_for(status: int, retry_after: str, at: datetime) -> timedelta | None:
    """How long a busy receiver asks to be left alone (Retry-After as seconds or as a date); None where it does not."""
    text = retry_after.strip()
    if status not in ASKS_FOR_PATIENCE or not text:
        return None
    if SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(until - at, timedelta())
