"""Who is written to and who is held out: decided by a hash of the member, so that it can be worked out again by anybody."""

from decimal import Decimal
from hashlib import sha256

TREATED, HELD_OUT = "treated", "held_out"
STEPS = 2**64


def arm_of(member_key: bytes, salt: str, share: Decimal) -> str:
    """
    The arm of one member: TREATED or HELD_OUT.

    The first 64 bits of SHA-256 over salt, a zero byte and the member's key, as a share of 2^64; held out below `share`.
    The same for ever, in any order, process and database; another salt draws anew.
    Raises: ValueError for a share outside 0 to 1.
    Source: docs/rules/effects.md
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    drawn = int.from_bytes(sha256(salt.encode() + b"\0" + member_key).digest()[:8], "big")
    return HELD_OUT if drawn < int(share * STEPS) else TREATED
