"""
Settings of a lab that lives at another time than this machine, so that a month passes in a moment for all its processes.

Only `Lab.travel` uses them. The clock of the code is read here, before anything imports it; PostgreSQL is told the same.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from plum_site.lib import clock
from plum_site.settings.dev import *  # noqa: F403

SHIFT = Path(os.environ["PLUM_LAB"]) / "clock"  # how many seconds the lab is ahead of this machine
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},  # nothing is collected for a lab
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

here = clock.now


def now() -> datetime:
    """The present instant of the lab."""
    return here() + timedelta(seconds=float(SHIFT.read_text(encoding="ascii")))


clock.now = now
