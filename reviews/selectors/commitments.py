"""What was promised in the review before, and what has become of it; and which events arrived late."""

from collections.abc import Sequence
from dataclasses import dataclass

from plum_site.lib.periods import next_month
from reviews.choices import DecisionKind
from reviews.models import Decision, ReviewCycle, Scorecard
from reviews.selectors.cycles import list_scorecards, list_valid_cycles


@dataclass(frozen=True)
class Commitment:
    """One partner that a person decided to act upon or to watch: its scorecard then, and now (None: it has none any more)."""

    decision: Decision
    then: Scorecard
    now: Scorecard | None


@dataclass(frozen=True)
class LateMonth:
    """Events that a review reports as late for one month before it: how many, of how many partners."""

    month: str
    events: int
    partners: int


def list_commitments(cycle: ReviewCycle, cards: Sequence[Scorecard]) -> list[Commitment]:
    """
    What was decided about partners in the month before, by people, to be acted upon or watched.

    cards: those of the cycle, as list_scorecards gives them.

    Shape: Commitments, those to act upon first, then by the partner's name; none where the month before was not reviewed.
    """
    before = list_valid_cycles(cycle.program_id).filter(month_start_date=next_month(cycle.month_start_date, -1)).first()
    if before is None:
        return []
    now = {card.partner_id: card for card in cards}
    kinds = (DecisionKind.ACT, DecisionKind.MONITOR)
    older = list_scorecards(before.pk).filter(decision__kind__in=kinds, decision__is_by_rule=False)
    found = [Commitment(card.decision, card, now.get(card.partner_id)) for card in older]
    return sorted(found, key=lambda one: (one.decision.kind != DecisionKind.ACT, one.then.partner.name, one.then.pk))


def summarise_late(cards: Sequence[Scorecard]) -> list[LateMonth]:
    """
    The late events that the scorecards of a review report, by the month that they belong to.

    Shape: LateMonths, oldest first.
    """
    events: dict[str, list[int]] = {}
    for card in cards:
        for entry in card.evidence.get("late", []):
            events.setdefault(entry["month"], []).append(entry["events"])
    return [LateMonth(month, sum(numbers), len(numbers)) for month, numbers in sorted(events.items())]
