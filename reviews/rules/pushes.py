"""The words of a promotional push, and who of an audience gets it. Pure: docs/rules/pushes.md."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from plum_site.lib.errors import InvalidInput
from reviews.rules.effects import HELD_OUT, arm_of

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("title", "program")
MAIL, WEBHOOK = "mail", "webhook"


class Candidate(NamedTuple):
    """One active member of the segment. is_open: whether every offer of the push is open to them."""

    id: int
    key: bytes
    is_open: bool
    has_opted_out: bool
    is_recent: bool
    is_known: bool
    has_address: bool


@dataclass(frozen=True)
class Audience:
    """
    Who of a segment gets a push. Everybody stands in exactly one of the numbers, under the first reason that holds, in the
    order in which they are listed here; `in_segment` is the sum of all.

    chosen: member row id to channel; held_out: as they would have been written to.
    """

    in_segment: int
    not_in_audience: int
    opted_out: int
    recently: int
    no_address: int
    held_out: Mapping[int, str]
    chosen: Mapping[int, str]

    def as_json(self) -> dict[str, int]:
        """The numbers, as they are kept with the action."""
        return {
            "in_segment": self.in_segment,
            "not_in_audience": self.not_in_audience,
            "opted_out": self.opted_out,
            "recently": self.recently,
            "no_address": self.no_address,
            "held_out": len(self.held_out),
            "to_be_sent": len(self.chosen),
        }


def choose_audience(candidates: Iterable[Candidate], channels: Collection[str], salt: str, share: Decimal) -> Audience:
    """
    Sort the members of a segment into those who get a push and those who do not, by the first reason that holds.

    With both channels a mail goes to those who have an address and the webhook names the others: nobody gets it twice.
    Source: docs/rules/pushes.md
    """
    total, left_out = 0, dict.fromkeys(("not_in_audience", "opted_out", "recently", "no_address"), 0)
    held_out: dict[int, str] = {}
    chosen: dict[int, str] = {}
    for one in candidates:
        total += 1
        channel = _channel_for(one, channels)
        if not one.is_open:
            left_out["not_in_audience"] += 1
        elif one.has_opted_out:
            left_out["opted_out"] += 1
        elif one.is_recent:
            left_out["recently"] += 1
        elif not channel:
            left_out["no_address"] += 1
        elif arm_of(one.key, salt, share) == HELD_OUT:
            held_out[one.id] = channel
        else:
            chosen[one.id] = channel
    return Audience(in_segment=total, held_out=held_out, chosen=chosen, **left_out)


def check_words(text: str) -> None:
    """
    Refuse words with a placeholder that nobody fills.

    Raises: InvalidInput - unknown_placeholder.
    Source: docs/rules/pushes.md
    """
    unknown = [name for name in PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        known = " and ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise InvalidInput("unknown_placeholder", f"Nobody knows what {{{unknown[0]}}} stands for. There are {known}.")


def fill_words(text: str, titles: Sequence[str], program: str) -> str:
    """
    Words with their placeholders filled: {title} with the titles of the offers, {program} with the name of the program.

    What is filled in is not looked at again. Shape: text.
    """
    *first, last = titles
    said = f"{', '.join(first)} and {last}" if first else last
    return PLACEHOLDER.sub(lambda found: {"title": said, "program": program}.get(found[1], found[0]), text)


def _channel_for(one: Candidate, channels: Collection[str]) -> str:
    if MAIL in channels and one.is_known and one.has_address:
        return MAIL
    return WEBHOOK if WEBHOOK in channels and one.is_known else ""
