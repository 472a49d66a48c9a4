"""How long a dashboard's figures take in the database, and that it is no longer when the ledger is ten times as large."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection

from activity.selectors import summarise
from activity.selectors.breakdown import Breakdown, Span
from activity.selectors.ledger import prefix_of
from activity.selectors.tallies import count_events, count_members
from partners.models import Program
from plum_site.bench.bulk import grow_ledger, make_program
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import OFFER_TYPES, REGIONS, UNITS
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median, percentile
from plum_site.lib.errors import InvalidInput

STARTS, DAYS, WEEK = date(2026, 5, 1), 31, 7
QUESTIONS, SCANS = 40, 3
# Who is eligible is read from the members, and the funnel from the ledger: neither is part of these figures.
LEFT_OUT = ("eligible", "funnel")


@dataclass(frozen=True)
class Question:
    """Seven days, two attribute sets of one region, one offer type."""

    starts_date: date
    where: dict[str, list[str]]

    @property
    def ends_date(self) -> date:
        """The day after the last."""
        return self.starts_date + timedelta(days=WEEK)


@benchmark("dashboard", title="Figures of a dashboard by segment, time and offer type", events=10_000_000)
def measure_dashboard(lab: Lab) -> list[Result]:
    """The same questions at a tenth of the events and at all of them; then from the ledger itself."""
    if connection.vendor != "postgresql":
        raise InvalidInput("postgresql_only", "This benchmark makes its ledger inside PostgreSQL. Nothing was measured.")
    program = make_program(code="bench", starts=STARTS, days=DAYS, folder=lab.folder)
    lab.areas = ("rollups",)  # events made by the database itself have no leaves and no identities
    seconds, already = {}, 0
    for events in (max(lab.events // 10, 1), lab.events):
        grow_ledger(program, to_events=events, already=already, starts=STARTS, days=DAYS, say=lab.say)
        seconds[events] = _ask_all(program, lab)
        already = events
    lab.programs["bench"] = already
    small, large = seconds.values()
    scans = [_time_of_scan(program, question) for question in _questions()[:SCANS]]
    p95, growth = percentile(large, 95) * 1000, median(large) / median(small)
    details: dict[str, Any] = {
        f"{events} events": {"p50_ms": round(median(taken) * 1000, 2), "p95_ms": round(percentile(taken, 95) * 1000, 2)}
        for events, taken in seconds.items()
    }
    lab.notes |= {"question": f"{WEEK} days, 2 attribute sets of a region, 1 offer type; {QUESTIONS} of them", **details}
    lab.notes["scan_ms"] = [round(taken * 1000, 1) for taken in scans]
    return [
        Result(f"p95 in the database at {lab.events:,} events", p95, "ms", goal=5, floor=20, better="lower", details=details),
        Result(f"p50 at {lab.events:,} events to p50 at a tenth", growth, "×", goal=1.2, floor=2, better="lower"),
        Result("scan of the ledger to p50", median(scans) / median(large), "×", goal=300, floor=30),
    ]


def _questions() -> list[Question]:
    found = []
    for number in range(QUESTIONS):
        first, second = number % UNITS, (number + 1 + number // UNITS % (UNITS - 1)) % UNITS
        where = {
            "region": [f"region{number % REGIONS}"],
            "business_unit": [f"unit{first}", f"unit{second}"],
            "offer_type": [OFFER_TYPES[number % len(OFFER_TYPES)]],
        }
        found.append(Question(STARTS + timedelta(days=number * 5 % (DAYS - WEEK)), where))
    return found


def _ask_all(program: Program, lab: Lab) -> list[float]:
    """Of each question the fastest taking, so that a burst of something else on the machine is not counted as ours."""
    takings: list[list[float]] = [[] for _ in _questions()]
    for turn in range(lab.rounds + 1):
        for question, taken in zip(_questions(), takings, strict=True):
            seconds = _time_of_figures(program, question)
            if turn:  # the first turn fills caches
                taken.append(seconds)
    return [min(taken) for taken in takings]


def _time_of_figures(program: Program, question: Question) -> float:
    """Seconds that PostgreSQL spends on all statements of one answer."""
    with _collect() as statements:
        summarise(
            program=program,
            starts_date=question.starts_date,
            ends_date=question.ends_date,
            where=question.where,
            leave_out=LEFT_OUT,
        )
    return _spent_on(statements)


def _time_of_scan(program: Program, question: Question) -> float:
    """Seconds for the same events and members, counted in the ledger."""
    span, prefix = Span(question.starts_date, question.ends_date), prefix_of(program.pk, None)
    breakdown = Breakdown(program, (), question.where)
    with _collect() as statements:
        count_events(breakdown, span, prefix)
        count_members(breakdown, span, prefix)
    return _spent_on(statements)


def _spent_on(statements: list[tuple[str, Any]]) -> float:
    """
    The seconds of planning, running and writing out, as PostgreSQL measures them itself.

    Timed from outside, a statement of half a millisecond would mostly show how long this process waited for its turn.
    """
    spent = 0.0
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SERIALIZE TEXT, FORMAT JSON) {sql}", params)
            [plan] = cursor.fetchone()[0]
            spent += plan["Planning Time"] + plan["Execution Time"]
    return spent / 1000


@contextmanager
def _collect() -> Iterator[list[tuple[str, Any]]]:
    """The questions that are put to the database, settings left aside."""
    statements: list[tuple[str, Any]] = []

    def collect(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith(("SELECT", "WITH")) and "set_config" not in sql:
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(collect):
        yield statements
