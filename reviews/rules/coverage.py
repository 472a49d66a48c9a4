"""Whether every partner that must be reviewed has exactly one outcome. docs/rules/coverage.md."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reviews.choices import CycleState

LIVE = "live"
EVENTS = "events"


@dataclass(frozen=True)
class Outcome:
    """What a cycle says about one partner: one scorecard, and whether it was decided about."""

    partner: str
    is_decided: bool


@dataclass(frozen=True)
class Gap:
    """Something that must be there and is not (or the other way round). partner: "" where it is the whole month."""

    month: str
    partner: str
    problem: str

    def __str__(self) -> str:
        return f"{self.month}: partner {self.partner} {self.problem}" if self.partner else f"{self.month}: {self.problem}"


def find_gaps(month: str, state: str, required: Mapping[str, AbstractSet[str]], outcomes: Iterable[Outcome]) -> list[Gap]:
    """
    What is missing or too much in one cycle, by partner.

    required: partner to the reasons (LIVE, EVENTS) why it must be reviewed, from offer history and ledger.
    Source: docs/rules/coverage.md
    """
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.partner, []).append(outcome)
    gaps = []
    for partner in sorted({*required, *found}):
        cards = found.get(partner, [])
        if not cards:
            why = {LIVE: "had a live offer", EVENTS: "had events"}
            reasons = " and ".join(why[reason] for reason in sorted(required[partner], reverse=True))
            gaps.append(Gap(month, partner, f"{reasons}, and has no scorecard"))
        elif partner not in required:
            gaps.append(Gap(month, partner, "has a scorecard, and had neither a live offer nor an event"))
        elif len(cards) > 1:
            gaps.append(Gap(month, partner, f"has {len(cards)} scorecards"))
        elif state == CycleState.CLOSED and not cards[0].is_decided:
            gaps.append(Gap(month, partner, "was closed without a decision"))
    return gaps
