"""
How the ledger is hashed. Format version 1, for anyone who wants to check a ledger with a program of their own:

identity half  SHA-256(0x02, nonce, MessagePack[1, member key, event id, source, occurred_at in µs, transaction_ref, reverses])
business half  SHA-256(0x03, nonce, MessagePack[1, kind, status, reason_code, offer, local day, attributes,
               spend minor, spend currency, reward cost minor, reward cost currency, medium, position])
leaf           SHA-256(0x00, 0x01, identity half, business half)
root           RFC 6962: inner nodes SHA-256(0x01, left, right); SHA-256 of nothing for an empty batch
chain          SHA-256(previous chain or 32 zero bytes, number, batch, accepted count as 8-byte big-endian integers, root)

The halves are blinded by the event's random nonce. Offers and attributes go in by external id and value, so
that the proof does not depend on row ids; attributes are the canonical JSON of the attribute set.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

LEAF_VERSION = 1
_encode = msgspec.msgpack.Encoder().encode
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970, exactly, for an aware instant."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def identity_half(
    nonce: bytes,
    member_key: bytes,
    event_key: str,
    source: str,
    occurred_at: datetime,
    transaction_ref: str | None,
    reverses: str | None,
) -> bytes:
    """The 32-byte commitment to who and exactly when; kept when erasure blanks those fields."""
    said = (LEAF_VERSION, member_key, event_key, source, microseconds(occurred_at), transaction_ref, reverses)
    return sha256(b"\x02" + nonce + _encode(said)).digest()


def business_half(
    nonce: bytes,
    kind: int,
    status: int,
    reason_code: str | None,
    offer: str,
    local_day: str,
    attributes: str,
    spend_minor: int | None,
    spend_currency: str | None,
    reward_cost_minor: int | None,
    reward_cost_currency: str | None,
    medium: str | None,
    position: int | None,
) -> bytes:
    """The 32-byte commitment to what happened and what it cost; never blanked before purge."""
    said = (
        LEAF_VERSION,
        kind,
        status,
        reason_code,
        offer,
        local_day,
        attributes,
        spend_minor,
        spend_currency,
        reward_cost_minor,
        reward_cost_currency,
        medium,
        position,
    )
    return sha256(b"\x03" + nonce + _encode(said)).digest()


def hash_event(nonce: bytes, identity: tuple[Any, ...], business: tuple[Any, ...]) -> bytes:
    """
    The leaf of one event from what both halves say, each in the order of the format above, from the version on.

    The same as `leaf_hash(identity_half(...), business_half(...))`, in one call: this is done for every event that comes in.
    """
    first = sha256(b"\x02" + nonce + _encode(identity)).digest()
    return sha256(b"\x00\x01" + first + sha256(b"\x03" + nonce + _encode(business)).digest()).digest()


def leaf_hash(identity: bytes, business: bytes) -> bytes:
    """The leaf of one event over its two halves."""
    return sha256(b"\x00\x01" + identity + business).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """The RFC 6962 root of the leaves in order. Promoting an odd last node gives the RFC's split at a power of two."""
    if not leaves:
        return sha256(b"").digest()
    level = leaves
    while len(level) > 1:
        nodes = iter(level)
        paired = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes, nodes, strict=False)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def chain_hash(previous: bytes, number: int, batch_id: int, accepted_count: int, root: bytes) -> bytes:
    """The chain over batches after seal `number`; `previous` is 32 zero bytes before the first."""
    head = b"".join(value.to_bytes(8, "big") for value in (number, batch_id, accepted_count))
    return sha256(previous + head + root).digest()
