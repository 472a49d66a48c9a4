"""What some members, or some units, did before and after an instant: the counts that effects are measured by."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from pyroaring import BitMap

from activity.choices import Kind
from activity.models import Member
from activity.rules import ArmCounts, stratum_of, tally_outcomes
from activity.selectors.breakdown import Breakdown
from activity.selectors.counts import count_by
from activity.selectors.figures import checked_span
from activity.selectors.ledger import prefix_of
from activity.selectors.tallies import OK, run
from partners.models import Program
from plum_site.lib.snapshot import snapshot

Span = tuple[date, date]  # program days, the second one exclusive


def iterate_member_keys(program_id: int, ids: BitMap) -> Iterator[tuple[int, bytes]]:
    """
    The keys of some members of a program, active or not; ids of anybody else are passed over.

    Shape: (member id, key of 16 bytes), by id.
    """
    if not ids:
        return
    rows = Member.objects.filter(program_id=program_id, id__gte=ids.min(), id__lte=ids.max()).order_by("id")
    for member_id, key in rows.values_list("id", "key").iterator():
        if member_id in ids:
            yield member_id, bytes(key)


def count_arms(
    *,
    program: Program,
    arms: Mapping[str, BitMap],
    kind: Kind,
    starts_date: date,
    window_days: int,
    where: Mapping[str, Sequence[str]] | None = None,
    without: Sequence[Span] = (),
    cutoff: int | None = None,
) -> dict[str, list[ArmCounts]]:
    """
    Confirmed events of one kind by the members of some arms, over `window_days` from a program day on, by how many they had in
    as many days before it. Members of no arm are not counted; those without an event are.

    without: program days of which nothing counts. where, cutoff: as `summarise`.
    Shape: arm to ArmCounts by stratum (`activity.rules.stratum_of`), the lowest first.
    Raises: as summarise.
    Source: docs/rules/effects.md
    """
    span = checked_span(starts_date - timedelta(days=window_days), starts_date + timedelta(days=window_days))
    breakdown = Breakdown(program, (), dict(where or {}))
    with snapshot():
        prefix = prefix_of(program.pk, cutoff)
        pieces = breakdown.pieces(span, prefix)
        conditions = pieces.where(
            prefix.condition(),
            f"e.kind = {int(kind)} AND e.status = {OK} AND e.member_id IS NOT NULL",
            *(f"(e.local_date < '{first.isoformat()}' OR e.local_date >= '{end.isoformat()}')" for first, end in without),
        )
        before = f"sum(CASE WHEN e.local_date < '{starts_date.isoformat()}' THEN 1 ELSE 0 END)"
        sql = (
            f"{pieces.with_clause()}SELECT e.member_id, {before}, count(*) FROM activity_event e {pieces.joins} "
            f"WHERE {conditions} GROUP BY e.member_id"
        )
        rows = run(sql, pieces.params, prefix)
    sizes: dict[str, dict[int, int]] = {arm: {0: len(members)} for arm, members in arms.items()}
    events: dict[str, list[tuple[int, int]]] = {arm: [] for arm in arms}
    for member_id, earlier, all_events in rows:
        for arm, members in arms.items():
            if member_id in members:
                stratum = stratum_of(int(earlier))
                sizes[arm][0] -= 1
                sizes[arm][stratum] = sizes[arm].get(stratum, 0) + 1
                events[arm].append((stratum, int(all_events) - int(earlier)))
    return {arm: tally_outcomes(sizes[arm], events[arm]) for arm in arms}


def count_periods(
    *,
    program: Program,
    unit: str,
    periods: Sequence[Sequence[Span]],
    where: Mapping[str, Sequence[str]] | None = None,
    cutoff: int | None = None,
) -> dict[str, list[dict[str, int]]]:
    """
    Numbers of events of every unit over some periods.

    periods: of each, its program days as one or more spans `[first, end)`. unit: a dimension of the figures, such as offer or
    member.region. where, cutoff: as `summarise`. Small groups are not hidden: what is made of these numbers must not show them.

    Shape: unit to one row of `count_by` for each period; a period without an event is an empty one. Units without any are left
    out.
    Raises: as summarise.
    Source: docs/rules/effects.md
    """
    found: dict[str, list[dict[str, int]]] = {}
    with snapshot():
        for place, spans in enumerate(periods):
            for first, end in spans:
                counted = count_by(program=program, starts_date=first, ends_date=end, by=[unit], where=where, cutoff=cutoff)
                for (key,), counts in counted.items():
                    row = found.setdefault(key, [{} for _ in periods])[place]
                    row.update({name: row.get(name, 0) + number for name, number in counts.items()})
    return dict(sorted(found.items()))
