"""Events that arrived after the review of their month was frozen."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from activity.choices import Kind, Status
from activity.models import Event, EventSource, Seal
from activity.models.ledger import POSITIONS
from partners.models import Program
from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.choices import CycleState
from reviews.models import ReviewCycle

MOST_LISTED = 1000


@dataclass(frozen=True)
class LateEvent:
    """One event sealed after a cut-off. event_id is None where the person was erased."""

    event_id: str | None
    source: str
    occurred_at: datetime
    kind: str
    status: str
    partner: str
    offer: str


def count_late_events(program: Program, month_start_date: date, cutoff: int) -> tuple[dict[str, Any], dict[str, int]]:
    """
    What a month's review reports as late: events of earlier months, sealed after the review of their month was frozen
    and not reported by a review in between; and for each of these months the seal number after which events are late.

    Shape: ({partner external id: {YYYY-MM: events}}, {YYYY-MM: seal number}).
    Source: docs/rules/coverage.md
    """
    frozen = [
        cycle
        for cycle in ReviewCycle.objects.filter(program=program, month_start_date__lt=month_start_date)
        .exclude(state=CycleState.OPEN)
        .order_by("month_start_date", "revision")
        if cycle.cutoff is not None
    ]
    late_after: dict[str, int] = {}
    for cycle in frozen:
        # What a frozen review of a month in between has reported is not reported twice.
        reported = [other.cutoff or 0 for other in frozen if other.month_start_date > cycle.month_start_date]
        late_after[month_text(cycle.month_start_date)] = max([cycle.cutoff or 0, *reported])
    return count_late_by(program, late_after, cutoff), late_after


def count_late_by(program: Program, late_after: dict[str, int], cutoff: int) -> dict[str, Any]:
    """
    Events of the named months with a seal number above the one named and up to a cut-off.

    Shape: {partner external id: {YYYY-MM: events}}, ascending.
    """
    late: dict[str, dict[str, int]] = {}
    for number in sorted({after for after in late_after.values() if after < cutoff}):
        months = [month for month, after in late_after.items() if after == number]
        for partner, month, count in _count_sealed(program, months, number, cutoff):
            late.setdefault(partner, {})[month] = count
    return {partner: dict(sorted(late[partner].items())) for partner in sorted(late)}


def count_after_cutoff(cycle: ReviewCycle) -> int:
    """
    Events of a cycle's own month that were sealed after its cut-off: what consolidating again would count.

    Shape: a number; 0 where it was never consolidated.
    """
    if cycle.cutoff is None:
        return 0
    head = Seal.objects.filter(program_id=cycle.program_id).aggregate(number=Max("number"))["number"] or 0
    return sum(count for _, _, count in _count_sealed(cycle.program, [month_text(cycle.month_start_date)], cycle.cutoff, head))


def list_late_events(program: Program, starts_date: date, ends_date: date, after: int, until: int) -> list[LateEvent]:
    """
    The events of the program days `[starts_date, ends_date)` with a seal number above `after` and up to `until`.

    Shape: at most 1,000 LateEvents, in time order.
    """
    batches = Seal.objects.filter(program=program, number__gt=after, number__lte=until).values_list("batch_id", flat=True)
    spans = [(batch * POSITIONS, (batch + 1) * POSITIONS) for batch in batches.order_by("batch_id")]
    if not spans:
        return []
    rows = (
        Event.objects.filter(program=program, local_date__gte=starts_date, local_date__lt=ends_date)
        .filter(id__gte=spans[0][0], id__lt=spans[-1][1])
        .select_related("offer__partner")
        .order_by("occurred_at", "id")
    )
    inside = {start // POSITIONS for start, _ in spans}
    sources = dict(EventSource.objects.filter(program=program).values_list("id", "code"))
    found = []
    for event in rows.iterator():
        if event.pk // POSITIONS in inside:
            found.append(
                LateEvent(
                    event.event_key,
                    sources.get(event.source_id, ""),
                    event.occurred_at,
                    Kind(event.kind).label,
                    Status(event.status).label,
                    event.offer.partner.external_id,
                    event.offer.external_id,
                )
            )
        if len(found) == MOST_LISTED:
            break
    return found


def _count_sealed(program: Program, months: list[str], after: int, until: int) -> list[tuple[str, str, int]]:
    """(partner external id, YYYY-MM, events) of some months, by seal numbers `(after, until]`."""
    month = "substr(e.local_date, 1, 7)" if connection.vendor == "sqlite" else "to_char(e.local_date, 'YYYY-MM')"
    # The ids of one batch lie together, so the events of the last batches are found by primary key.
    sql = f"""
        SELECT p.external_id, {month} AS month, count(*)
        FROM activity_seal s
        JOIN activity_event e ON e.id >= s.batch_id * {POSITIONS} AND e.id < (s.batch_id + 1) * {POSITIONS}
        JOIN offers_offer o ON o.id = e.offer_id
        JOIN partners_partner p ON p.id = o.partner_id
        WHERE s.program_id = %s AND s.number > %s AND s.number <= %s AND e.local_date < %s
        GROUP BY p.external_id, month
    """  # noqa: S608
    ends_date = next_month(max(parse_month(month) for month in months))
    with connection.cursor() as cursor:
        cursor.execute(sql, [program.pk, after, until, ends_date.isoformat()])
        return [row for row in cursor.fetchall() if row[1] in months]
