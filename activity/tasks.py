"""What workers do for the ledger: each is one service call, safe to run twice."""

from datetime import date
from typing import Any

from activity.services.partitions import prepare_partitions
from activity.services.sealing import seal_ledger as seal_ledger_now
from plum_site.lib import jobs


@jobs.wakeable("activity.seal_ledger")
def seal_ledger(*, program_id: int, **_: Any) -> int:
    """Seal what is not sealed yet."""
    return seal_ledger_now(program_id=program_id, at=jobs.database_now())


@jobs.handler("activity.prepare_partitions")
def prepare(job: jobs.RunningJob, *, months: list[str], **_: Any) -> dict[str, Any]:
    """Make the partitions that events will need soon."""
    return {"made": prepare_partitions(months={date.fromisoformat(month) for month in months})}
