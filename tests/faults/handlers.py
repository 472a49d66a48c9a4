"""What the workers of fault tests run: a job that takes a while and leaves one line when it begins and one when it ends."""

import os
import time
from pathlib import Path
from typing import Any

from plum_site.lib import jobs

TICK = 0.05


def note(file: str, key: str) -> None:
    """Append one line, whole or not at all."""
    handle = os.open(Path(os.environ["PLUM_LAB"]) / file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, f"{key}\n".encode())
    os.close(handle)


@jobs.handler("test.effect")
def take_effect(job: jobs.RunningJob, *, key: str, seconds: float, **_: Any) -> dict[str, Any]:
    """Work for so long, then do the one thing that must not happen twice."""
    note("starts", key)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job.progress(1, 2, "working")
        time.sleep(TICK)
    note("effects", key)
    return {"pid": os.getpid()}


@jobs.handler("test.die")
def die(job: jobs.RunningJob, *, key: str, **_: Any) -> None:
    """Take the process down without a word, as a fault in a C library would."""
    note("starts", key)
    os.kill(os.getpid(), 9)


def plan_effects(count: int, seconds: float) -> None:
    """Plan so many jobs that are due now."""
    at = jobs.database_now()
    for number in range(count):
        key = f"test.effect:{number}"
        arguments = {"key": key, "seconds": seconds}
        jobs.plan(name="test.effect", key=key, program_id=None, arguments=arguments, due_at=at, at=at)


def plan_poison() -> None:
    """Plan one job that kills its worker, with two attempts."""
    at = jobs.database_now()
    key = "test.die:0"
    jobs.plan(name="test.die", key=key, program_id=None, arguments={"key": key}, due_at=at, at=at, max_attempts=2)
