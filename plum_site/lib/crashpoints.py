"""
Places where a process can be made to die on the spot, so that tests can say what survives.

A place costs one call of an empty function, which is why it stands once per request, transaction or job and never per
event. Only where development settings name a folder (PLUM_CRASH_POINTS) is anything looked up: the first process that
comes by a place whose name is a file in that folder takes the file away and ends, as after kill -9, without a word. A number
in the file is how many may go by before.
Production settings refuse to start with the variable.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings

STATUS = 137  # what a shell shows after kill -9


def _go_on(name: str) -> None:
    """Nothing: no place is armed."""


def _die_if_armed(folder: str, name: str) -> None:
    """End this process if the place is armed; whoever renames the file first is the one that dies."""
    armed = Path(folder) / name
    try:
        may_pass = int(armed.read_text(encoding="ascii") or 0)
        if may_pass:
            armed.write_text(str(may_pass - 1), encoding="ascii")
            return
        armed.rename(armed.with_name(f"{name}.died"))
    except FileNotFoundError:
        return
    os._exit(STATUS)


def choose(folder: str) -> Callable[[str], None]:
    """What `crashpoint` is in a process whose settings name this folder; empty where they name none."""
    return partial(_die_if_armed, folder) if folder else _go_on


crashpoint = choose(getattr(settings, "CRASH_POINTS", ""))  # only development settings have it
