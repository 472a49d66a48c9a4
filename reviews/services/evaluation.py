"""The running month, followed while it runs: evaluated soon after events of it were sealed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from activity.services.loading import loading_mark
from partners.models import Program
from plum_site.lib import jobs
from plum_site.lib.audit import SYSTEM
from reviews.models import ReviewCycle
from reviews.selectors import find_month_to_evaluate
from reviews.services.cycles import consolidate_cycle

EVALUATE = "reviews.evaluate_month"
EVALUATION_GAP = timedelta(seconds=2)  # between two evaluations of one program


def plan_evaluation(*, program_id: int, at: datetime) -> bool:
    """
    Have a program's running month evaluated, if events of it were sealed that its review does not count yet.

    One job a program, which runs again and again and never twice at once: a burst of events leads to one evaluation now and
    one after it. False where it must be asked again in a moment. Nothing while a folder is being loaded.

    Raises: nothing.
    Writes: plum_job.
    Source: docs/rules/flag-lifecycle.md
    """
    program = Program.objects.get(pk=program_id)
    if jobs.is_busy(loading_mark(program_id), at) or find_month_to_evaluate(program, at) is None:
        return True
    return jobs.plan_again(
        name=EVALUATE,
        key=f"{EVALUATE}:{program_id}",
        program_id=program_id,
        arguments={"program_id": program_id},
        at=at,
        gap=EVALUATION_GAP,
    )


def evaluate_running_month(
    *, program_id: int, at: datetime, progress: Callable[[int, int, str], Any] | None = None
) -> ReviewCycle | None:
    """
    Consolidate a program's running month with what is sealed by now; None where there is nothing new in it.

    Raises: as consolidate_cycle.
    Writes: what consolidate_cycle writes.
    Source: docs/rules/flag-lifecycle.md
    """
    month = find_month_to_evaluate(Program.objects.get(pk=program_id), at)
    if month is None:
        return None
    return consolidate_cycle(program_id=program_id, month_start_date=month, actor=SYSTEM, at=at, progress=progress)
