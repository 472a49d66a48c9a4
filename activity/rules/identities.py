"""
How an event is recognised again: by (program, source, event id), for ever, and by what it said.

Both are keyed hashes, so that nobody who reads the table can try out ids or contents: BLAKE2b with the program's own key
(RFC 7693), which takes a quarter of the time of an HMAC (docs/adr/0012-the-ingest-path.md).
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

import msgspec

from activity.rules.events import IncomingEvent
from activity.rules.leaves import microseconds

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CROCKFORD_VALUES = {character: value for value, character in enumerate(CROCKFORD)}
_encode = msgspec.msgpack.Encoder().encode


def identity_keys(program_key: bytes, source: str, event_id: str) -> tuple[bytes, bytes]:
    """
    The key under which an event id is kept, and the other form it may have, 16 bytes each.

    The key is the id's own 16 bytes if it is a UUIDv7 or a ULID, which keeps the index in time order; the other form, which
    erasure leaves behind, is `hashed_key`. For any other id both are that.
    """
    hashed = hashed_key(program_key, source, event_id)
    return own_bytes(event_id) or hashed, hashed


def hashed_key(program_key: bytes, source: str, event_id: str) -> bytes:
    """16 bytes of BLAKE2b over source and id, under the program's key."""
    return blake2b(_encode((source, event_id)), key=program_key, digest_size=16).digest()


def own_bytes(event_id: str) -> bytes | None:
    """The 16 bytes that a UUIDv7 or a ULID stands for; None for any other id."""
    if len(event_id) == 36 and event_id[14] == "7":
        if not (event_id[8] == event_id[13] == event_id[18] == event_id[23] == "-"):
            return None
        try:
            own = bytes.fromhex(event_id.replace("-", ""))
        except ValueError:
            return None
        return own if len(own) == 16 else None  # fromhex skips spaces
    if len(event_id) == 26 and event_id[0] in "01234567":
        number = 0
        for character in event_id:
            value = CROCKFORD_VALUES.get(character)
            if value is None:
                return None
            number = number << 5 | value
        return number.to_bytes(16, "big")
    return None


@lru_cache(maxsize=256)
def content_digester(content_key: bytes) -> Callable[[IncomingEvent, int], bytes]:
    """A function (event, its instant in microseconds) -> 8 bytes of BLAKE2b over what the event says, under the program's key."""
    keyed = blake2b(key=content_key, digest_size=8)

    def digest(event: IncomingEvent, at: int) -> bytes:
        hasher = keyed.copy()
        hasher.update(
            _encode(
                (
                    event.kind,
                    event.status,
                    event.reason_code,
                    event.member,
                    event.offer,
                    at,
                    event.spend_minor,
                    event.spend_currency,
                    event.reward_cost_minor,
                    event.reward_cost_currency,
                    event.transaction_ref,
                    event.medium,
                    event.position,
                    event.reverses,
                )
            )
        )
        return hasher.digest()

    return digest


def content_digest(content_key: bytes, event: IncomingEvent) -> bytes:
    """8 keyed bytes over what an event says: equal for a duplicate, different for a conflict."""
    return content_digester(content_key)(event, microseconds(event.occurred_at))
