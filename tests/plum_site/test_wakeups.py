"""Wake-ups cost the caller nothing, whatever the broker does; equal ones are sent once."""

import socket
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from plum_site.celery import app
from plum_site.lib import wakeups
from plum_site.lib.wakeups import Sender

pytestmark = pytest.mark.slow

Messages = list[tuple[dict[str, Any], int]]


def test_equal_wake_ups_that_wait_together_are_sent_once() -> None:
    sent: Messages = []
    collected = Sender(sent.extend)

    for _ in range(50):
        collected.add({"name": "activity.seal_ledger", "ids": {"program_id": 1}}, 0)
    collected.add({"job": 5})

    assert collected.flush(5)
    assert sent == [({"name": "activity.seal_ledger", "ids": {"program_id": 1}}, 0), ({"job": 5}, wakeups.ORDINARY)]


def test_a_wake_up_during_the_sending_of_its_equal_is_sent_again() -> None:
    """What it stands for may have come after the first was looked at."""
    sent: Messages = []
    is_sending, may_go_on = threading.Event(), threading.Event()

    def send(messages: Messages) -> None:
        sent.extend(messages)
        is_sending.set()
        may_go_on.wait(5)

    collected = Sender(send)
    collected.add({"job": 1})
    assert is_sending.wait(5)
    collected.add({"job": 1})
    may_go_on.set()

    assert collected.flush(5)
    assert sent == [({"job": 1}, wakeups.ORDINARY)] * 2


def test_equal_wake_ups_one_after_the_other_are_sent_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, and the last is never dropped: somebody waits for what it stands for."""
    monkeypatch.setattr(wakeups, "PAUSE_SECONDS", 0.5)
    sent: list[float] = []
    busy = Sender(lambda messages: sent.extend([time.monotonic()] * len(messages)))
    began = time.monotonic()

    while time.monotonic() - began < 0.8:
        busy.add({"name": "activity.seal_ledger", "ids": {"program_id": 1}})
        time.sleep(0.01)
    time.sleep(0.7)

    assert len(sent) == 3
    assert sent[0] - began < 0.4
    assert all(after - before >= 0.45 for before, after in pairwise(sent))


def test_others_do_not_wait_for_the_pause_of_one() -> None:
    sent: Messages = []
    collected = Sender(sent.extend)

    for number in range(4):
        collected.add({"job": number})
        time.sleep(0.15)

    assert len(sent) == 4


def test_a_broker_that_fails_is_not_noticed_by_the_caller_and_the_next_wake_up_is_sent() -> None:
    sent: Messages = []

    def send(messages: Messages) -> None:
        if messages[0][0] == {"job": 1}:
            raise ConnectionError("the broker is gone")
        sent.extend(messages)

    failing = Sender(send)
    failing.add({"job": 1})
    assert failing.flush(5)
    failing.add({"job": 2})
    assert failing.flush(5)

    assert [message for message, _ in sent] == [{"job": 2}]


def test_a_broker_that_hangs_holds_nobody_up() -> None:
    release = threading.Event()
    hanging = Sender(lambda messages: bool(release.wait(10)))
    began = time.monotonic()

    for number in range(1000):
        hanging.add({"job": number})
    assert time.monotonic() - began < 1
    assert hanging.flush(0.2) is False
    assert time.monotonic() - began < 1.5
    release.set()


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Point the Celery application elsewhere while a test runs."""
    real = app.connection_for_write
    return lambda url: monkeypatch.setattr(app, "connection_for_write", lambda **options: real(url=url, **options))


def test_no_socket_nobody_listening_and_a_mute_broker_are_given_up_quickly(broker_at: Any, tmp_path: Path) -> None:
    broker_at(f"redis+socket://{tmp_path / 'none.sock'}")
    wakeups.broker_fault()  # the first one loads the client
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(8)
        for url in (
            f"redis+socket://{tmp_path / 'none.sock'}",
            "redis://127.0.0.1:1/0",
            f"redis+socket://{tmp_path / 'mute.sock'}",
        ):
            broker_at(url)
            began = time.monotonic()

            assert wakeups.broker_fault()
            with pytest.raises(Exception, match=r"."):
                wakeups.send_to_broker([({"job": 1}, 6)])

            assert time.monotonic() - began < 2, url


def test_messages_carry_ids_as_json_and_nothing_else() -> None:
    assert settings.CELERY_TASK_SERIALIZER == "json"
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert wakeups.current_app.conf.accept_content == ["json"]


def test_a_thread_that_never_loaded_the_application_sends_to_the_same_broker() -> None:
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(wakeups.current_app.conf.broker_url))
    thread.start()
    thread.join()

    assert seen == [settings.REDIS_URL]
