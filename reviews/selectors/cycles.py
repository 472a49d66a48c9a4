"""Reads of cycles, scorecards and flags."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from partners.models import Program
from plum_site.lib.audit import reference
from plum_site.lib.errors import NotFound
from plum_site.lib.models import AuditEvent
from plum_site.lib.periods import month_text
from reviews.choices import CycleState
from reviews.models import ReviewCycle, Scorecard


@dataclass(frozen=True)
class Progress:
    """How far the decisions of a cycle are. undecided: still waiting for a person."""

    scorecards: int
    decided_by_rule: int
    decided_by_people: int
    undecided: int

    def __str__(self) -> str:
        return f"{self.decided_by_rule} decided by rule, {self.decided_by_people} by people, {self.undecided} need you"


def get_cycle(program_id: int, month_start_date: date) -> ReviewCycle:
    """
    The review of a month that counts: its newest revision, but for one that is still being made beside a closed one.

    Shape: one ReviewCycle.
    Raises: NotFound.
    """
    cycle = find_valid_cycle(program_id, month_start_date)
    if cycle is None:
        raise NotFound("review of", month_text(month_start_date))
    return cycle


def find_valid_cycle(program_id: int, month_start_date: date) -> ReviewCycle | None:
    """
    The review of a month that counts, as get_cycle gives it, or None.

    Shape: one ReviewCycle or None.
    """
    cycles = list(ReviewCycle.objects.filter(program_id=program_id, month_start_date=month_start_date).order_by("-revision")[:2])
    made = [cycle for cycle in cycles if cycle.revision == 1 or cycle.state != CycleState.OPEN]
    return made[0] if made else None


def find_cycle(program_id: int, month_start_date: date) -> ReviewCycle | None:
    """
    The newest revision of a month's review, whatever its state, or None: the one that can be worked on.

    Shape: one ReviewCycle or None.
    """
    cycles = ReviewCycle.objects.filter(program_id=program_id, month_start_date=month_start_date)
    return cycles.order_by("-revision").first()


def find_latest_cycle(program_id: int) -> ReviewCycle | None:
    """
    The review of the latest month that was consolidated: a complete month before the running one.

    Shape: one ReviewCycle or None.
    """
    cycles = ReviewCycle.objects.filter(program_id=program_id, consolidated_at__isnull=False)
    newest = cycles.order_by("-month_start_date", "-revision")
    return newest.exclude(state=CycleState.OPEN).first() or newest.first()


def list_cycles(program_id: int) -> QuerySet[ReviewCycle]:
    """
    The reviews of a program.

    Shape: ReviewCycles, newest month first, then newest revision.
    """
    return ReviewCycle.objects.filter(program_id=program_id).order_by("-month_start_date", "-revision")


def list_valid_cycles(program_id: int) -> QuerySet[ReviewCycle]:
    """
    The reviews that count: of each month the newest revision that is not being made any more, else the only one.

    Shape: ReviewCycles, newest month first.
    """
    newer = ReviewCycle.objects.filter(
        program_id=OuterRef("program_id"), month_start_date=OuterRef("month_start_date"), revision__gt=OuterRef("revision")
    ).exclude(state=CycleState.OPEN)
    open_again = ReviewCycle.objects.filter(pk=OuterRef("pk"), state=CycleState.OPEN, revision__gt=1)
    cycles = ReviewCycle.objects.filter(program_id=program_id).filter(~Exists(newer), ~Exists(open_again))
    return cycles.order_by("-month_start_date", "-revision")


def list_consolidated_cycles(program_id: int) -> QuerySet[ReviewCycle]:
    """
    The cycles that hold a review, open ones included.

    Shape: ReviewCycles, oldest month first, then oldest revision.
    """
    cycles = ReviewCycle.objects.filter(program_id=program_id, consolidated_at__isnull=False)
    return cycles.order_by("month_start_date", "revision")


def list_closed_revisions(program_id: int) -> QuerySet[ReviewCycle]:
    """
    Every review of a program that was closed, those that a restatement has followed included.

    Shape: ReviewCycles, oldest month first, then oldest revision.
    """
    return list_consolidated_cycles(program_id).filter(state=CycleState.CLOSED)


def find_closing_digest(cycle: ReviewCycle) -> str | None:
    """
    The digest with which a cycle was closed, as the audit log remembers it.

    Shape: SHA-256 in hex; None where nobody closed it.
    """
    entries = AuditEvent.objects.filter(object_ref=reference(cycle), action="reviews.close_cycle").order_by("id")
    entry = entries.first()
    return (entry.after or {}).get("digest") if entry else None


def list_scorecards(cycle_id: int) -> QuerySet[Scorecard]:
    """
    The scorecards of a cycle.

    Shape: Scorecards with partner, category, decision and flags; ranked ones first, best first, then by external id.
    """
    return (
        Scorecard.objects.filter(cycle_id=cycle_id)
        .select_related("partner__category", "decision")
        .prefetch_related("flags__rule_version__rule")
        .order_by(F("rank").asc(nulls_last=True), "partner__external_id", "id")
    )


def get_scorecard(program_id: int, month_start_date: date, external_id: str) -> Scorecard:
    """
    One partner's scorecard of one month.

    Shape: one Scorecard, as list_scorecards gives it, with its cycle.
    Raises: NotFound.
    """
    cycle = get_cycle(program_id, month_start_date)
    card = list_scorecards(cycle.pk).select_related("cycle").filter(partner__external_id=external_id).first()
    if card is None:
        raise NotFound(f"scorecard of {month_text(month_start_date)} for", external_id)
    return card


def summarise_progress(cycle_id: int) -> Progress:
    """
    How many of a cycle's partners are decided about, and how many need a person.

    Shape: one Progress.
    """
    counts = Scorecard.objects.filter(cycle_id=cycle_id).aggregate(
        scorecards=Count("id"),
        by_rule=Count("id", filter=Q(decision__is_by_rule=True)),
        by_people=Count("id", filter=Q(decision__is_by_rule=False)),
    )
    decided = counts["by_rule"] + counts["by_people"]
    return Progress(counts["scorecards"], counts["by_rule"], counts["by_people"], counts["scorecards"] - decided)


def list_undecided(cycle_id: int) -> list[str]:
    """
    The partners of a cycle that nobody has decided about.

    Shape: external ids, ascending.
    """
    cards = Scorecard.objects.filter(cycle_id=cycle_id, decision__isnull=True)
    return sorted(cards.values_list("partner__external_id", flat=True))


def get_review(program: Program, month_start_date: date) -> dict[str, Any]:
    """
    A month's review in the form that commands, API and exports give.

    Shape: {"program", "month", "revision", "state", "cutoff", "digest", "recorded_stages", "partners": [...]}, partners in
    the order of list_scorecards.
    Raises: NotFound.
    """
    return describe_review(get_cycle(program.pk, month_start_date), program)


def describe_review(cycle: ReviewCycle, program: Program) -> dict[str, Any]:
    """
    A stored review as JSON, from its cycle.

    Shape: as get_review.
    """
    config = cycle.config
    return {
        "program": program.code,
        "month": month_text(cycle.month_start_date),
        "revision": cycle.revision,
        "state": cycle.state,
        "cutoff": cycle.cutoff,
        "digest": cycle.digest,
        "recorded_stages": config["program"]["recorded_stages"] if config else sorted(program.recorded_stages),
        "partners": [describe_scorecard(card, config) for card in list_scorecards(cycle.pk)],
    }


def describe_scorecard(card: Scorecard, config: dict[str, Any]) -> dict[str, Any]:
    """
    One partner of a review as JSON.

    Shape: {"partner", "name", "category", "rank", "standing", "score", "metrics", "flags", "diagnosis", "actions",
    "decision"}.
    """
    frozen = config.get("partners", {}).get(card.partner.external_id, {})
    decision = getattr(card, "decision", None)
    flags = sorted(card.flags.all(), key=lambda flag: flag.rule_version.rule.code)
    return {
        "partner": card.partner.external_id,
        "name": frozen.get("name", card.partner.name),
        "category": frozen.get("category", card.partner.category.code),
        "rank": card.rank,
        "standing": card.standing,
        "score": None if card.score is None else float(card.score),
        "metrics": card.metrics,
        "flags": [
            {
                "rule": flag.rule_version.rule.code,
                "metric": flag.metric,
                "observed": float(flag.observed),
                "threshold": float(flag.threshold),
            }
            for flag in flags
        ],
        "diagnosis": card.diagnosis,
        "actions": (card.diagnosis or {}).get("actions", []),
        "decision": None if decision is None else {"kind": decision.kind, "by_rule": decision.is_by_rule},
    }
