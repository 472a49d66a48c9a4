"""Unlocks that happened although the offer, or its partner, was paused or retired by then."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q

from activity.choices import Kind, Status
from activity.models import Event
from activity.selectors.recent import count_recent_days
from offers.models import Offer
from offers.selectors import catalog_of
from partners.models import Program
from plum_site.lib.periods import first_instant
from plum_site.lib.snapshot import snapshot

Instants = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Withdrawal:
    """One time in which an offer was withdrawn, itself or by its partner, `[starts_at, ends_at)`; None is open."""

    starts_at: datetime | None
    ends_at: datetime | None
    late_unlocks: int


@snapshot()
def list_withdrawals(program: Program, offer: Offer, starts_date: date, ends_date: date) -> list[Withdrawal]:
    """
    When an offer was withdrawn in `[starts_date, ends_date)`, with its confirmed unlocks of these days that happened meanwhile.

    Whole days are read from the rollups; of the ledger only days on which it was withdrawn or came back, and was unlocked.

    Shape: Withdrawals in order, sealed and unsealed events counted; none for an offer that was there all the time.
    """
    zone = program.time_zone
    first, end = first_instant(starts_date, zone), first_instant(ends_date, zone)
    facts = catalog_of(program).get(offer.external_id)
    held = [(start, stop) for start, stop in _join(facts.withdrawn if facts else ()) if _overlap((start, stop), first, end)]
    if not held:
        return []
    totals = [0] * len(held)
    pieces: list[tuple[int, datetime, datetime]] = []
    unlocked = count_recent_days(program.pk, "offer", Kind.UNLOCKED, starts_date, ends_date, [offer.pk]).get(offer.pk, {})
    for day, number in unlocked.items():
        begins, ends = first_instant(day, zone), first_instant(day + timedelta(days=1), zone)
        for place, period in enumerate(held):
            piece = _overlap(period, begins, ends)
            if piece == (begins, ends):
                totals[place] += number
            elif piece is not None:
                pieces.append((place, *piece))
    for (place, _, _), number in zip(pieces, _count_pieces(program, offer, pieces), strict=True):
        totals[place] += number
    return [Withdrawal(start, stop, total) for (start, stop), total in zip(held, totals, strict=True)]


def _join(periods: Iterable[Instants]) -> list[Instants]:
    """The same periods in order, those that overlap or meet put together."""
    joined: list[Instants] = []
    for start, stop in sorted(periods, key=lambda period: (period[0] is not None, period[0] or period[1])):
        if joined and (joined[-1][1] is None or start is None or start <= joined[-1][1]):
            earlier, ended = joined[-1]
            joined[-1] = (earlier, None if stop is None or ended is None else max(stop, ended))
        else:
            joined.append((start, stop))
    return joined


def _overlap(period: Instants, first: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    start, stop = max(period[0] or first, first), min(period[1] or end, end)
    return (start, stop) if start < stop else None


def _count_pieces(program: Program, offer: Offer, pieces: list[tuple[int, datetime, datetime]]) -> list[int]:
    """The confirmed unlocks of each piece of a day, in one statement: a range of the index by time for each."""
    if not pieces:
        return []
    ranges = [Q(program=program, occurred_at__gte=start, occurred_at__lt=stop) for _, start, stop in pieces]
    either = Q()
    for one in ranges:
        either |= one
    unlocks = Event.objects.filter(either, offer=offer, kind=Kind.UNLOCKED, status=Status.CONFIRMED)
    counts = {f"piece{place}": Count("id", filter=one) for place, one in enumerate(ranges)}
    found = unlocks.aggregate(**counts)
    return [found[name] for name in counts]
