"""The web part's worker: gunicorn's threads, with connections spread evenly over the processes."""

import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

PAUSE = 0.0002  # seconds for each connection that the process has already
MOST = 0.002


class EvenWorker(ThreadWorker):
    """
    Lets the process with the fewest connections take a new one.

    All processes wake up for a new connection, and the first one takes it. Where clients keep their connections, that would
    often be one process for all of them, while the other has nothing to do: so each waits the longer, the more it has.
    """

    def accept(self, listener: Any) -> None:
        """Take a connection, unless another process was faster."""
        if self.nr_conns:
            time.sleep(min(self.nr_conns * PAUSE, MOST))
        super().accept(listener)
