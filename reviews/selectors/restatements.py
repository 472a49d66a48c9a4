"""Restatements: who asked for which, the revisions of a month, and what moved between two of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet

from partners.models import Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import month_text
from reviews.choices import RestatementState
from reviews.models import Restatement, ReviewCycle, Scorecard
from reviews.selectors.cycles import list_scorecards
from reviews.selectors.inputs import UNFROZEN
from reviews.selectors.late import count_late_by


@dataclass(frozen=True)
class Revised:
    """One figure of one partner: in the revision that was closed, and in the one after it."""

    partner: str
    name: str
    figure: str
    before: Any
    after: Any


def list_restatements(program_id: int) -> QuerySet[Restatement]:
    """
    The restatements that were asked for in a program.

    Shape: Restatements with cycle and revision, newest first.
    """
    rows = Restatement.objects.filter(cycle__program_id=program_id).select_related("cycle__program", "revised")
    return rows.order_by("-asked_at", "-id")


def get_restatement(program_id: int, restatement_id: int) -> Restatement:
    """
    One restatement.

    Shape: one Restatement, as list_restatements gives it.
    Raises: NotFound.
    """
    found = list_restatements(program_id).filter(pk=restatement_id).first()
    if found is None:
        raise NotFound("restatement", restatement_id)
    return found


def find_asked(cycle_id: int) -> Restatement | None:
    """
    The restatement of a cycle that waits for an answer.

    Shape: one Restatement or None.
    """
    return Restatement.objects.filter(cycle_id=cycle_id, state=RestatementState.ASKED).first()


def list_revisions(program_id: int, month_start_date: date) -> QuerySet[ReviewCycle]:
    """
    The revisions of a month's review.

    Shape: ReviewCycles, the first one first.
    """
    return ReviewCycle.objects.filter(program_id=program_id, month_start_date=month_start_date).order_by("revision")


def find_before(cycle: ReviewCycle) -> ReviewCycle | None:
    """
    The revision that a cycle restates.

    Shape: one ReviewCycle or None.
    """
    return list_revisions(cycle.program_id, cycle.month_start_date).filter(revision=cycle.revision - 1).first()


def count_counted_since(before: ReviewCycle, after: ReviewCycle, program: Program) -> int:
    """
    Events of the month that a revision counts and the one before it does not.

    Shape: a number.
    """
    if after.cutoff is None:
        return 0
    late = count_late_by(program, {month_text(before.month_start_date): before.cutoff or 0}, after.cutoff)
    return sum(number for by_month in late.values() for number in by_month.values())


def list_revised(before: ReviewCycle, after: ReviewCycle) -> list[Revised]:
    """
    What is not the same in two revisions of a month, as they are stored.

    Shape: Reviseds by partner, then figure; a scorecard that only one of them has is the figure "scorecard".
    """
    old = {card.partner.external_id: card for card in list_scorecards(before.pk)}
    new = {card.partner.external_id: card for card in list_scorecards(after.pk)}
    return [one for partner in sorted({*old, *new}) for one in _compare(partner, old.get(partner), new.get(partner))]


def _compare(partner: str, old: Scorecard | None, new: Scorecard | None) -> Iterator[Revised]:
    card = new or old
    name = card.partner.name if card else ""
    if old is None or new is None:
        yield Revised(partner, name, "scorecard", old.standing if old else None, new.standing if new else None)
        return
    for metric in sorted({*old.metrics, *new.metrics} - UNFROZEN):
        if old.metrics.get(metric) != new.metrics.get(metric):
            yield Revised(partner, name, metric, old.metrics.get(metric), new.metrics.get(metric))
    if old.standing != new.standing:
        yield Revised(partner, name, "standing", old.standing, new.standing)
    if old.score != new.score:
        scores = (None if card.score is None else float(card.score) for card in (old, new))
        yield Revised(partner, name, "score", *scores)
    flags = [sorted(flag.rule_version.rule.code for flag in card.flags.all()) for card in (old, new)]
    if flags[0] != flags[1]:
        yield Revised(partner, name, "flags", *flags)
    kinds = [decision.kind if (decision := getattr(card, "decision", None)) else None for card in (old, new)]
    if kinds[0] != kinds[1]:
        yield Revised(partner, name, "decision", *kinds)
