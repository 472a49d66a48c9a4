"""
A large ledger in minutes: events written by the database itself, then sealed by the sealer, which makes the rollups.

For benchmarks that read figures. Such events have no leaves, no identities and no vault: only their rollups can be verified.
PostgreSQL only.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from activity.choices import Kind, Origin
from activity.models import AttributeSet, EventSource, IngestBatch, Member
from activity.models.ledger import POSITIONS
from activity.services import prepare_partitions, seal_ledger
from activity.services.loading import NewProgram, load_folder
from activity.services.statistics import refresh_statistics
from partners.models import Program
from plum_site.bench.ledger import KINDS, OFFERS, write_catalog

MEMBERS = """
WITH sets AS (
  SELECT id, "values", row_number() OVER (ORDER BY id) - 1 AS place FROM activity_attributeset WHERE program_id = %(program)s
),
made AS (
  INSERT INTO activity_member (program_id, key, state, created_at)
  SELECT %(program)s, decode(md5('bench' || n), 'hex'), 'active', %(at)s FROM generate_series(%(low)s::int, %(high)s::int) n
  RETURNING id
)
INSERT INTO activity_memberversion (member_id, valid_from, "values", attribute_set_id)
SELECT m.id, NULL, s."values", s.id FROM made m JOIN sets s ON s.place = m.id %% %(sets)s
"""
# The n-th event is worked out from n by the database's own hash: the same arguments give the same ledger. Which offers are
# popular is as in `plum_site.bench.ledger.pick_offer`.
EVENTS = """
INSERT INTO activity_event (id, program_id, source_id, event_key, member_id, offer_id, attribute_set_id, kind, status,
  occurred_at, local_date, spend_minor, spend_currency, transaction_ref, nonce)
SELECT (%(batch)s + i / %(positions)s) * %(positions)s + i %% %(positions)s, %(program)s, %(source)s, 'e' || %(first)s + i,
  p.member_id, o.id, p.attribute_set_id, k.kind, k.status, e.at, (e.at AT TIME ZONE 'UTC')::date,
  CASE WHEN k.pays THEN 100 + (e.c & 16383) END, CASE WHEN k.pays THEN 'EUR' END, CASE WHEN k.pays THEN 'T' || %(first)s + i END,
  decode(md5(i::text), 'hex')
FROM (
  SELECT i, hashint8extended(%(first)s + i, 1) & 2147483647 AS a, hashint8extended(%(first)s + i, 2) & 2147483647 AS b,
    hashint8extended(%(first)s + i, 3) & 2147483647 AS c, %(starts)s::timestamptz + i * %(step)s::interval AS at
  FROM generate_series(0, %(events)s - 1) i
) e
JOIN bench_people p ON p.place = e.a %% %(members)s
JOIN bench_offers o ON o.place = (e.b & 16777215) * (e.b & 16777215) * %(offers)s >> 48
JOIN bench_kinds k ON k.place = e.c %% %(kinds)s
"""


PEOPLE = """
CREATE TEMP TABLE bench_people AS
SELECT row_number() OVER (ORDER BY v.id) - 1 AS place, v.member_id, v.attribute_set_id
FROM activity_memberversion v JOIN activity_member m ON m.id = v.member_id WHERE m.program_id = %s
"""
CATALOG = """
CREATE TEMP TABLE bench_offers AS
SELECT row_number() OVER (ORDER BY id) - 1 AS place, id FROM offers_offer WHERE program_id = %s
"""


def make_program(*, code: str, starts: date, days: int, folder: Path) -> Program:
    """300 partners, 3,000 offers and 24 attribute sets; no events yet, and partitions for those to come."""
    at = datetime.combine(starts, time(), UTC)
    catalog = folder / f"catalog-{code}"
    write_catalog(catalog, members=24)
    wanted = NewProgram(
        code=code,
        time_zone="UTC",
        currency="EUR",
        report_by=["business_unit", "region"],
        minimum_group=5,
        extra={"is_demo": True},
    )
    load_folder(folder=catalog, new_program=wanted, actor="system", at=at)
    prepare_partitions(months={starts, starts + timedelta(days=days)})
    program = Program.objects.get(code=code)
    Program.objects.filter(pk=program.pk).update(recorded_stages=[kind.label for kind in Kind])
    program.refresh_from_db()
    return program


def grow_ledger(program: Program, *, to_events: int, already: int, starts: date, days: int, say: Callable[[str], None]) -> None:
    """More events over the same days, until there are `to_events`; a member for every 20, so that sets grow as well."""
    at = datetime.combine(starts + timedelta(days=days), time(), UTC)
    events, members = to_events - already, max(to_events // 20, 24)
    with transaction.atomic(), connection.cursor() as cursor:
        have = Member.objects.filter(program=program).count()
        sets = AttributeSet.objects.filter(program=program).count()
        people: dict[str, Any] = {"program": program.pk, "at": at, "low": have + 1, "high": members, "sets": sets}
        cursor.execute(MEMBERS, people)
        _make_lists(cursor, program)
        source, _made = EventSource.objects.get_or_create(program=program, code="bench", defaults={"created_at": at})
        batches = IngestBatch.objects.bulk_create(
            [_batch(program, source, at, min(POSITIONS, events - n * POSITIONS)) for n in range(ceil(events / POSITIONS))]
        )
        values: dict[str, Any] = {
            "batch": batches[0].pk,
            "positions": POSITIONS,
            "program": program.pk,
            "source": source.pk,
            "events": events,
        }
        values |= {"first": already, "starts": datetime.combine(starts, time(), UTC), "step": timedelta(days=days) / events}
        cursor.execute(EVENTS, values | {"members": members, "offers": OFFERS, "kinds": len(KINDS)})
        cursor.execute("DROP TABLE bench_people, bench_offers, bench_kinds")
    say(f"{to_events:,} events recorded")
    seal_ledger(program_id=program.pk, at=at)
    refresh_statistics()
    say(f"{to_events:,} events sealed")


def _make_lists(cursor: Any, program: Program) -> None:
    kinds = ", ".join(
        f"({place}, {kind.value}, {status.value}, {str(pays).lower()})" for place, (kind, status, pays) in enumerate(KINDS)
    )
    cursor.execute(PEOPLE, [program.pk])
    cursor.execute(CATALOG, [program.pk])
    cursor.execute(f"CREATE TEMP TABLE bench_kinds AS SELECT * FROM (VALUES {kinds}) AS t(place, kind, status, pays)")  # noqa: S608
    cursor.execute("ANALYZE bench_people, bench_offers, bench_kinds")


def _batch(program: Program, source: EventSource, at: datetime, count: int) -> IngestBatch:
    return IngestBatch(
        program=program,
        source=source,
        origin=Origin.FILE,
        day=at.date(),
        recorded_at=at,
        received_count=count,
        accepted_count=count,
        duplicate_count=0,
        conflict_count=0,
        rejected_count=0,
        leaf_version=1,
        root=bytes(32),
    )
