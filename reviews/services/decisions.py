"""Deciding about partners: singly, in bulk, by standing, and by rule for those that need nobody."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User
from reviews.choices import CycleState, DecisionKind, Standing
from reviews.models import Decision, ReviewCycle, Scorecard
from reviews.workflow import DECISIONS

BY_STANDING = {
    Standing.EXCELLENT: DecisionKind.PASS,
    Standing.ON_TRACK: DecisionKind.PASS,
    Standing.INSUFFICIENT_DATA: DecisionKind.EXEMPT,
    Standing.NO_ACTIVITY: DecisionKind.EXEMPT,
    Standing.INCOMPLETE: DecisionKind.MONITOR,
}
REASONS = {
    DecisionKind.PASS: "No flag and a passing standing.",
    DecisionKind.EXEMPT: "No flag and too little activity to be judged.",
    DecisionKind.MONITOR: "No flag, but events are missing: a source was silent.",
}


DECIDED_IN = frozenset().union(*(step.sources for step in DECISIONS.values()))  # the states of a cycle


class UnableToDecide(DomainError):
    """The review is closed, its month still runs, or it is not frozen yet: there is nothing to decide."""


@transaction.atomic
def decide(*, scorecard_id: int, kind: str, actor: User | str, at: datetime, comment: str = "") -> Decision:
    """
    Decide about one partner; a decision that was made before is replaced. The same one again changes nothing.

    Raises: NotFound; InvalidInput - unknown_decision, comment_required (to exempt someone needs a reason);
    UnableToDecide - cycle_closed, month_running, not_frozen.
    Writes: reviews_decision, plum_auditevent; locks the cycle.
    """
    card = Scorecard.objects.filter(pk=scorecard_id).first()
    if card is None:
        raise NotFound("scorecard", scorecard_id)
    return _decide_all(card.cycle_id, {card.pk: kind}, actor, at, comment)[0]


@transaction.atomic
def decide_in_bulk(
    *, cycle_id: int, scorecard_ids: Sequence[int], kind: str, actor: User | str, at: datetime, comment: str = ""
) -> list[Decision]:
    """
    The same decision about several partners of one cycle: all of them, or none.

    Raises: as decide.
    Writes: reviews_decision, and plum_auditevent for each; locks the cycle.
    """
    return _decide_all(cycle_id, dict.fromkeys(scorecard_ids, kind), actor, at, comment)


@transaction.atomic
def decide_by_standing(*, cycle_id: int, actor: User | str, at: datetime) -> list[Decision]:
    """
    Decide about everybody that is still undecided by standing alone: excellent and on track pass, those without
    (enough) data are exempt, the others are monitored.

    Raises: UnableToDecide - cycle_closed, month_running, not_frozen.
    Writes: reviews_decision, and plum_auditevent for each; locks the cycle.
    """
    # Locked before it is asked who is undecided: a person may be deciding just now.
    ReviewCycle.objects.select_for_update(of=("self",)).filter(pk=cycle_id).first()
    cards = Scorecard.objects.filter(cycle_id=cycle_id, decision__isnull=True)
    kinds: dict[int, str] = {
        pk: BY_STANDING.get(Standing(standing), DecisionKind.MONITOR) for pk, standing in cards.values_list("id", "standing")
    }
    return _decide_all(cycle_id, kinds, actor, at, "Decided by standing.")


@transaction.atomic
def withdraw_decisions(
    *, cycle_id: int, scorecard_ids: Sequence[int], actor: User | str, at: datetime, comment: str = ""
) -> list[Scorecard]:
    """
    Take back what people decided about some partners; those that need nobody are decided by rule again, the others wait.

    Decisions by rule stay as they are. Returns the scorecards whose decision was taken back.

    Raises: NotFound; UnableToDecide - cycle_closed, month_running, not_frozen.
    Writes: reviews_decision, and plum_auditevent for each; locks the cycle.
    """
    cycle = _lock(cycle_id, at)
    by_people = Decision.objects.filter(scorecard__cycle=cycle, scorecard_id__in=scorecard_ids, is_by_rule=False)
    cards = []
    for decision in by_people.select_related("scorecard").order_by("scorecard_id"):
        audit.record(
            program_id=cycle.program_id,
            actor=actor,
            action="reviews.withdraw_decision",
            row=decision.scorecard,
            at=at,
            before={"kind": decision.kind, "by_rule": False, "comment": decision.comment},
            after=None,
            comment=comment,
        )
        cards.append(decision.scorecard)
    by_people.delete()
    decide_by_rule(cycle=cycle, policy_number=cycle.config["policy"]["number"], at=at)
    return cards


def decide_by_rule(*, cycle: ReviewCycle, policy_number: int, at: datetime) -> int:
    """
    Decide about the undecided partners that need nobody: those without a flag whose standing is good, who pass, that had too
    little activity to be judged, who are exempt, or of whom events are missing, who are monitored. Returns how many; the
    others are for people.

    Runs in the transaction of the consolidation, which writes the audit row.

    Raises: nothing.
    Writes: reviews_decision.
    """
    cards = Scorecard.objects.filter(cycle=cycle, decision__isnull=True, flags__isnull=True, standing__in=BY_STANDING)
    decisions = [
        Decision(
            scorecard=card,
            kind=BY_STANDING[Standing(card.standing)],
            is_by_rule=True,
            decided_by=f"policy:{policy_number}",
            decided_at=at,
            comment=REASONS[BY_STANDING[Standing(card.standing)]],
        )
        for card in cards
    ]
    Decision.objects.bulk_create(decisions)
    return len(decisions)


def _decide_all(cycle_id: int, kinds: Mapping[int, str], actor: User | str, at: datetime, comment: str) -> list[Decision]:
    """Write the decisions about some scorecards of one cycle, under its lock, with an audit row for each."""
    for kind in set(kinds.values()):
        if kind not in DecisionKind.values:
            choices = ", ".join(DecisionKind.values)
            raise InvalidInput("unknown_decision", f"Nothing was decided. Choose one of {choices}.", {"kind": f"Not {kind!r}."})
        if kind == DecisionKind.EXEMPT and not comment.strip():
            sentence = "Nothing was decided: an exemption needs a comment that says why."
            raise InvalidInput("comment_required", sentence, {"comment": "Say why."})
    cycle = _lock(cycle_id, at)
    cards = {card.pk: card for card in Scorecard.objects.filter(cycle=cycle, pk__in=kinds).select_related("decision")}
    decisions = []
    for pk, kind in kinds.items():
        card = cards.get(pk)
        if card is None:
            raise NotFound("scorecard", pk)
        old: Decision | None = getattr(card, "decision", None)
        if old is not None and (old.kind, old.comment, old.is_by_rule) == (kind, comment, False):
            decisions.append(old)
            continue
        before = None if old is None else {"kind": old.kind, "by_rule": old.is_by_rule, "comment": old.comment}
        values = {"kind": kind, "is_by_rule": False, "decided_by": audit.actor_name(actor), "decided_at": at, "comment": comment}
        decision, _ = Decision.objects.update_or_create(scorecard=card, defaults=values)
        after = {"kind": str(kind), "by_rule": False, "comment": comment}
        audit.record(
            program_id=cycle.program_id, actor=actor, action="reviews.decide", row=card, at=at, before=before, after=after
        )
        decisions.append(decision)
    return decisions


def _lock(cycle_id: int, at: datetime) -> ReviewCycle:
    """The cycle, locked, if there is anything to decide in it at `at`."""
    cycle = ReviewCycle.objects.select_for_update(of=("self",)).filter(pk=cycle_id).first()
    if cycle is None:
        raise NotFound("review", cycle_id)
    month = f"{cycle.month_start_date:%Y-%m}"
    if cycle.state == CycleState.CLOSED:
        raise UnableToDecide("cycle_closed", f"The review {month} is closed and never changes. Nothing was decided.")
    if at < cycle.ends_at:
        raise UnableToDecide("month_running", f"The month {month} is not over. Nothing was decided; decide once it is.")
    if cycle.state not in DECIDED_IN:
        sentence = f"The review {month} is not frozen: its figures may still change. Nothing was decided. Consolidate it again, "
        raise UnableToDecide("not_frozen", f"{sentence}or wait for the day on which it freezes.")
    return cycle
