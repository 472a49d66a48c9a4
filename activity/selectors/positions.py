"""Where offers were shown, as events say it."""

from dataclasses import dataclass
from datetime import date

from activity.choices import Kind, Status
from activity.selectors.breakdown import Breakdown
from activity.selectors.figures import checked_span
from activity.selectors.ledger import prefix_of
from activity.selectors.tallies import run
from partners.models import Program
from plum_site.lib.snapshot import snapshot

BUCKETS = (1, 2, 4, 8, 16, 32, 64)  # the first position of each; the last one has no end


@dataclass(frozen=True)
class Shown:
    """What happened at some positions. offer_days: pairs of offer and day with a view; bucket: index into BUCKETS."""

    month: str
    partner: str
    bucket: int
    offer_days: int
    views: int
    unlocks: int


def count_by_position(*, program: Program, starts_date: date, ends_date: date, cutoff: int | None = None) -> list[Shown]:
    """
    Views and unlocks of each partner by month and position shown, over the program days `[starts_date, ends_date)`, of the
    events that say a position.

    Shape: Shown rows, in no order.
    Raises: as summarise.
    """
    breakdown = Breakdown(program, ("month", "partner"), {})
    span = checked_span(starts_date, ends_date)
    limits = " ".join(f"WHEN e.position < {start} THEN {number}" for number, start in enumerate(BUCKETS[1:]))
    bucket = f"CASE {limits} ELSE {len(BUCKETS) - 1} END"
    viewed = f"e.kind = {Kind.VIEWED.value} AND e.status = {Status.CONFIRMED.value}"
    unlocked = f"e.kind = {Kind.UNLOCKED.value} AND e.status = {Status.CONFIRMED.value}"
    with snapshot():
        prefix = prefix_of(program.pk, cutoff)
        pieces, label = breakdown.pieces(span, prefix), breakdown.labeller(span)
        where = pieces.where(prefix.condition(), "e.position IS NOT NULL", f"(({viewed}) OR ({unlocked}))")
        month, partner = pieces.groups
        each_day = (
            f"SELECT {month} AS month, {partner} AS partner, {bucket} AS bucket, e.offer_id, e.local_date, "
            f"sum(CASE WHEN {viewed} THEN 1 ELSE 0 END) AS views, sum(CASE WHEN {unlocked} THEN 1 ELSE 0 END) AS unlocks "
            f"FROM activity_event e {pieces.joins} WHERE {where} GROUP BY 1, 2, 3, 4, 5"
        )
        sql = (
            f"{pieces.with_clause()}SELECT month, partner, bucket, sum(CASE WHEN views > 0 THEN 1 ELSE 0 END), sum(views), "
            f"sum(unlocks) FROM ({each_day}) d GROUP BY 1, 2, 3"
        )
        rows = run(sql, pieces.params, prefix)
    found = []
    for month_number, partner_id, place, days, views, unlocks in rows:
        month_name, partner_name = label((month_number, partner_id))
        found.append(Shown(month_name, partner_name, place, int(days), int(views), int(unlocks)))
    return found
