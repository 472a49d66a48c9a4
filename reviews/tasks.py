"""What workers do for the monthly review: each is one service call, safe to run twice."""

from datetime import date
from typing import Any

from plum_site.lib import jobs
from plum_site.lib.audit import SYSTEM
from reviews.services import consolidate_cycle


@jobs.handler("reviews.consolidate_month")
def consolidate_month(job: jobs.RunningJob, *, program_id: int, month: str, **_: Any) -> dict[str, Any]:
    """Score every partner of one program for one month."""
    month_start_date = date.fromisoformat(month)
    cycle = consolidate_cycle(
        program_id=program_id, month_start_date=month_start_date, actor=SYSTEM, at=job.at, progress=job.progress
    )
    return {"cycle": cycle.pk, "state": cycle.state, "digest": cycle.digest}
