"""What workers do for the ledger: each is one service call, safe to run twice."""

from datetime import date
from typing import Any

from activity.services.import_checks import check_import
from activity.services.import_runs import apply_import
from activity.services.imports import APPLY, CHECK, expire_imports
from activity.services.partitions import prepare_partitions
from activity.services.quarantine import EXPIRE, REPLAY, RETRY
from activity.services.quarantine import expire_quarantine as expire_quarantine_now
from activity.services.replay import replay_quarantine as replay_quarantine_now
from activity.services.sealing import SEAL, seal_when_due
from plum_site.lib import jobs


@jobs.wakeable(SEAL)
def seal_ledger(*, program_id: int, **_: Any) -> None:
    """Seal what is not sealed yet, or come again in a second: equal wake-ups are sent no more often."""
    if not seal_when_due(program_id=program_id, at=jobs.database_now()):
        jobs.wake(SEAL, program_id=program_id)


@jobs.handler("activity.prepare_partitions")
def prepare(job: jobs.RunningJob, *, months: list[str], **_: Any) -> dict[str, Any]:
    """Make the partitions that events will need soon."""
    return {"made": prepare_partitions(months={date.fromisoformat(month) for month in months})}


@jobs.handler(CHECK)
def check_files(job: jobs.RunningJob, *, import_id: int, **_: Any) -> dict[str, Any]:
    """Say what files would do that somebody brought."""
    return check_import(import_id=import_id, at=job.at, progress=job.progress)


@jobs.handler(APPLY)
def apply_files(job: jobs.RunningJob, *, import_id: int, **_: Any) -> dict[str, Any]:
    """Apply files that somebody confirmed."""
    return apply_import(import_id=import_id, at=job.at, attempt=job.fence, progress=job.progress)


@jobs.wakeable("activity.expire_imports")
def expire_files(*, program_id: int, **_: Any) -> int:
    """Remove files that were brought a day ago."""
    return expire_imports(program_id=program_id, at=jobs.database_now())


@jobs.wakeable(REPLAY)
def replay_quarantine(*, program_id: int, **_: Any) -> dict[str, Any]:
    """Record what waited for people who have arrived."""
    return replay_quarantine_now(program_id=program_id, at=jobs.database_now())


@jobs.handler(RETRY)
def retry_quarantine(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, Any]:
    """Try everything again whose person is there, because somebody asked."""
    return replay_quarantine_now(program_id=program_id, at=job.at, with_refused=True, progress=job.progress)


@jobs.wakeable(EXPIRE)
def expire_quarantine(*, program_id: int, **_: Any) -> int:
    """Remove what has waited for 30 days."""
    return expire_quarantine_now(program_id=program_id, at=jobs.database_now())
