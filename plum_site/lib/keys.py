"""
Secrets and what is made with them. The master key lies outside the database, 0600, under `var/keys/`.

Each program has keys of its own, derived from the master key and the program's uuid, so nothing computed
in one program can be matched with another.
"""

import hashlib
import hmac
import os
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings


@lru_cache(maxsize=1)
def master_key() -> bytes:
    """The 32-byte key that everything here is derived from: `PLUM_MASTER_KEY`, else `var/keys/master.key`."""
    return bytes.fromhex(settings.MASTER_KEY)


@lru_cache(maxsize=1024)
def derive(purpose: str, context: bytes = b"") -> bytes:
    """32 bytes for one purpose: HMAC-SHA256 of the master key over the purpose and its context."""
    return hmac.digest(master_key(), purpose.encode() + b"\x00" + context, "sha256")


def program_key(program_uuid: UUID, purpose: str) -> bytes:
    """The 32-byte key of one program for one purpose: "identity", "content", "lookup", "vault", "webhooks"."""
    return derive(f"program:{purpose}", program_uuid.bytes)


def signing_key() -> Ed25519PrivateKey:
    """The Ed25519 key that signs ledger heads."""
    return Ed25519PrivateKey.from_private_bytes(derive("ledger-heads"))


def digest(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 over length-prefixed parts, 32 bytes: no two lists of parts give the same bytes."""
    message = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
    return hmac.digest(key, message, "sha256")


def seal(key: bytes, plain: bytes) -> bytes:
    """AES-256-GCM: a random 12-byte nonce, then ciphertext and tag."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plain, None)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """The plain bytes of `seal`; cryptography's InvalidTag if key or bytes are wrong."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], None)


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of the parts put together."""
    return hashlib.sha256(b"".join(parts)).digest()
