"""What nobody offers any more once a partner is replaced has to be accepted, gap by gap, by somebody who saw it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from plum_site.lib.errors import InvalidInput
from reviews.models import Replacement
from reviews.rules.replacements import Gap, Pair, gap_from_key
from reviews.selectors.replacements import find_gaps_left


def accept_gaps(replacement: Replacement, pairs: Sequence[Pair], accepted: Collection[str], at: datetime) -> list[str]:
    """
    The keys of the gaps that the pairs leave, all of which were accepted.

    Raises: InvalidInput - gaps_not_accepted, which lists those that were not.
    Writes: nothing.
    Source: docs/rules/replacement.md
    """
    gaps = find_gaps_left(replacement, pairs, at)
    missing = [gap for gap in gaps if gap.key not in accepted]
    if missing:
        listed = "; ".join(map(say_gap, missing))
        sentence = f"Nobody would offer this any more: {listed}. Nothing was changed. Accept these gaps, or map other offers."
        raise InvalidInput("gaps_not_accepted", sentence, {"gaps": listed})
    return [gap.key for gap in gaps]


def check_gaps(replacement: Replacement, pairs: Sequence[Pair], at: datetime) -> None:
    """
    Refuse to go on where the catalog has changed so that there are gaps which nobody has accepted.

    Raises: InvalidInput - gaps_not_accepted.
    Writes: nothing.
    """
    accept_gaps(replacement, pairs, replacement.accepted_gaps, at)


def say_gap(gap: Gap | str) -> str:
    """
    A gap, or its key, in words.

    Raises: nothing.
    Writes: nothing.
    """
    found = gap_from_key(gap) if isinstance(gap, str) else gap
    return f"{found.category or 'no category'} for {found.group or 'everyone'}"
