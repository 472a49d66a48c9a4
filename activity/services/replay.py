"""Recording what waited in quarantine, once the person is there: the same path, the same identity, one step at a time."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from activity.choices import Origin, Outcome
from activity.models import QuarantinedEvent
from activity.selectors.quarantine import find_ready
from activity.services.mixed import record_mixed
from activity.services.partitions import prepare_partitions
from activity.services.quarantine import open_quarantined
from partners.models import Program

AT_ONCE = 1000


def replay_quarantine(
    *,
    program_id: int,
    at: datetime,
    with_refused: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Any]:
    """
    Record what waits although its person is there; how many had which outcome, and why what was refused was.

    A step records up to 1,000 and removes them in one transaction, so that a crash leaves each either waiting or recorded;
    what was recorded otherwise meanwhile is a duplicate. What is not taken keeps waiting, with its reason, until somebody
    tries again, discards it, or it expires. with_refused: try that too.
    Raises: nothing of its own.
    Writes: what `record_mixed` writes; activity_quarantinedevent. One transaction each step.
    """
    program = Program.objects.get(pk=program_id)
    total = find_ready(program, with_refused=with_refused).count()
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    after = done = 0
    while ids := list(find_ready(program, with_refused=with_refused).filter(pk__gt=after).values_list("pk", flat=True)[:AT_ONCE]):
        results = _replay_some(program, ids, at)
        outcomes.update(str(outcome) for outcome, _ in results)
        reasons.update(code for _, code in results if code)
        after, done = ids[-1], done + len(ids)
        progress(done, max(total, done), "events tried again")
    return {**{str(outcome): outcomes[outcome] for outcome in Outcome}, "reasons": dict(sorted(reasons.items()))}


def _replay_some(program: Program, ids: list[int], at: datetime) -> list[tuple[Outcome, str]]:
    """One step: outcome and reason of each that still waited."""
    # Before the transaction, because making a partition locks the ledger for as long as its transaction is open.
    rows = QuarantinedEvent.objects.filter(pk__in=ids)
    said = {row.pk: open_quarantined(program=program, row=row) for row in rows}
    prepare_partitions(months={one.occurred_at.date().replace(day=1) for one in said.values()})
    with transaction.atomic():
        locked = list(rows.select_for_update(skip_locked=True).order_by("pk"))  # another worker has the others
        receipt = record_mixed(
            program=program, items=[said[row.pk] for row in locked], origin=Origin.QUARANTINE, at=at, keeps_strangers=False
        )
        recorded, refused = [], []
        for row, result in zip(locked, receipt.results, strict=True):
            if result.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE):
                recorded.append(row.pk)
            elif result.code != "unknown_member":  # who left between two statements is waited for again
                row.refusal_code, row.tried_at = result.code, at
                refused.append(row)
        QuarantinedEvent.objects.filter(pk__in=recorded).delete()
        QuarantinedEvent.objects.bulk_update(refused, ["refusal_code", "tried_at"], batch_size=200)
    return [(result.outcome, result.code) for result in receipt.results]
