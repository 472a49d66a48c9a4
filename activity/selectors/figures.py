"""The figures: every metric of design 6 for any period, breakdown and filter, exact."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from activity.choices import Kind
from activity.metrics import Tally, measure, suppressed_row
from activity.selectors.breakdown import Breakdown, Span
from activity.selectors.cells import count_events, count_members, count_sizes
from activity.selectors.dimensions import SEGMENT, TIME
from activity.selectors.eligibility import count_eligible
from activity.selectors.ledger import Prefix, has_moved, prefix_of
from activity.selectors.suppression import hidden_rows
from activity.selectors.tallies import Key, count_funnel
from partners.models import Program
from plum_site.lib.errors import InvalidInput
from plum_site.lib.periods import month_start, month_text, months_between, next_month
from plum_site.lib.snapshot import snapshot

PARTS = ("eligible", "settled", "funnel")
MEMBERS = "members"  # what distinct members cost is worth leaving out where only events and money are shown
LONGEST_DAYS = 20 * 366  # a slip in a year must not ask for a million rows


@dataclass(frozen=True)
class Summary:
    """
    Figures and how fresh they are.

    as_of: number of the newest seal that counts (0: none). sealed_at: when that was. rows: the row key by the names
    asked for, then `suppressed`, then every metric.
    """

    as_of: int
    sealed_at: datetime | None
    recorded_stages: list[str]
    rows: list[dict[str, Any]]


def summarise(
    *,
    program: Program,
    starts_date: date,
    ends_date: date,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str]] | None = None,
    cutoff: int | None = None,
    recorded_stages: Sequence[str] | None = None,
    leave_out: Collection[str] = (),
) -> Summary:
    """
    Every metric over the program days `[starts_date, ends_date)`.

    by: month, day, partner, offer, offer_type, category, country, source (all of the catalog), segment, join_month,
    first_activation_month, or any kept member attribute (as `member.NAME` where the name is taken). where: the same
    names, without the times, to the values kept; and `member`, which the caller must have the right to ask for.
    cutoff: the seal number up to which events count; None: everything committed. recorded_stages: as frozen by a
    review; None: the program's now. leave_out: parts of PARTS, and MEMBERS, that are not needed; their metrics are null.

    Shape: one row for each group with an event, and (unless broken down by members or sources) each with an
    eligible member; one row in any case where `by` is empty. Ordered by the row key.
    Units: as activity.metrics.METRICS says.
    Raises: InvalidInput - unknown_dimension, doubled_dimension, time_filter, filter_only, unknown_segment,
    unknown_member, invalid_month, empty_period, period_too_long.
    Source: docs/rules/metrics.md
    """
    span = checked_span(starts_date, ends_date)
    breakdown = Breakdown(program, tuple(by), dict(where or {}))
    stages = list(program.recorded_stages if recorded_stages is None else recorded_stages)
    is_open = connection.in_atomic_block  # then the reads may each see another moment
    with snapshot():
        prefix = prefix_of(program.pk, cutoff)
        rows = _rows(breakdown, span, prefix, stages, leave_out)
        if is_open and has_moved(program.pk, prefix):
            # Rollups hold what was sealed meanwhile; the ledger can be asked for a part of itself.
            prefix = prefix_of(program.pk, cutoff).from_ledger()
            rows = _rows(breakdown, span, prefix, stages, leave_out)
    return Summary(prefix.number, prefix.sealed_at, stages, rows)


def _rows(
    breakdown: Breakdown, span: Span, prefix: Prefix, stages: Sequence[str], leave_out: Collection[str]
) -> list[dict[str, Any]]:
    periods = _periods(breakdown, span)
    tallies = count_events(breakdown, span, prefix)
    totals = _program_totals(breakdown, span, prefix, tallies)
    members = {} if MEMBERS in leave_out else count_members(breakdown, span, prefix)
    for key, counted in members.items():
        tallies.setdefault(key, Tally()).members = counted
    eligible = None if "eligible" in leave_out else count_eligible(breakdown, periods, prefix)
    if eligible and not breakdown.is_about_people() and "source" not in breakdown.by:
        for key in eligible:
            tallies.setdefault(key, Tally())
    if not breakdown.by:
        tallies.setdefault((), Tally())
    funnels = None if "funnel" in leave_out else count_funnel(breakdown, span, prefix, stages)
    settled = None if "settled" in leave_out else _Settled(breakdown, periods, prefix)
    hidden = find_hidden(breakdown, span, prefix, tallies, members)
    rows = []
    for key in sorted(tallies):
        row: dict[str, Any] = {**dict(zip(breakdown.by, key, strict=True)), "suppressed": key in hidden}
        if key in hidden:
            rows.append(row | suppressed_row())
            continue
        tally = tallies[key]
        tally.members = None if MEMBERS in leave_out else tally.members or {}
        tally.eligible = None if eligible is None else eligible.get(_without_source(breakdown, key), 0)
        tally.funnel = None if funnels is None else funnels.get(key, [])
        older = settled.find(key) if settled else None
        rows.append(row | measure(tally, stages, settled=older, program=totals.get(_time_of(breakdown, key), Tally())))
    return rows


def settled_span(span: Span, settlement_days: int) -> Span:
    """
    The settled window of a period: as many whole months as it touches, the last of them over for `settlement_days`
    before the period ends.

    Shape: one Span.
    Source: docs/rules/metrics.md
    """
    last_day = span.ends_date - timedelta(days=1)
    ends_date = month_start(span.ends_date - timedelta(days=settlement_days))
    return Span(next_month(ends_date, -len(months_between(span.starts_date, last_day))), ends_date)


def find_hidden(
    breakdown: Breakdown,
    span: Span,
    prefix: Prefix,
    keys: Iterable[Key] = (),
    members: Mapping[Key, Mapping[str, int]] | None = None,
) -> set[Key]:
    """
    The row keys that are suppressed. keys: of rows that may have no member. members: as counted already, if they were.

    Shape: row keys.
    Source: docs/rules/suppression.md
    """
    if not breakdown.is_protected():
        return set()

    def count(finer: Breakdown) -> Mapping[Key, int]:
        return count_sizes(finer, span, prefix, enough=breakdown.program.minimum_group)

    counted = {key: one["members_any"] for key, one in members.items()} if members else count(breakdown)
    return hidden_rows(breakdown, dict.fromkeys(keys, 0) | dict(counted), count)


class _Settled:
    """The tallies of every group over the settled window of its period; None where too few people stand behind one."""

    def __init__(self, breakdown: Breakdown, periods: Mapping[Key, Span], prefix: Prefix) -> None:
        self.breakdown = breakdown
        self.windows = {key: settled_span(span, breakdown.program.settlement_days) for key, span in periods.items()}
        rest = [name for name in breakdown.by if name not in TIME]
        self.is_by_time = len(rest) < len(breakdown.by)
        older = breakdown.again(["month", *rest] if self.is_by_time else rest, breakdown.where)
        spans = self.windows.values()
        span = Span(min(window.starts_date for window in spans), max(window.ends_date for window in spans))
        self.tallies = count_events(older, span, prefix)
        self.hidden: set[Key] = set()
        if breakdown.is_protected():
            self.hidden = find_hidden(older, span, prefix)

    def find(self, key: Key) -> Tally | None:
        """The settled tally that belongs to one row."""
        names = self.breakdown.by
        rest = tuple(part for name, part in zip(names, key, strict=True) if name not in TIME)
        window = self.windows[_time_of(self.breakdown, key)]
        older_key = (month_text(window.starts_date), *rest) if self.is_by_time else rest
        return None if older_key in self.hidden else self.tallies.get(older_key, Tally())


def checked_span(starts_date: date, ends_date: date) -> Span:
    """
    Program days as a span.

    Shape: one Span.
    Raises: InvalidInput - empty_period, period_too_long.
    """
    if starts_date >= ends_date:
        raise InvalidInput(
            "empty_period", f"The period from {starts_date} to {ends_date} has no day. Its end is the day after the last."
        )
    if (ends_date - starts_date).days > LONGEST_DAYS or starts_date.year < 1990 or ends_date.year > 2190:
        raise InvalidInput(
            "period_too_long", f"The period from {starts_date} to {ends_date} is too long. Ask for at most 20 years."
        )
    return Span(starts_date, ends_date)


def _periods(breakdown: Breakdown, span: Span) -> dict[Key, Span]:
    """The times that rows may have, as the row keys name them, each with its days."""
    times = [name for name in breakdown.by if name in TIME]
    if not times:
        return {(): span}
    periods: dict[Key, Span] = {}
    for month in months_between(span.starts_date, span.ends_date - timedelta(days=1)):
        inner = Span(max(month, span.starts_date), min(next_month(month), span.ends_date))
        if "day" not in times:
            periods[month_text(month),] = inner
            continue
        for offset in range((inner.ends_date - inner.starts_date).days):
            day = inner.starts_date + timedelta(days=offset)
            labels = {"month": month_text(month), "day": day.isoformat()}
            periods[tuple(labels[name] for name in times)] = Span(day, day + timedelta(days=1))
    return periods


def _time_of(breakdown: Breakdown, key: Key) -> Key:
    return tuple(part for name, part in zip(breakdown.by, key, strict=True) if name in TIME)


def _without_source(breakdown: Breakdown, key: Key) -> Key:
    return tuple("" if name == "source" else part for name, part in zip(breakdown.by, key, strict=True))


def _program_totals(breakdown: Breakdown, span: Span, prefix: Prefix, tallies: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """What the shares divide by: everything in the program, period by period."""
    if breakdown.where or SEGMENT in breakdown.by:
        times = [name for name in breakdown.by if name in TIME]
        return count_events(breakdown.again(times, {}), span, prefix, kind=Kind.REDEEMED)
    totals: dict[Key, Tally] = {}
    for key, tally in tallies.items():
        totals.setdefault(_time_of(breakdown, key), Tally()).add(tally)
    return totals
