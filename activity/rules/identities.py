"""How an event is recognised again: by (program, source, event id), for ever, and by what it said."""

import hmac
import uuid

import msgspec

from activity.rules.events import IncomingEvent
from activity.rules.leaves import microseconds

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CROCKFORD_VALUES = {character: value for value, character in enumerate(CROCKFORD)}
_encode = msgspec.msgpack.Encoder().encode


def identity_keys(program_key: bytes, source: str, event_id: str) -> tuple[bytes, bytes]:
    """
    The key under which an event id is kept, and the other form it may have, 16 bytes each.

    The key is the id's own 16 bytes if it is a UUIDv7 or a ULID, which keeps the index in time order; the other
    form, which erasure leaves behind, is the first 16 bytes of HMAC-SHA256(program key, source, id). For any other id both are
    that HMAC.
    """
    hashed = hmac.digest(program_key, _encode((source, event_id)), "sha256")[:16]
    return _own_bytes(event_id) or hashed, hashed


def _own_bytes(event_id: str) -> bytes | None:
    if len(event_id) == 36 and event_id[14] == "7":
        try:
            parsed = uuid.UUID(event_id)
        except ValueError:
            return None
        return parsed.bytes if str(parsed) == event_id.lower() else None
    if len(event_id) == 26 and event_id[0] in "01234567":
        number = 0
        for character in event_id:
            value = CROCKFORD_VALUES.get(character)
            if value is None:
                return None
            number = number << 5 | value
        return number.to_bytes(16, "big")
    return None


def content_digest(content_key: bytes, event: IncomingEvent) -> bytes:
    """8 bytes of HMAC over what an event says: equal for a duplicate, different for a conflict."""
    said = (
        event.kind,
        event.status,
        event.reason_code,
        event.member,
        event.offer,
        microseconds(event.occurred_at),
        event.spend_minor,
        event.spend_currency,
        event.reward_cost_minor,
        event.reward_cost_currency,
        event.transaction_ref,
        event.medium,
        event.position,
        event.reverses,
    )
    return hmac.digest(content_key, _encode(said), "sha256")[:8]
