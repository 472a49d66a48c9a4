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

from datetime import date, datetime
from hashlib import sha256

import msgspec

LEAF_VERSION = 1
_encode = msgspec.msgpack.Encoder().encode
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970, exactly, for an instant in UTC."""
    days = instant.toordinal() - EPOCH_ORDINAL
    return ((days * 24 + instant.hour) * 60 + instant.minute) * 60_000_000 + instant.second * 1_000_000 + instant.microsecond


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


def leaf_hash(identity: bytes, business: bytes) -> bytes:
    """The leaf of one event over its two halves."""
    return sha256(b"\x00\x01" + identity + business).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """The RFC 6962 root of the leaves in order. Promoting an odd last node gives the RFC's split at a power of two."""
    if not leaves:
        return sha256(b"").digest()
    level = leaves
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def chain_hash(previous: bytes, number: int, batch_id: int, accepted_count: int, root: bytes) -> bytes:
    """The chain over batches after seal `number`; `previous` is 32 zero bytes before the first."""
    head = b"".join(value.to_bytes(8, "big") for value in (number, batch_id, accepted_count))
    return sha256(previous + head + root).digest()
