"""What workers do for the monthly review: each is one service call, safe to run twice."""

from datetime import date
from typing import Any

from plum_site.lib import jobs
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import User
from reviews.services import consolidate_cycle


@jobs.handler("reviews.consolidate_month")
def consolidate_month(
    job: jobs.RunningJob, *, program_id: int, month: str, asked_by: int | None = None, **_: Any
) -> dict[str, Any]:
    """Score every partner of one program for one month. asked_by: the person who asked for it by hand."""
    month_start_date = date.fromisoformat(month)
    person = User.objects.filter(pk=asked_by).first() if asked_by is not None else None
    actor = person or SYSTEM
    cycle = consolidate_cycle(
        program_id=program_id, month_start_date=month_start_date, actor=actor, at=job.at, progress=job.progress
    )
    return {"cycle": cycle.pk, "state": cycle.state, "digest": cycle.digest}
