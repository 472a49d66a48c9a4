"""The scheduler of `celery beat`: keeps nothing, sends at once when it starts, and shows that it lives."""

import time
from typing import Any

from celery.beat import Scheduler as CeleryScheduler
from celery.utils.log import get_logger
from django.db import DatabaseError, connection

from plum_site.lib import jobs

SHOW_SECONDS = 5

log = get_logger(__name__)


class Scheduler(CeleryScheduler):
    """
    Celery's own scheduler without its file: what ran when stands in the database, so a lost memory loses nothing.

    Two of them are harmless: the sweep itself lets only the first of two messages through.
    """

    _shown = 0.0

    def setup_schedule(self) -> None:
        """Take the table from the settings; its entries are due now, not only after their first interval."""
        super().setup_schedule()
        for entry in self.schedule.values():
            entry.last_run_at = entry.schedule.now().replace(year=2000)

    def tick(self, *args: Any, **options: Any) -> float:
        """One round: show that beat lives, then send what is due."""
        if time.monotonic() - self._shown >= SHOW_SECONDS:
            self._shown = time.monotonic()
            try:
                jobs.show_life("beat", jobs.database_now())
            except DatabaseError as error:
                log.warning("beat cannot reach the database, trying again: %s", error)
                connection.close()
        interval: float = super().tick(*args, **options)
        return min(interval, SHOW_SECONDS)
