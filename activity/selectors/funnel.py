"""The ordered funnel alone: it cannot be added up, so it is read from the ledger, and only by those who show it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from activity.selectors.breakdown import Breakdown
from activity.selectors.figures import Summary, checked_span, find_hidden
from activity.selectors.ledger import prefix_of
from activity.selectors.tallies import count_funnel
from partners.models import Program


def read_funnel(
    *,
    program: Program,
    starts_date: date,
    ends_date: date,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str]] | None = None,
    cutoff: int | None = None,
    recorded_stages: Sequence[str] | None = None,
) -> Summary:
    """
    How far member-offer pairs came whose first stage falls in the program days `[starts_date, ends_date)`.

    The arguments, the row keys and the suppression are those of `summarise`, whose funnel this is.

    Shape: one row for each group with a pair, by row key: the key, `suppressed`, `funnel` (a list of {"stage", "pairs",
    "members"}, None where suppressed); without a breakdown one row in any case.
    Raises: InvalidInput - as `summarise`.
    Source: docs/rules/funnel.md
    """
    span = checked_span(starts_date, ends_date)
    breakdown = Breakdown(program, tuple(by), dict(where or {}))
    stages = list(program.recorded_stages if recorded_stages is None else recorded_stages)
    prefix = prefix_of(program.pk, cutoff).from_ledger()
    funnels = count_funnel(breakdown, span, prefix, stages) or ({} if breakdown.by else {(): []})
    hidden = find_hidden(breakdown, span, prefix, funnels)
    rows: list[dict[str, Any]] = []
    for key, steps in sorted(funnels.items()):
        named = dict(zip(breakdown.by, key, strict=True))
        rows.append({**named, "suppressed": key in hidden, "funnel": None if key in hidden else steps})
    return Summary(prefix.number, prefix.sealed_at, stages, rows)
