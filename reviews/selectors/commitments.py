"""What was promised in the review before, and what has become of it; and which events arrived late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q

from plum_site.lib.periods import local_date, next_month
from reviews.choices import DecisionKind
from reviews.models import CorrectiveAction, Decision, ReviewCycle, Scorecard
from reviews.selectors.actions import list_actions
from reviews.selectors.cycles import list_scorecards, list_valid_cycles

# What becomes of an action; what asks for somebody first.
OUTCOMES = ("failed", "overdue", "undone", "done_late", "done", "reverted", "rejected", "cancelled")
ENDS = {"fail": "failed", "revert": "reverted", "reject": "rejected", "cancel": "cancelled"}


@dataclass(frozen=True)
class Commitment:
    """One partner that a person decided to act upon or to watch: its scorecard then, and now (None: it has none any more)."""

    decision: Decision
    then: Scorecard
    now: Scorecard | None


@dataclass(frozen=True)
class ActionCommitment:
    """
    One corrective action of the cycle before. outcome: what its log says became of it, one of OUTCOMES. done_at: when it was
    carried out, None where it was not. said: the comment of the step that ended it.
    """

    action: CorrectiveAction
    outcome: str
    done_at: datetime | None
    said: str = ""


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


def list_action_commitments(cycle: ReviewCycle, at: datetime) -> list[ActionCommitment]:
    """
    The corrective actions of the cycle before: those that answer its review or its flags, and those that people proposed for
    neither while the month of this cycle ran; with what the log, and nothing else, says became of them.

    Shape: ActionCommitments, what is not done first, in these by due date, then by row id.
    """
    before = next_month(cycle.month_start_date, -1)
    of_flag = Q(cycle__isnull=True, case__newest_month_date=before)
    for_neither = Q(cycle__isnull=True, case__isnull=True, proposed_at__gte=cycle.starts_at, proposed_at__lt=cycle.ends_at)
    actions = list_actions(cycle.program_id).filter(Q(cycle__month_start_date=before) | of_flag | for_neither)
    today = local_date(at, cycle.program.time_zone)
    found = [_follow(action, cycle.program.time_zone, today) for action in actions.prefetch_related("transitions")]
    return sorted(found, key=lambda one: (OUTCOMES.index(one.outcome), one.action.due_date or date.max, one.action.pk))


def _follow(action: CorrectiveAction, time_zone: str, today: date) -> ActionCommitment:
    """What became of one action by its log."""
    log = list(action.transitions.all())
    done = next((entry.at for entry in log if entry.name == "finish"), None)
    last = log[-1] if log else None
    if last is not None and last.name in ENDS:
        return ActionCommitment(action, ENDS[last.name], done, last.comment)
    due = action.due_date
    if done is not None:
        is_late = due is not None and local_date(done, time_zone) > due
        return ActionCommitment(action, "done_late" if is_late else "done", done)
    return ActionCommitment(action, "overdue" if due is not None and due < today else "undone", None)


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
