"""
Large requests, one at a time in each process.

Until a request is answered, what is made of its body takes ten times the body's size: with a turn for each, a process needs
that once, not once for each of its threads. Nobody waits longer for it, as Python does one thing at a time anyway
(docs/adr/0012-the-ingest-path.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.http import HttpRequest

from activity.api.bodies import read_bytes, read_encoding, read_media_type

SMALL_BODY = 64 * 1024
INFLATES = 16  # times, at most, as a rule: events look alike

_turn = Lock()


@contextmanager
def turn_of(request: HttpRequest) -> Iterator[None]:
    """
    The turn of a request that sends events, once all of it has arrived: a slow sender keeps nobody waiting. One with a small
    body needs none.

    Raises: Problem 411, 413 or 415, as reading the body does.
    """
    read_media_type(request)
    size = len(read_bytes(request)) * (INFLATES if read_encoding(request) else 1)
    if size <= SMALL_BODY:
        yield
        return
    with _turn:
        yield
