"""Webhooks through a real worker to a receiver that knows the public specification alone (F24, I22)."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from plum_site.lib.outbox import LEASE
from tests.faults import receiver as receiver_script
from tests.faults.lab import ROOT, Lab, free_port, wait_for
from tests.support.receivers import answers_on, raw_server

pytestmark = pytest.mark.faults

SOON = 5.0  # seconds from commit to receipt
PATIENCE = 60  # a pause of nine seconds and a sweep of ten; the rest for a busy machine


class Hooks:
    """A lab with broker, beat and worker, and a receiver that can be started and killed."""

    def __init__(self, lab: Lab, *more_urls: str) -> None:
        self.lab, self.port = lab, free_port()
        self.secrets, self.log, self.times = (lab.folder / name for name in ("secrets", "received", "committed"))
        self.call("make_endpoints", str(self.secrets), f"http://127.0.0.1:{self.port}/main", *more_urls)
        lab.start_broker()
        lab.start_beat()
        lab.start_worker()
        wait_for(lambda: "ready." in lab.log("worker"), "the worker")

    def call(self, function: str, *values: object) -> None:
        """Run one function of tests/faults/webhooks.py in a process of the lab."""
        code = f"import django; django.setup(); from tests.faults import webhooks; webhooks.{function}{values!r}"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=self.lab.environment, check=True)

    def start_receiver(self, *answers: str) -> None:
        """A process of its own; returns when it listens."""
        script = str(Path(receiver_script.__file__))
        self.lab.start("receiver", [sys.executable, script, str(self.port), str(self.secrets), str(self.log), *answers])
        wait_for(lambda: answers_on(self.port), "the receiver")

    def tell(self, first: int, count: int) -> None:
        self.call("tell", str(self.times), first, count)

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def committed(self) -> dict[str, float]:
        known: dict[str, float] = json.loads(self.times.read_text())
        return known

    def messages(self) -> list[tuple[Any, ...]]:
        return self.lab.query("SELECT state, attempts, error FROM plum_outbox WHERE channel = 'webhook' ORDER BY id")


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's processes may call receivers on this machine."""
    monkeypatch.setenv("PLUM_EGRESS_HTTP", "1")
    monkeypatch.setenv("PLUM_EGRESS_NETWORKS", "127.0.0.1/32")


def test_every_message_is_verified_by_the_public_package_within_five_seconds(lab: Lab, loopback: None) -> None:
    """Beside an endpoint that drips its answer for ever, which holds up nobody else."""

    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        for _ in range(200):
            line.sendall(b"x")
            time.sleep(0.1)

    with raw_server(drip) as port:
        hooks = Hooks(lab, f"http://127.0.0.1:{port}/drip")
        hooks.start_receiver("204")
        for first in (0, 6, 12):
            hooks.tell(first, 6)
            time.sleep(1)
        wait_for(lambda: len(hooks.received()) >= 18, lambda: f"18 messages: {hooks.messages()}", 30)
        time.sleep(2)
        received, committed = hooks.received(), hooks.committed()

    assert [line["message"]["type"] for line in received] == ["partner.flagged"] * 18, "verified"
    assert all(line["tamper_seen"] for line in received)
    assert sorted(line["message"]["data"]["partner"] for line in received) == sorted(committed)
    assert len({line["id"] for line in received}) == 18
    late = [line["at"] - committed[line["message"]["data"]["partner"]] for line in received]
    print(f"from commit to receipt: median {sorted(late)[9]:.2f} s, longest {max(late):.2f} s")
    assert max(late) < SOON


def test_a_receiver_that_was_down_or_busy_gets_its_message_and_one_that_is_gone_no_more(lab: Lab, loopback: None) -> None:
    hooks = Hooks(lab)
    hooks.tell(0, 1)
    wait_for(lambda: "could not be reached" in hooks.messages()[0][2], lambda: f"a first attempt: {hooks.messages()}")

    hooks.start_receiver("204", "503@9", "204", "410")
    wait_for(lambda: hooks.messages()[0][0] == "sent", lambda: f"another attempt: {hooks.messages()}", PATIENCE)
    assert hooks.messages()[0][1] == 2

    hooks.tell(1, 1)
    wait_for(lambda: hooks.messages()[1][0] == "sent", lambda: f"a busy receiver: {hooks.messages()}", PATIENCE)
    busy, patient = hooks.received()[1:]
    assert busy["id"] == patient["id"]
    assert patient["at"] - busy["at"] >= 9, "as long as it asked for"

    hooks.tell(2, 1)
    wait_for(lambda: hooks.messages()[2][0] == "dead", lambda: f"410: {hooks.messages()}")
    hooks.tell(3, 1)

    assert [line["message"]["type"] for line in hooks.received()] == ["partner.flagged"] * 4, "all verified"
    assert len(hooks.messages()) == 3, "nothing is queued for a disabled endpoint"
    assert lab.query("SELECT state, changed_by FROM exports_webhookendpoint") == [("disabled", "system")]
    lab.manage("verify", "jobs")


@pytest.mark.long
def test_a_worker_killed_while_it_sends_repeats_the_message_once_under_its_id(lab: Lab, loopback: None) -> None:
    hooks = Hooks(lab)
    hooks.start_receiver("204+6", "204")
    hooks.tell(0, 1)
    wait_for(lambda: len(hooks.received()) == 1, lambda: f"the message: {hooks.messages()}")
    lab.kill("worker")
    assert hooks.messages()[0][0] == "waiting", "nobody knows that it arrived"
    lab.start_worker()

    wait_for(
        lambda: hooks.messages()[0][0] == "sent", lambda: f"another attempt: {hooks.messages()}", LEASE.total_seconds() + PATIENCE
    )

    first, second = hooks.received()
    assert (first["id"], first["message"]) == (second["id"], second["message"])
    assert lab.query("SELECT status FROM plum_outboxattempt ORDER BY id") == [("later",), ("ok",)]
