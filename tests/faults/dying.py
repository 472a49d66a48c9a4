"""Workers that are meant to die, many for one start of Python, and those that begin when others do."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.urls import get_resolver


def die_at(point: str, work: Callable[[], object], may_pass: int = 0) -> int:
    """Do the work in a worker of its own with one place armed, after so many passes; the status with which it ended."""
    armed = Path(settings.CRASH_POINTS) / point
    armed.write_text(str(may_pass or ""), encoding="ascii")
    _loaded = get_resolver().url_patterns  # once, and not by each process that is forked
    connections.close_all()  # each opens its own
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    armed.unlink(missing_ok=True)  # of one that did not come by; nobody else is to die of it
    return status


def wait_to_begin() -> None:
    """Say `ready` and wait to be told, by `tests.faults.checker.call_at_once`."""
    print("ready", flush=True)
    sys.stdin.readline()
