"""How long a month's review takes: exact distinct members, the ordered funnel and every scorecard, over one large month."""

from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from django.db import connection

from activity.choices import Kind, Status
from partners.models import Program
from plum_site.bench.bulk import grow_ledger, make_program
from plum_site.bench.lab import Lab
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median
from plum_site.lib.errors import InvalidInput
from plum_site.lib.lazy import lazily
from reviews.models import Scorecard
from reviews.selectors import find_cycle
from reviews.services import consolidate_cycle, replay

duckdb = lazily("duckdb")  # a development package

MONTH, DAYS = date(2026, 5, 1), 31
AT = datetime.combine(MONTH + timedelta(days=DAYS + 4), time(9), UTC)
VIEWED, UNLOCKED, ACTIVATED, REDEEMED = (int(kind) for kind in (Kind.VIEWED, Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED))
# The month's events as PostgreSQL hands them out, each with the partner of its offer.
EVENTS = """
COPY (
  SELECT e.member_id, e.offer_id, o.partner_id, e.kind, e.status, e.occurred_at, e.spend_minor
  FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id
  WHERE e.program_id = {program} AND e.local_date >= '{first}' AND e.local_date < '{end}'
) TO STDOUT (FORMAT csv)
"""
# What a month's review reads of the ledger, in one statement: pairs of member and offer, members, then partners.
STATEMENT = f"""
SELECT partner, sum(views), sum(unlocks), sum(activations), sum(redemptions), sum(failures), sum(reversals), sum(spend),
  count(*) FILTER (WHERE views > 0), count(*) FILTER (WHERE unlocks > 0), count(*) FILTER (WHERE activations > 0),
  count(*) FILTER (WHERE redemptions > 0), sum(began), sum(unlocked), sum(activated), sum(redeemed)
FROM (
  SELECT partner, member, sum(views) AS views, sum(unlocks) AS unlocks, sum(activations) AS activations,
    sum(redemptions) AS redemptions, sum(failures) AS failures, sum(reversals) AS reversals, sum(spend) AS spend,
    count(first_view) AS began, count(*) FILTER (WHERE first_view <= last_unlock) AS unlocked,
    count(*) FILTER (WHERE first_view <= last_unlock AND last_unlock <= last_activation) AS activated,
    count(*) FILTER (WHERE first_view <= last_unlock AND last_unlock <= last_activation
      AND last_activation <= last_redemption) AS redeemed
  FROM (
    SELECT partner_id AS partner, member_id AS member, offer_id AS offer,
      count(*) FILTER (WHERE kind = {VIEWED} AND status = 1) AS views,
      count(*) FILTER (WHERE kind = {UNLOCKED} AND status = 1) AS unlocks,
      count(*) FILTER (WHERE kind = {ACTIVATED} AND status = 1) AS activations,
      count(*) FILTER (WHERE kind = {REDEEMED} AND status = 1) AS redemptions,
      count(*) FILTER (WHERE status = {int(Status.FAILED)}) AS failures,
      count(*) FILTER (WHERE status = {int(Status.REVERSED)}) AS reversals,
      sum(spend_minor) AS spend,
      min(occurred_at) FILTER (WHERE kind = {VIEWED} AND status = 1) AS first_view,
      max(occurred_at) FILTER (WHERE kind = {UNLOCKED} AND status = 1) AS last_unlock,
      max(occurred_at) FILTER (WHERE kind = {ACTIVATED} AND status = 1) AS last_activation,
      max(occurred_at) FILTER (WHERE kind = {REDEEMED} AND status = 1) AS last_redemption
    FROM read_parquet(?)
    GROUP BY 1, 2, 3
  ) pairs GROUP BY 1, 2
) members GROUP BY 1
"""  # noqa: S608
ANSWERED = ("views", "unlocks", "activations", "redemptions", "failures", "reversals")
MEMBERS = ("members_viewed", "members_unlocked", "members_activated", "members_redeemed")


