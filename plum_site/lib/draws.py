"""Drawing members by chance: decided by a hash of the member, so that it can be worked out again by anybody."""

from decimal import Decimal
from hashlib import sha256

STEPS = 2**64


def is_drawn(member_key: bytes, salt: str, share: Decimal) -> bool:
    """
    Whether a member is among a share of all members.

    The first 64 bits of SHA-256 over salt, a zero byte and the member's key, as a share of 2^64; drawn below `share`. The
    same for ever, in any order, process and database. Another salt draws anew; a larger share of one salt takes in a smaller.
    Raises: ValueError for a share outside 0 to 1.
    Source: docs/rules/effects.md
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    return int.from_bytes(sha256(salt.encode() + b"\0" + member_key).digest()[:8], "big") < int(share * STEPS)
