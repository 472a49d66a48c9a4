"""The months before the running one, read once: events of older months hardly ever come while it is evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from activity.models import Event, Seal
from activity.models.ledger import POSITIONS
from activity.selectors import summarise
from activity.selectors.ledger import runs
from partners.models import Program
from plum_site.lib.periods import month_bounds, parse_month

Rows = Sequence[Mapping[str, Any]]
MOST_KEPT = 8  # programs of which a process keeps the months before: some megabytes each


@dataclass(frozen=True)
class Kept:
    """What was read last of one program. about: what it depends on besides the ledger. chain: of the seal it was read up to."""

    about: tuple[Any, ...]
    cutoff: int
    chain: bytes
    rows: Rows


_kept: dict[int, Kept] = {}


def summarise_before(program: Program, months: Sequence[str], cutoff: int, stages: Sequence[str], *, may_keep: bool) -> Rows:
    """
    The figures of the months before the newest, by month and partner, as `summarise` gives them.

    months: YYYY-MM, newest first. may_keep: use what this process has read before, if nothing was sealed since that belongs to
    those months; never for a month that is over, whose review must be found again from the ledger alone.

    Shape: rows of `summarise`.
    """
    newest = parse_month(months[0])
    about = (tuple(months), program.time_zone, program.stage_order, program.settlement_days, tuple(stages))
    kept = _kept.get(program.pk) if may_keep else None
    if kept is not None and kept.about == about and _still_holds(program, kept, cutoff, newest):
        return kept.rows
    rows = summarise(
        program=program,
        starts_date=parse_month(months[-1]),
        ends_date=newest,
        by=["month", "partner"],
        cutoff=cutoff,
        recorded_stages=stages,
        leave_out=("eligible", "settled", "funnel"),
    ).rows
    seal = Seal.objects.filter(program=program, number=cutoff).first() if may_keep else None
    if seal is not None:
        _kept.pop(program.pk, None)
        _kept[program.pk] = Kept(about, cutoff, bytes(seal.chain), rows)
        while len(_kept) > MOST_KEPT:
            del _kept[next(iter(_kept))]
    return rows


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
