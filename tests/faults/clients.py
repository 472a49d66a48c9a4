"""
Clients that send events until each is acknowledged, whatever happens, and keep what was acknowledged in a file of
their own, synced before the next request. The ledger is compared with these files, never with what the server says.
"""

import http.client
import json
import os
import threading
import time
from collections import Counter
from random import Random
from typing import Any

from tests.faults.events import as_cloud_event, make_event
from tests.faults.lab import Lab, wait_for

TAKEN = {"accepted", "duplicate"}
PATIENCE = 60.0  # seconds in which a request has to be acknowledged at last
PAUSE = 0.05  # before it sends again
THINKING = 0.02  # between batches: the machine is not to be busy with the clients


class Client(threading.Thread):
    """
    One source: sends batches of new events, now and then one that was acknowledged before, until it is told to stop.

    `answers` counts statuses ("cut" where there was no answer), `outcomes` what became of events, `longest` is the
    longest wait for one answer, `fault` why it gave up.
    """

    def __init__(self, lab: Lab, token: str, source: str, *, size: int = 20, port: int = 0) -> None:
        super().__init__(name=source)
        self.source, self.size, self.port = source, size, port or lab.port
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
        self.file = lab.folder / f"{source}.acknowledged"
        self.answers: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.acknowledged, self.last_success, self.longest, self.retry_after = 0, 0.0, 0.0, set[str]()
        self.fault = ""
        self.bodies: list[str] = []  # of answers that nobody expects
        self._line: http.client.HTTPConnection | None = None
        self._ends = threading.Event()
        self._chance = Random(source)

    def run(self) -> None:
        """Send until told to stop."""
        number = 0
        try:
            while not self._ends.is_set():
                self.deliver([make_event(self.source, number + place) for place in range(self.size)])
                if number and self._chance.random() < 0.1:
                    start = self._chance.randrange(number)
                    again = self.deliver([make_event(self.source, n) for n in range(start, min(start + self.size, number))])
                    assert set(again) == {"duplicate"}, f"acknowledged before, and now {again}"
                number += self.size
                self._ends.wait(THINKING)
        except Exception as error:  # told by `stop`, in the thread of the test
            self.fault = f"{type(error).__name__}: {error}"
        finally:
            self.close()

    def deliver(self, events: list[dict[str, Any]]) -> Counter[str]:
        """Send one batch until it is acknowledged; the outcomes of its events."""
        until = time.monotonic() + PATIENCE
        while True:
            began = time.monotonic()
            answer = self.post(events)
            self.longest = max(self.longest, time.monotonic() - began)
            if answer is not None:
                outcomes = self.note(events, answer)
                self.last_success = began
                return outcomes
            if time.monotonic() > until:
                raise TimeoutError(f"{self.source}: nothing was acknowledged for {PATIENCE:.0f} s: {dict(self.answers)}")
            time.sleep(PAUSE)

    def post(self, events: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Send one batch once; the answer, or None where there was none or it said to try again."""
        body = json.dumps([as_cloud_event(event) for event in events])
        try:
            self._line = self._line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            self._line.request("POST", "/api/v1/events?results=all", body, self.headers)
            answer = self._line.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            self.answers["cut"] += 1
            return None
        self.answers[str(answer.status)] += 1
        if answer.status in (200, 207):
            return dict(json.loads(text))
        self.bodies.append(text.decode("utf-8", "replace")[:500])
        self.retry_after.add(answer.headers.get("Retry-After", ""))
        return None

    def note(self, events: list[dict[str, Any]], answer: dict[str, Any]) -> Counter[str]:
        """Keep what was acknowledged, synced to the disk."""
        outcomes = Counter(result["status"] for result in answer["results"])
        counted = {name: answer[name] for name in ("accepted", "duplicate", "conflict", "rejected") if answer[name]}
        assert dict(outcomes) == counted, answer
        taken = [event for event, result in zip(events, answer["results"], strict=True) if result["status"] in TAKEN]
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, "".join(json.dumps(event) + "\n" for event in taken).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        self.outcomes += outcomes
        self.acknowledged += len(taken)
        return outcomes

    def close(self) -> None:
        """Hang up."""
        if self._line:
            self._line.close()
            self._line = None

    def end(self) -> None:
        """Stop after the batch that is being sent."""
        self._ends.set()


class Load:
    """Several clients at once, as one thing."""

    def __init__(self, lab: Lab, token: str, count: int, *, size: int = 20, prefix: str = "client") -> None:
        self.clients = [Client(lab, token, f"{prefix}{number}", size=size) for number in range(count)]

    def __enter__(self) -> "Load":
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for client in self.clients:
            client.end()
        for client in self.clients:
            client.join(2 * PATIENCE)
        if kind is None:
            faults = [client.fault for client in self.clients if client.fault]
            assert faults == []

    def wait_for_success(self, since: float, seconds: float = PATIENCE) -> float:
        """Wait until a request that began after an instant (monotonic) has succeeded; the seconds from then to its beginning."""
        wait_for(lambda: self.last_success > since, lambda: f"a success: {self.answers} {self.bodies[-2:]}", seconds)
        return self.last_success - since

    @property
    def last_success(self) -> float:
        """When the latest request began that succeeded."""
        return max(client.last_success for client in self.clients)

    @property
    def answers(self) -> Counter[str]:
        """Statuses of all clients."""
        return sum((client.answers for client in self.clients), Counter())

    @property
    def bodies(self) -> list[str]:
        """Answers that were neither 200 nor 207."""
        return [body for client in self.clients for body in client.bodies]


def read_acknowledged(lab: Lab) -> dict[tuple[str, str], dict[str, Any]]:
    """What the clients of a lab have kept, by source and id."""
    files = sorted(lab.folder.glob("*.acknowledged"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {(row["source"], row["event_id"]): row for row in rows}
