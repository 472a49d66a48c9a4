"""The months before the running one, read once: events of older months hardly ever come while it is evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from activity.models import Event, Seal
from activity.models.ledger import POSITIONS
from activity.selectors import count_by, summarise
from activity.selectors.ledger import runs
from partners.models import Program
from plum_site.lib.periods import month_bounds, month_text, next_month, parse_month
from reviews.rules import SEASON_MONTHS, count_judged_events

Rows = Sequence[Mapping[str, Any]]
MOST_KEPT = 8  # programs of which a process keeps the months before: some megabytes each


@dataclass(frozen=True)
class Before:
    """
    What was before the reviewed month. rows: figures by month and partner, as `summarise` gives them. last_year: by partner the
    events of the same month a year ago and of those before it, newest first, where the season is asked for.
    """

    rows: Rows
    last_year: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What was read last of one program. about: what it depends on besides the ledger. chain: of the seal it was read up to."""

    about: tuple[Any, ...]
    cutoff: int
    chain: bytes
    before: Before


_kept: dict[int, Kept] = {}


def read_before(
    program: Program, months: Sequence[str], cutoff: int, stages: Sequence[str], *, with_season: bool, may_keep: bool
) -> Before:
    """
    The figures of the months before the newest, and of last year what a season is learnt from.

    months: YYYY-MM, newest first, at least two. may_keep: use what this process has read before, if nothing was sealed since
    that belongs to those months; never for a month that is over, whose review must be found again from the ledger alone.

    Shape: one Before.
    """
    newest = parse_month(months[0])
    about = (tuple(months), program.time_zone, program.stage_order, program.settlement_days, tuple(stages), with_season)
    kept = _kept.get(program.pk) if may_keep else None
    if kept is not None and kept.about == about and _still_holds(program, kept, cutoff, newest):
        return kept.before
    rows = summarise(
        program=program,
        starts_date=parse_month(months[-1]),
        ends_date=newest,
        by=["month", "partner"],
        cutoff=cutoff,
        recorded_stages=stages,
        leave_out=("eligible", "settled", "funnel"),
    ).rows
    before = Before(rows, _count_last_year(program, newest, cutoff) if with_season else {})
    seal = Seal.objects.filter(program=program, number=cutoff).first() if may_keep else None
    if seal is not None:
        _kept.pop(program.pk, None)
        _kept[program.pk] = Kept(about, cutoff, bytes(seal.chain), before)
        while len(_kept) > MOST_KEPT:
            del _kept[next(iter(_kept))]
    return before


def _count_last_year(program: Program, newest: date, cutoff: int) -> dict[str, list[int]]:
    months = [month_text(next_month(newest, -12 - back)) for back in range(SEASON_MONTHS)]
    starts_date, ends_date = parse_month(months[-1]), next_month(newest, -11)
    counted = count_by(program=program, starts_date=starts_date, ends_date=ends_date, by=["month", "partner"], cutoff=cutoff)
    events = {key: count_judged_events(counts) for key, counts in counted.items()}
    return {partner: [events.get((month, partner), 0) for month in months] for partner in sorted({key[1] for key in counted})}


def _still_holds(program: Program, kept: Kept, cutoff: int, newest: date) -> bool:
    """Whether the ledger is the one that was read, and nothing of an older month was sealed since."""
    if kept.cutoff > cutoff:
        return False
    seal = Seal.objects.filter(program=program, number=kept.cutoff).first()
    if seal is None or bytes(seal.chain) != kept.chain:
        return False
    starts_at, _ = month_bounds(newest, program.time_zone)
    batches = Seal.objects.filter(program=program, number__gt=kept.cutoff, number__lte=cutoff).values_list("batch_id", flat=True)
    return not any(
        Event.objects.filter(
            program=program, id__gte=low * POSITIONS, id__lt=(high + 1) * POSITIONS, occurred_at__lt=starts_at
        ).exists()
        for low, high in runs(list(batches))
    )
