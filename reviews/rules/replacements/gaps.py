"""What nobody offers any more once a partner is replaced: for whom, and in which category."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

EVERYONE = ""


@dataclass(frozen=True)
class Choice:
    """One offer that a group of members can choose now. successor: the category of what follows it; None: nothing does."""

    category: str
    is_old: bool = False
    successor: str | None = None


@dataclass(frozen=True, order=True)
class Gap:
    """A group of members that loses its only offers of a category. group: a segment's code, attribute=value, or EVERYONE."""

    group: str
    category: str

    @property
    def key(self) -> str:
        """How a gap is named where it is accepted; no group has a line break in it."""
        return f"{self.group}\n{self.category}"


def gap_from_key(key: str) -> Gap:
    """
    The gap that a key names.

    Shape: one Gap.
    """
    group, _, category = key.partition("\n")
    return Gap(group, category)


def find_gaps(choices: Mapping[str, Sequence[Choice]]) -> list[Gap]:
    """
    The categories in which a group of members has an offer now and none afterwards.

    choices: group to what its members can choose now.
    Shape: Gaps, by group and category.
    Source: docs/rules/replacement.md
    """
    return sorted(Gap(group, category) for group, own in choices.items() for category in _lost(own))


def _lost(choices: Iterable[Choice]) -> set[str]:
    found = list(choices)
    kept = {choice.category for choice in found if not choice.is_old}
    followed = {choice.successor for choice in found if choice.is_old and choice.successor is not None}
    return {choice.category for choice in found} - kept - followed