@benchmark("review", title="A month's review: exact distinct members and the ordered funnel", events=1_000_000, rounds=3)
def measure_review(lab: Lab) -> list[Result]:
    """The review of one month that holds all events, and in turns with it DuckDB, which counts the same from a Parquet file."""
    if connection.vendor != "postgresql":
        raise InvalidInput("postgresql_only", "This benchmark makes its ledger inside PostgreSQL. Nothing was measured.")
    if find_spec("duckdb") is None:
        raise InvalidInput("duckdb_missing", "DuckDB is not installed: ./plum setup --dev brings it. Nothing was measured.")
    program = make_program(code="bench", starts=MONTH, days=DAYS, folder=lab.folder)
    lab.areas = ("rollups",)  # events made by the database itself have no leaves and no identities; one month is reviewed
    grow_ledger(program, to_events=lab.events, already=0, starts=MONTH, days=DAYS, say=lab.say)
    lab.programs["bench"] = lab.events
    parquet = write_parquet(program, lab.folder)
    reviews, answers, rows = [], [], []
    for number in range(1, lab.rounds + 1):
        began = perf_counter()
        rows = ask_duckdb(parquet)
        asked = perf_counter()
        review_month(program)
        answers.append(asked - began)
        reviews.append(perf_counter() - asked)
        lab.say(f"review: {reviews[-1]:.2f} s, DuckDB {answers[-1]:.2f} s (round {number} of {lab.rounds})")
    check_equal(program, rows)
    check_replay(program)
    taken, limit = median(reviews), median(answers)
    lab.notes |= {
        "review_seconds": [round(seconds, 2) for seconds in reviews],
        "duckdb_seconds": [round(seconds, 2) for seconds in answers],
        "events_per_second": round(lab.events / taken),
    }
    details: dict[str, Any] = {"review_s": round(taken, 3), "duckdb_s": round(limit, 3), "events": lab.events}
    title = f"review of {lab.events:,} events to DuckDB on Parquet"
    return [Result(title, taken / limit, "×", goal=5, floor=10, better="lower", details=details)]


def review_month(program: Program) -> None:
    """Everything that consolidation does, the scorecards written included."""
    consolidate_cycle(program_id=program.pk, month_start_date=MONTH, actor="system", at=AT, by_hand=True)


def write_parquet(program: Program, folder: Path) -> Path:
    """The month's events as a Parquet file, by way of CSV; nothing of this is timed."""
    plain, parquet = folder / "events.csv", folder / "events.parquet"
    statement = EVENTS.format(program=program.pk, first=MONTH, end=MONTH + timedelta(days=DAYS))
    with plain.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement) as rows:
        for part in rows:
            file.write(part)
    with duckdb.connect() as database:
        names = ("member_id", "offer_id", "partner_id", "kind", "status", "occurred_at", "spend_minor")
        kinds = dict.fromkeys(names, "BIGINT") | {"occurred_at": "TIMESTAMPTZ"}
        database.read_csv(str(plain), header=False, columns=kinds).write_parquet(str(parquet))
    plain.unlink()
    return parquet


def ask_duckdb(parquet: Path) -> list[tuple[Any, ...]]:
    """Its answer, with a database of its own and as many threads as it wants."""
    with duckdb.connect() as database:
        return database.execute(STATEMENT, [str(parquet)]).fetchall()


def check_equal(program: Program, rows: list[tuple[Any, ...]]) -> None:
    """That both counted the same; a benchmark of something else would say nothing."""
    cycle = find_cycle(program.pk, MONTH)
    cards = {card.partner_id: card.metrics for card in Scorecard.objects.filter(cycle=cycle)}
    for partner, *values in rows:
        counted = [int(value) for value in (*values[:6], *values[7:11])]
        stored = [cards[partner][name] for name in (*ANSWERED, *MEMBERS)]
        if counted != stored:
            raise AssertionError(f"partner {partner}: the review says {stored}, DuckDB {counted}")


def check_replay(program: Program) -> None:
    """That the review is a function: computed again, it is the same."""
    cycle = find_cycle(program.pk, MONTH)
    if cycle is None or not replay(cycle_id=cycle.pk).is_equal:
        raise AssertionError("the review cannot be computed again: replay_review names what differs")
