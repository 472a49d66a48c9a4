"""Whether it is said for every offer of the old partner what follows it, and only offers that can follow."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from plum_site.lib.errors import InvalidInput


@dataclass(frozen=True)
class Pair:
    """Which offer follows which, by external id. new None: nothing follows; old None: it goes live beside."""

    old: str | None
    new: str | None


def check_mapping(pairs: Sequence[Pair], olds: Collection[str], news: Collection[str]) -> None:
    """
    Refuse a mapping that leaves an old offer open, names one twice, or names an offer that is not the partner's.

    olds: the offers that are replaced. news: the offers of the successor.

    Raises: InvalidInput - invalid_mapping, with a sentence for each offer at fault.
    Source: docs/rules/replacement.md
    """
    fields: dict[str, str] = {}
    seen: set[str] = set()
    for pair in pairs:
        if pair.old is None and pair.new is None:
            fields["offers"] = "A line names an old offer, a new one, or both."
        if pair.old is not None and pair.old in seen:
            fields[pair.old] = "This offer is mapped twice."
        if pair.old is not None and pair.old not in olds:
            fields[pair.old] = "This offer is not one of those that are replaced."
        if pair.new is not None and pair.new not in news:
            fields[pair.new] = "This offer is not the successor's, or it was retired."
        seen.add(pair.old or "")
    for old in sorted(set(olds) - seen):
        fields.setdefault(old, "Say which offer follows this one, or that none does.")
    if fields:
        raise InvalidInput("invalid_mapping", "The mapping was not saved: nothing was changed.", fields)
