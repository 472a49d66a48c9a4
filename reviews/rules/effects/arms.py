"""Who is written to and who is held out."""

from decimal import Decimal

from plum_site.lib.draws import is_drawn

TREATED, HELD_OUT = "treated", "held_out"


def arm_of(member_key: bytes, salt: str, share: Decimal) -> str:
    """
    The arm of one member: TREATED or HELD_OUT, as `plum_site.lib.draws.is_drawn` draws those held out.

    Raises: ValueError for a share outside 0 to 1.
    Source: docs/rules/effects.md
    """
    return HELD_OUT if is_drawn(member_key, salt, share) else TREATED
