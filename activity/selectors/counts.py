"""Plain numbers of events for whoever judges and does not show: nothing is suppressed, no rate is made."""

from collections.abc import Mapping, Sequence
from datetime import date

from activity.choices import Kind, Status
from activity.metrics import EVENT_COUNTS, Tally
from activity.selectors.breakdown import Breakdown
from activity.selectors.cells import count_events
from activity.selectors.figures import checked_span
from activity.selectors.ledger import prefix_of
from partners.models import Program
from plum_site.lib.snapshot import snapshot

FAILED = {"failed_unlocks": Kind.UNLOCKED, "failed_activations": Kind.ACTIVATED, "failed_redemptions": Kind.REDEEMED}


def count_by(
    *,
    program: Program,
    starts_date: date,
    ends_date: date,
    by: Sequence[str],
    where: Mapping[str, Sequence[str]] | None = None,
    cutoff: int | None = None,
) -> dict[tuple[str, ...], dict[str, int]]:
    """
    How many events of each kind there were over the program days `[starts_date, ends_date)`, group by group.

    by, where, cutoff: as `summarise`. Small groups are not hidden: what is made of these numbers must not show them.

    Shape: row key to {count metric or one of FAILED: events}; groups without an event are left out.
    Raises: as summarise.
    """
    breakdown = Breakdown(program, tuple(by), dict(where or {}))
    with snapshot():
        tallies = count_events(breakdown, checked_span(starts_date, ends_date), prefix_of(program.pk, cutoff))
    return {key: as_counts(tally) for key, tally in tallies.items()}


def as_counts(tally: Tally) -> dict[str, int]:
    """
    The numbers of events in a tally.

    Shape: {count metric or one of FAILED: events}.
    """
    counts = {key: tally.events.get((kind, Status.CONFIRMED), 0) for key, kind in EVENT_COUNTS.items()}
    failed = {key: tally.events.get((kind, Status.FAILED), 0) for key, kind in FAILED.items()}
    done = counts["unlocks"] + counts["activations"] + counts["redemptions"]
    return {
        **counts,
        **failed,
        "failures": sum(count for (_, status), count in tally.events.items() if status == Status.FAILED),
        "attempts": done + sum(failed.values()),
        "reversals": tally.events.get((Kind.REDEEMED, Status.REVERSED), 0),
    }
