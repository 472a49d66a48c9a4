"""Leaves, roots and chains: fixed, so that a ledger of today is provable tomorrow."""

import uuid
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.rules import (
    IncomingEvent,
    business_half,
    chain_hash,
    content_digest,
    identity_half,
    identity_keys,
    leaf_hash,
    tree_root,
)
from activity.rules.leaves import microseconds

NONCE = bytes(range(16))
WHEN = datetime(2026, 7, 1, 10, 0, 0, 250_001, tzinfo=UTC)


def rfc6962(leaves: list[bytes]) -> bytes:
    """The recursion as the RFC writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + rfc6962(leaves[:split]) + rfc6962(leaves[split:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_the_root_is_that_of_rfc_6962(leaves):
    assert tree_root(leaves) == rfc6962(leaves)


def test_the_halves_are_what_the_format_says():
    identity = identity_half(NONCE, b"m" * 16, "e-1", "file", WHEN, "T1", None)
    assert (
        identity
        == sha256(b"\x02" + NONCE + msgspec.msgpack.encode([1, b"m" * 16, "e-1", "file", 1782900000250001, "T1", None])).digest()
    )
    business = business_half(NONCE, 5, 1, None, "O1", "2026-07-01", '{"region":"north"}', 1250, "EUR", None, None, "app", 3)
    assert (
        business
        == sha256(
            b"\x03"
            + NONCE
            + msgspec.msgpack.encode([1, 5, 1, None, "O1", "2026-07-01", '{"region":"north"}', 1250, "EUR", None, None, "app", 3])
        ).digest()
    )
    assert leaf_hash(identity, business) == sha256(b"\x00\x01" + identity + business).digest()


def test_the_chain_covers_number_batch_count_and_root():
    first = chain_hash(bytes(32), 1, 7, 3, b"r" * 32)
    assert (
        first == sha256(bytes(32) + (1).to_bytes(8, "big") + (7).to_bytes(8, "big") + (3).to_bytes(8, "big") + b"r" * 32).digest()
    )
    assert len({first, *(chain_hash(bytes(32), *changed, b"r" * 32) for changed in [(2, 7, 3), (1, 8, 3), (1, 7, 4)])}) == 4


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_microseconds_are_exact(instant):
    whole = int(instant.replace(microsecond=0).timestamp()) * 1_000_000
    assert microseconds(instant) == whole + instant.microsecond


def test_a_uuid7_and_a_ulid_are_their_own_key():
    uuid7 = "0192f1c2-7b1e-7c3a-8000-0123456789ab"
    key, hashed = identity_keys(b"k" * 32, "web", uuid7)
    assert key == uuid.UUID(uuid7).bytes
    assert hashed != key
    assert identity_keys(b"k" * 32, "web", "01ARZ3NDEKTSV4RRFFQ69G5FAV")[0] == bytes.fromhex("01563e3ab5d3d6764c61efb99302bd5b")


@pytest.mark.parametrize(
    "event_id",
    [
        "E1",
        "0192f1c2-7b1e-4c3a-8000-0123456789ab",
        "01arz3ndektsv4rrffq69g5fav",
        "8" * 26,
        "7" * 36,
        "0189-0a5dac96-774bbcce-b302099a805777",
    ],
)
def test_any_other_id_is_hashed_with_its_source(event_id):
    key, hashed = identity_keys(b"k" * 32, "web", event_id)
    assert key == hashed
    assert len(key) == 16
    assert identity_keys(b"k" * 32, "shop", event_id)[0] != key
    assert identity_keys(b"l" * 32, "web", event_id)[0] != key


EVENT = IncomingEvent(
    event_id="e-1", source="file", occurred_at=WHEN, kind=5, status=1, member="m", offer="o", spend_minor=1, spend_currency="EUR"
)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 4},
        {"status": 2},
        {"reason_code": "late"},
        {"member": "n"},
        {"offer": "p"},
        {"occurred_at": WHEN.replace(microsecond=0)},
        {"spend_minor": 2},
        {"spend_currency": "USD"},
        {"reward_cost_minor": 1, "reward_cost_currency": "EUR"},
        {"transaction_ref": "T"},
        {"medium": "app"},
        {"position": 1},
        {"reverses": "e-0"},
    ],
)
def test_whatever_an_event_says_is_in_its_content(change):
    assert content_digest(b"k" * 32, msgspec.structs.replace(EVENT, **change)) != content_digest(b"k" * 32, EVENT)


def test_content_is_neither_identity_nor_arrival():
    other = msgspec.structs.replace(EVENT, event_id="e-2", source="shop", received_at=WHEN)
    assert content_digest(b"k" * 32, other) == content_digest(b"k" * 32, EVENT)
