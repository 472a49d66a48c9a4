"""How long a month's review takes: exact distinct members, the ordered funnel and every scorecard, over one large month."""

from datetime import UTC, date, datetime, time, timedelta
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
from reviews.models import Scorecard
from reviews.selectors import find_cycle
from reviews.services import consolidate_cycle, replay

MONTH, DAYS = date(2026, 5, 1), 31
AT = datetime.combine(MONTH + timedelta(days=DAYS + 4), time(9), UTC)
VIEWED, UNLOCKED, ACTIVATED, REDEEMED = (int(kind) for kind in (Kind.VIEWED, Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED))
# What a month's review reads of the ledger, in one plain statement: pairs of member and offer, members, then partners.
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
    SELECT o.partner_id AS partner, e.member_id AS member, e.offer_id AS offer,
      count(*) FILTER (WHERE e.kind = {VIEWED} AND e.status = 1) AS views,
      count(*) FILTER (WHERE e.kind = {UNLOCKED} AND e.status = 1) AS unlocks,
      count(*) FILTER (WHERE e.kind = {ACTIVATED} AND e.status = 1) AS activations,
      count(*) FILTER (WHERE e.kind = {REDEEMED} AND e.status = 1) AS redemptions,
      count(*) FILTER (WHERE e.status = {int(Status.FAILED)}) AS failures,
      count(*) FILTER (WHERE e.status = {int(Status.REVERSED)}) AS reversals,
      sum(e.spend_minor) AS spend,
      min(e.occurred_at) FILTER (WHERE e.kind = {VIEWED} AND e.status = 1) AS first_view,
      max(e.occurred_at) FILTER (WHERE e.kind = {UNLOCKED} AND e.status = 1) AS last_unlock,
      max(e.occurred_at) FILTER (WHERE e.kind = {ACTIVATED} AND e.status = 1) AS last_activation,
      max(e.occurred_at) FILTER (WHERE e.kind = {REDEEMED} AND e.status = 1) AS last_redemption
    FROM activity_event e JOIN offers_offer o ON o.id = e.offer_id
    WHERE e.program_id = %(program)s AND e.local_date >= %(first)s AND e.local_date < %(end)s
      AND e.occurred_at >= %(first)s AND e.occurred_at < %(end)s
    GROUP BY 1, 2, 3
  ) pairs GROUP BY 1, 2
) members GROUP BY 1
"""  # noqa: S608
ANSWERED = ("views", "unlocks", "activations", "redemptions", "failures", "reversals")
MEMBERS = ("members_viewed", "members_unlocked", "members_activated", "members_redeemed")


@benchmark("review", title="A month's review: exact distinct members and the ordered funnel", events=1_000_000, rounds=3)
def measure_review(lab: Lab) -> list[Result]:
    """The review of one month that holds all events, and in turns with it the plain statement."""
    if connection.vendor != "postgresql":
        raise InvalidInput("postgresql_only", "This benchmark makes its ledger inside PostgreSQL. Nothing was measured.")
    program = make_program(code="bench", starts=MONTH, days=DAYS, folder=lab.folder)
    lab.areas = ("rollups",)  # events made by the database itself have no leaves and no identities; one month is reviewed
    grow_ledger(program, to_events=lab.events, already=0, starts=MONTH, days=DAYS, say=lab.say)
    lab.programs["bench"] = lab.events
    reviews, statements, answer = [], [], []
    for _ in range(lab.rounds):
        statements.append(_time(lambda: answer.append(_ask(program))))
        reviews.append(_time(lambda: _review(program)))
    _compare(program, answer[-1])
    _replay(program)
    taken, plain = median(reviews), median(statements)
    lab.notes |= {
        "review_seconds": [round(seconds, 2) for seconds in reviews],
        "statement_seconds": [round(seconds, 2) for seconds in statements],
        "events_per_second": round(lab.events / taken),
    }
    details: dict[str, Any] = {"review_s": round(taken, 3), "statement_s": round(plain, 3), "events": lab.events}
    return [
        Result(
            f"review of {lab.events:,} events to one plain statement",
            taken / plain,
            "×",
            goal=0.52,
            floor=1.04,
            better="lower",
            details=details,
        )
    ]


def _time(act: Any) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


def _review(program: Program) -> None:
    """Everything that consolidation does, the scorecards written included."""
    consolidate_cycle(program_id=program.pk, month_start_date=MONTH, actor="system", at=AT, by_hand=True)


def _ask(program: Program) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, {"program": program.pk, "first": MONTH, "end": MONTH + timedelta(days=DAYS)})
        return cursor.fetchall()


def _compare(program: Program, rows: list[tuple[Any, ...]]) -> None:
    """That both counted the same; a benchmark of something else would say nothing."""
    cycle = find_cycle(program.pk, MONTH)
    cards = {card.partner_id: card.metrics for card in Scorecard.objects.filter(cycle=cycle)}
    for partner, *values in rows:
        counted = [int(value) for value in (*values[:6], *values[7:11])]
        stored = [cards[partner][name] for name in (*ANSWERED, *MEMBERS)]
        if counted != stored:
            raise AssertionError(f"partner {partner}: the review says {stored}, the plain statement {counted}")


def _replay(program: Program) -> None:
    """That the review is a function: computed again, it is the same."""
    cycle = find_cycle(program.pk, MONTH)
    if cycle is None or not replay(cycle_id=cycle.pk).is_equal:
        raise AssertionError("the review cannot be computed again: replay_review names what differs")
