"""
The figures that the dashboard shows, read by `summarise` alone: for the page, its fragments and its CSV alike.

Nothing is worked out here. What a figure means is in activity/metrics.py, what is suppressed in the selector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from activity.metrics import METRICS, Tally, Unit, measure, shown_rates
from activity.pages.questions import Question
from activity.selectors import summarise
from activity.selectors.breakdown import Span
from activity.selectors.dimensions import CATALOG
from activity.selectors.figures import MEMBERS, PARTS
from partners.models import Program
from plum_site.lib.periods import month_text
from plum_site.lib.snapshot import snapshot

HEADLINES = ("views", "activations", "redemptions", "spend")
TREND = ("views", "unlocks", "activations", "redemptions", "spend")
COUNTS = ("impressions", "views", "unlocks", "activations", "redemptions", "failures", "reversals", "members_any")
MONEY = ("spend", "net_spend", "reward_cost")
MORE_RATES = ("reversal_rate", "failure_rate")
REACH = ("eligible_members", "members_reached", "members_engaged", "reach_rate", "engagement_rate")
TIMES = ("month", "day")

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """
    What the dashboard shows. totals, before: one row of every metric each (before: None without a comparison). trend: a row
    a day or month, without gaps. rows: one a value of the dimension, in the order asked for.
    """

    question: Question
    recorded_stages: list[str]
    totals: Row
    before: Row | None
    trend: list[Row]
    rows: list[Row]


@snapshot()  # all parts of a page see the same events
def answer(question: Question) -> Answer:
    """Everything at once that is quick to read; the funnel and who could have taken part are `follow`ed apart."""
    now = read(question, question.span)
    before = read(question, question.before).rows[0] if question.before else None
    trend = fill(read(question, question.span, question.grain, leave_out=(*PARTS, MEMBERS)).rows, question)
    rows = read(question, question.span, question.by, leave_out=left_out(question.by)).rows
    return Answer(question, now.recorded_stages, now.rows[0], before, trend, in_order(rows, question))


@snapshot()
def follow(question: Question) -> tuple[Row, Row | None]:
    """What takes a look at the history itself: the ordered funnel, and eligible members; now and before."""
    needed = {"leave_out": ("settled",)}
    now = read(question, question.span, **needed).rows[0]
    return now, read(question, question.before, **needed).rows[0] if question.before else None


def left_out(by: str) -> Sequence[str]:
    """What the table can do without: where eligible members make a row, zero activity is shown, not left out."""
    return ("settled", "funnel") if by in (*CATALOG, *TIMES) else PARTS


def read(question: Question, span: Span, *by: str, leave_out: Sequence[str] = PARTS) -> Any:
    """One call of the metric layer."""
    return summarise(
        program=question.program,
        starts_date=span.starts_date,
        ends_date=span.ends_date,
        by=by,
        where=question.filters,
        leave_out=leave_out,
    )


def fill(rows: Sequence[Row], question: Question) -> list[Row]:
    """A row for every day or month of the period: where nothing happened, what the metric layer makes of nothing."""
    found = {row[question.grain]: row for row in rows}
    span = question.span
    if question.grain == "month":
        names = [month_text(month) for month in span.months()]
    else:
        days = (span.ends_date - span.starts_date).days
        names = [(span.starts_date + timedelta(days=offset)).isoformat() for offset in range(days)]
    nothing = measure(Tally(), question.program.recorded_stages)
    return [found.get(name) or {question.grain: name, "suppressed": False, **nothing} for name in names]


def shown_keys(program: Program) -> list[str]:
    """The metrics of the table, in the order of its columns: counts, money, then the rates that fit the program."""
    keys = [*COUNTS, *MONEY, *shown_rates(program.stage_order), *MORE_RATES, "share_of_redemptions"]
    return [key for key in keys if METRICS[key].is_recorded(program.recorded_stages)]


def sort_of(question: Question) -> tuple[str, bool]:
    """What the table is in the order of, and whether it falls: times ascend, all else begins with the most redeemed."""
    asked = question.sort
    if asked.removeprefix("-") in ("key", *shown_keys(question.program)):
        return asked.removeprefix("-"), asked.startswith("-")
    if question.by in TIMES:
        return "key", False
    volumes = [key for key in ("redemptions", "activations", "unlocks", "views") if key in shown_keys(question.program)]
    return (volumes[0], True) if volumes else ("key", False)


def in_order(rows: Sequence[Row], question: Question) -> list[Row]:
    """Rows as the question wants them; what has no value comes last either way, equals by their key."""
    key, falls = sort_of(question)
    if key == "key":
        return sorted(rows, key=lambda row: row[question.by], reverse=falls)
    ordered, rest = [], []
    for row in sorted(rows, key=lambda row: row[question.by]):
        value = weigh(key, row[key], question.program)
        if value is None:
            rest.append(row)
        else:
            ordered.append((value, row))
    ordered.sort(key=lambda pair: pair[0], reverse=falls)
    return [row for _value, row in ordered] + rest


def weigh(key: str, value: Any, program: Program) -> float | None:
    """A figure as a number to sort by; money by the amount in the reporting currency."""
    if METRICS[key].unit is Unit.MONEY:
        amount = (value or {}).get(program.currency)
        return None if amount is None else float(amount)
    return None if value is None else float(value)


def state_of(key: str, row: Mapping[str, Any], recorded_stages: Sequence[str]) -> str:
    """Why a figure has no value: "suppressed", "not_recorded" or "no_data"; "" where it has one."""
    if row["suppressed"]:
        return "suppressed"
    if not METRICS[key].is_recorded(recorded_stages):
        return "not_recorded"
    return "no_data" if row[key] in (None, {}) else ""
