"""The two Celery tasks, and the jobs of the roof itself. Importing this registers every handler and wakeable."""

import time
from typing import Any

import activity.tasks  # noqa: F401 - registers what it runs
import exports.tasks  # noqa: F401 - registers what it runs
import offers.tasks  # noqa: F401 - registers what it runs
import plum_site.lib.mail  # noqa: F401 - registers the channel
import reviews.tasks  # noqa: F401 - registers what it runs
from plum_site import schedule
from plum_site.celery import app
from plum_site.lib import jobs, kept_answers, outbox
from plum_site.verify import summarise_all

SHOW_SECONDS = 5
_shown = 0.0


def _show_worker() -> None:
    """Note that a worker works; at most every few seconds in each of its processes."""
    global _shown
    if time.monotonic() - _shown >= SHOW_SECONDS:
        _shown = time.monotonic()
        jobs.show_life("worker", jobs.database_now())


@app.task(name="plum.dispatch_due", ignore_result=True)
def dispatch_due(**_: Any) -> None:
    """Beat's one entry: make the jobs of dead workers due again, plan what the schedule says, wake who is needed."""
    _show_worker()
    schedule.dispatch_due()


@app.task(name="plum.run", ignore_result=True)
def run(*, job: int | None = None, name: str = "", ids: dict[str, int] | None = None, **_: Any) -> None:
    """Run one job by its id, or one wakeable by its name."""
    _show_worker()
    if job is not None:
        jobs.run_job(job)
    else:
        jobs.run_wakeable(name, ids or {})


@jobs.handler("plum.verify")
def verify(job: jobs.RunningJob, **_: Any) -> dict[str, Any]:
    """The nightly look at everything that must hold; its result is shown by the health page."""
    return summarise_all(progress=job.progress)


@jobs.handler("plum.prune_jobs")
def prune_jobs(job: jobs.RunningJob, **_: Any) -> dict[str, Any]:
    """Old done jobs go."""
    return {"removed": jobs.prune_jobs(at=job.at)}


@jobs.handler("plum.prune_answers")
def prune_answers(job: jobs.RunningJob, **_: Any) -> dict[str, Any]:
    """Answers that were kept for a day go."""
    return {"removed": kept_answers.prune(at=job.at)}


@jobs.wakeable(outbox.SEND)
def send_outbox(**_: Any) -> None:
    """Mail and webhooks that are due leave."""
    outbox.send_due()


@jobs.handler("plum.prune_outbox")
def prune_outbox(job: jobs.RunningJob, **_: Any) -> dict[str, Any]:
    """Old delivery attempts go, and what old messages said."""
    return outbox.prune(at=job.at)
