"""What a data gap keeps from being held against a partner. docs/rules/data-gaps.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from reviews.choices import Direction
from reviews.rules.measures import COUNTS, RATES

DATA_GAP = "data_gap"  # why a crossing is no flag


@dataclass(frozen=True)
class DataGapFacts:
    """
    A gap as a review froze it: the source, from when to when (None: it lasted), what it feeds by external id, and which
    counts it is part of.
    """

    source: str
    starts_at: str
    ends_at: str | None
    offers: Sequence[str]
    partners: frozenset[str]
    counts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_json(cls, frozen: Mapping[str, Any]) -> "DataGapFacts":
        """The gap that the configuration of a cycle holds."""
        counts = frozenset(frozen.get("counts", ()))
        return cls(
            frozen["source"], frozen["starts_at"], frozen["ends_at"], frozen["offers"], frozenset(frozen["partners"]), counts
        )

    def as_evidence(self) -> dict[str, Any]:
        """What stands on the scorecards of the partners it feeds."""
        return {"source": self.source, "starts_at": self.starts_at, "ends_at": self.ends_at}


def say_silence(source: str, first: date, last: date | None) -> str:
    """
    A gap in words: the source, its first silent day, and the last one unless it lasts.

    Source: docs/rules/data-gaps.md
    """
    if last is None:
        return f"{source} is silent since {first}"
    return f"{source} was silent on {first}" if last <= first else f"{source} was silent from {first} to {last}"


def list_gaps_of(gaps: Iterable[DataGapFacts], partner: str) -> list[DataGapFacts]:
    """The gaps of the sources that feed a partner's offers."""
    return [gap for gap in gaps if partner in gap.partners]


def blocks(gaps: Iterable[DataGapFacts], metric: str, direction: str) -> bool:
    """
    Whether events that are missing can be why a metric of a partner that these gaps concern crossed a limit.

    A count falls for want of them; a rate falls where only its numerator is missing, and rises where only its divisor is.
    Source: docs/rules/data-gaps.md
    """
    for gap in gaps:
        if metric in COUNTS:
            if direction == Direction.BELOW:
                return True
        elif metric in RATES:
            above, below = RATES[metric].numerator in gap.counts, RATES[metric].denominator in gap.counts
            if above != below and above == (direction == Direction.BELOW):
                return True
    return False
