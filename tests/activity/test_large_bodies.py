"""Large requests have turns: one at a time, whoever still sends holds nobody up, and a fault gives the turn on."""

import io
import json
import threading
from contextlib import ExitStack

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from activity.api.large_bodies import INFLATES, SMALL_BODY, turn_of
from plum_site.lib.problems import Problem
from tests.factories.events import make_event

SMALL = json.dumps(make_event()).encode()
LARGE = SMALL.ljust(SMALL_BODY + 1)
SOON, LATE = 0.3, 20


def request_of(body: bytes, headers: dict[str, str] | None = None, **environ: object) -> WSGIRequest:
    kind = "application/cloudevents+json"
    return RequestFactory().post("/api/v1/events", body, content_type=kind, headers=headers, **environ)


class Sender:
    """A request on a thread of its own, which stays in its turn until `leave` is called."""

    def __init__(self, request: WSGIRequest) -> None:
        self.request, self.entered, self.may_leave = request, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        with turn_of(self.request):
            self.entered.set()
            self.may_leave.wait(LATE)

    def leave(self) -> None:
        self.may_leave.set()
        self.thread.join(LATE)


COMPRESSED = {"Content-Encoding": "zstd"}  # which is looked at in its turn, not before


@pytest.mark.parametrize(("size", "headers"), [(SMALL_BODY + 1, {}), (SMALL_BODY // INFLATES + 1, COMPRESSED)])
def test_a_second_large_request_waits_and_a_small_one_does_not(size: int, headers: dict[str, str]) -> None:
    with ExitStack() as senders:
        first = Sender(request_of(LARGE))
        senders.callback(first.leave)
        assert first.entered.wait(LATE)
        second, small = Sender(request_of(b" " * size, headers)), Sender(request_of(SMALL, headers))
        senders.callback(second.leave)
        senders.callback(small.leave)
        assert small.entered.wait(LATE)
        assert not second.entered.wait(SOON)
        first.leave()
        assert second.entered.wait(LATE)


def test_who_still_sends_holds_nobody_up() -> None:
    arrived = threading.Event()

    class SlowBody(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            arrived.wait(LATE)
            return super().read(size)

    slow, other = Sender(request_of(LARGE, **{"wsgi.input": SlowBody(LARGE)})), Sender(request_of(LARGE))
    try:
        assert other.entered.wait(LATE)
        assert not slow.entered.is_set()
        other.leave()
        arrived.set()
        assert slow.entered.wait(LATE)
    finally:
        arrived.set()
        other.leave()
        slow.leave()


def test_a_small_body_that_says_it_is_not_compressed_needs_no_turn() -> None:
    first = Sender(request_of(LARGE))
    try:
        assert first.entered.wait(LATE)
        plain = Sender(request_of(b" " * SMALL_BODY, {"Content-Encoding": "Identity"}))
        assert plain.entered.wait(LATE)
        plain.leave()
    finally:
        first.leave()


def test_a_fault_gives_the_turn_on() -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turn_of(request_of(LARGE)):
            raise ZeroDivisionError


def test_what_cannot_be_read_is_refused_before_its_turn() -> None:
    wrong = RequestFactory().post("/api/v1/events", LARGE, content_type="text/plain")
    first = Sender(request_of(LARGE))
    try:
        assert first.entered.wait(LATE)
        with pytest.raises(Problem) as refused, turn_of(wrong):
            pass
        assert refused.value.status == 415
    finally:
        first.leave()
