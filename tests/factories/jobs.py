"""Jobs for tests: planned through lib.jobs, run by handlers that a test registers for itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import plum_site.tasks  # noqa: F401 - registers every handler, as a worker does
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.models import Job


@contextmanager
def handling(name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Register a handler while the block runs."""
    jobs.handler(name)(function)
    try:
        yield
    finally:
        del jobs.HANDLERS[name]


def planned(at: datetime, key: str = "test.work:1", **changes: Any) -> Job:
    """A job that is due at `at`."""
    values: dict[str, Any] = {"name": "test.work", "key": key, "program_id": None, "arguments": {}, "due_at": at, "at": at}
    return jobs.plan(**(values | changes))


def run_due(at: datetime | None = None, **conditions: Any) -> list[str]:
    """Run the jobs that are due, in the order of their keys, as a worker would; how each ended."""
    due = Job.objects.filter(state=JobState.DUE, due_at__lte=at or jobs.database_now(), **conditions).order_by("key")
    return [jobs.run_job(job.pk, at) for job in due]
