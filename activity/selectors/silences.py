"""Reads of what did not come: the silences of a program's sources, and what a source feeds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from activity.choices import Kind, Measure, Status
from activity.models import EventSource
from activity.models.ledger import POSITIONS
from activity.rules.silences import find_silences
from activity.selectors.ledger import prefix_of
from partners.models import Program
from plum_site.lib.periods import first_instant, local_date

GRACE = timedelta(hours=12)  # after a day's end, before it can be silent: what a load of the night takes
FED_DAYS = timedelta(days=28)  # so long before a silence a source shows what it feeds
TWO_DAYS = timedelta(days=2)


@dataclass(frozen=True)
class SourceSilence:
    """Program days `[first_date, end_date)` without any event of a source that should have sent; end_date None: it lasts."""

    source_id: int
    source: str
    first_date: date
    end_date: date | None


@dataclass(frozen=True)
class Fed:
    """What a source feeds: offers and their partners by external id, ascending; what it says of them, by kind and status."""

    offers: Sequence[str]
    partners: Sequence[str]
    stages: frozenset[tuple[int, int]]


def list_silences(program: Program, cutoff: int, at: datetime) -> list[SourceSilence]:
    """
    The silences of every source of a program, by its ledger as sealed up to a number and by what is said about its sources.

    Shape: SourceSilences by source, oldest first.
    Source: docs/rules/data-gaps.md
    """
    until = local_date(at - GRACE, program.time_zone)
    counts = count_source_days(program.pk, cutoff)
    found = []
    for source in EventSource.objects.filter(program=program, pk__in=counts).order_by("code", "id"):
        stated = source.complete_through_at
        complete_until = local_date(stated, program.time_zone) if stated else None
        silences = find_silences(counts[source.pk], source.rhythm, until, complete_until)
        found += [SourceSilence(source.pk, source.code, one.first_date, one.end_date) for one in silences]
    return found


def count_source_days(program_id: int, cutoff: int) -> dict[int, dict[date, int]]:
    """
    Events of each source on each program day, as sealed up to a number: the rollup without what was sealed since.

    Shape: source row id to {day: events}.
    """
    # One statement, so that both halves see the same seals.
    sql = f"""
        SELECT source_id, local_date, sum(number) FROM (
            SELECT r.source_id, r.local_date, r.event_count AS number FROM activity_daysourcerollup r
            WHERE r.program_id = %(program)s AND r.measure = {int(Measure.EVENTS)}
            UNION ALL
            SELECT e.source_id, e.local_date, -1 FROM activity_seal s
            JOIN activity_event e ON e.id >= s.batch_id * {POSITIONS} AND e.id < (s.batch_id + 1) * {POSITIONS}
            WHERE s.program_id = %(program)s AND s.number > %(cutoff)s
        ) AS days GROUP BY source_id, local_date
    """
    counts: dict[int, dict[date, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"program": program_id, "cutoff": cutoff})
        for source_id, day, number in cursor.fetchall():
            counts[source_id][_as_date(day)] = int(number)
    return dict(counts)


def read_fed(program: Program, source_id: int, before: date, cutoff: int) -> Fed:
    """
    What a source feeds, by what it sent in the 28 program days before a day, sealed up to a number.

    Shape: one Fed.
    Source: docs/rules/data-gaps.md
    """
    first = before - FED_DAYS
    sql = f"""
        SELECT DISTINCT o.external_id, p.external_id, e.kind, e.status FROM activity_event e
        JOIN offers_offer o ON o.id = e.offer_id JOIN partners_partner p ON p.id = o.partner_id
        WHERE e.program_id = %(program)s AND e.source_id = %(source)s
        AND e.local_date >= %(first)s AND e.local_date < %(before)s
        AND e.occurred_at >= %(low)s AND e.occurred_at < %(high)s AND {prefix_of(program.pk, cutoff).condition()}
    """
    # The index by time bounds the reading, the local day decides.
    low, high = first_instant(first - TWO_DAYS, "UTC"), first_instant(before + TWO_DAYS, "UTC")
    parameters: dict[str, Any] = {
        "program": program.pk,
        "cutoff": cutoff,
        "source": source_id,
        "first": first.isoformat(),
        "before": before.isoformat(),
        "low": low if connection.vendor == "postgresql" else f"{low:%Y-%m-%d %H:%M:%S}",
        "high": high if connection.vendor == "postgresql" else f"{high:%Y-%m-%d %H:%M:%S}",
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    return Fed(sorted({row[0] for row in rows}), sorted({row[1] for row in rows}), frozenset((row[2], row[3]) for row in rows))


def name_counts(stages: frozenset[tuple[int, int]]) -> list[str]:
    """
    The counts of the metric layer that events of these kinds and statuses are part of.

    Shape: metric keys, ascending.
    """
    names = {
        "impressions": (Kind.IMPRESSION, Status.CONFIRMED),
        "views": (Kind.VIEWED, Status.CONFIRMED),
        "unlocks": (Kind.UNLOCKED, Status.CONFIRMED),
        "activations": (Kind.ACTIVATED, Status.CONFIRMED),
        "redemptions": (Kind.REDEEMED, Status.CONFIRMED),
        "reversals": (Kind.REDEEMED, Status.REVERSED),
    }
    found = {name for name, pair in names.items() if tuple(map(int, pair)) in stages}
    if any(status == Status.FAILED for _kind, status in stages):
        found.add("failures")
    if found & {"unlocks", "activations", "redemptions", "failures"}:
        found.add("attempts")
    return sorted(found)


def _as_date(value: date | str) -> date:
    """SQLite has dates as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value
