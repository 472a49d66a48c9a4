"""
Wake-ups: messages that tell a worker to look into the database now instead of at the next sweep.

They are sent by a thread of their own, so that a broker that is slow, full or gone costs the caller nothing. Equal
ones that wait together are sent once, and no more often than twice a second: the first at once, what follows later.
None is ever needed: what is due stands in the database, and the sweep of `lib.jobs` finds it.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery import current_app
from kombu import Connection

RUN_TASK = "plum.run"
URGENT, ORDINARY = 0, 6  # Redis takes the lower number first: sealing overtakes long jobs
GATHER_SECONDS = 0.05  # equal wake-ups within it are one message
PAUSE_SECONDS = 0.5  # between two equal messages: a thousand commits a second are no thousand messages
PATIENCE_SECONDS = 0.2  # for the broker, and for the thread when the process ends

log = logging.getLogger("plum.wakeups")


def _open_connection() -> Connection:
    """One connection to the broker that gives up at once where nobody answers."""
    short = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    timeouts = {"socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS}
    return current_app.connection_for_write(connect_timeout=PATIENCE_SECONDS, transport_options=short | timeouts)


def send_to_broker(messages: list[tuple[dict[str, Any], int]]) -> None:
    """Send each message once over one connection; raises what the broker client raises."""
    with _open_connection() as connection:
        for arguments, priority in messages:
            current_app.send_task(RUN_TASK, kwargs=arguments, priority=priority, connection=connection, retry=False)


def broker_fault() -> str:
    """Why the broker does not answer; empty where it does."""
    try:
        with _open_connection() as connection:
            connection.default_channel.client.ping()
    except Exception as error:  # whatever broker and client may raise
        return str(error) or type(error).__name__
    return ""


class Sender:
    """Collects wake-ups and sends them from one daemon thread per process, started at first need (also after a fork)."""

    def __init__(self, send: Callable[[list[tuple[dict[str, Any], int]]], None] = send_to_broker) -> None:
        self._send = send
        self._reset()

    def _reset(self) -> None:
        self._waiting: dict[str, tuple[dict[str, Any], int]] = {}
        self._sent_at: dict[str, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_sending = False
        self._is_ending = False

    def add(self, arguments: dict[str, Any], priority: int = ORDINARY) -> None:
        """Have one wake-up sent soon; returns at once and never raises."""
        with self._changed:
            self._waiting[repr(sorted(arguments.items()))] = (arguments, priority)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="wakeups", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until nothing waits to be sent, at most so long; whether that was reached."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            is_empty = self._changed.wait_for(lambda: not self._waiting and not self._is_sending, timeout=seconds)
            self._is_ending = False
        return is_empty

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                self._changed.wait_for(lambda: self._is_ending, timeout=GATHER_SECONDS)
                messages = self._take()
                if not messages:
                    continue
                self._is_sending = True
            try:
                self._send(messages)
            except Exception as error:  # any fault of broker or client: the sweep makes up for it
                log.debug("%s wake-ups not sent, the sweep will find the work: %s", len(messages), error)
            with self._changed:
                self._is_sending = False
                self._changed.notify_all()

    def _take(self) -> list[tuple[dict[str, Any], int]]:
        """What may be sent now: everything, except for what its equal was sent within PAUSE_SECONDS."""
        now = monotonic()
        self._sent_at = {key: at for key, at in self._sent_at.items() if at > now - PAUSE_SECONDS}
        due = [key for key in self._waiting if self._is_ending or key not in self._sent_at]
        self._sent_at |= dict.fromkeys(due, now)
        return [self._waiting.pop(key) for key in due]


SENDER = Sender()
atexit.register(SENDER.flush)
os.register_at_fork(after_in_child=SENDER._reset)  # threads do not survive a fork
