"""What is loaded while processes are killed: the same events as a folder and over HTTP, and how many of them are stored."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.factories.ledger import write_folder
from tests.faults.lab import Lab

KINDS = ("impression", "viewed", "unlocked", "activated", "redeemed")
PROGRAM = "kills"
PER_REQUEST = 250
MEMBERS = 300


def make_events(count: int) -> Iterator[dict[str, Any]]:
    """So many events over the last 40 days, by their file columns."""
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        money = {"spend_amount": f"{number % 90 + 10}.50", "spend_currency": "EUR"} if kind == "redeemed" else {}
        yield {
            "event_id": f"e{number}",
            "occurred_at": (first + timedelta(days=40) * number / count).isoformat(timespec="seconds"),
            "kind": kind,
            "status": "confirmed",
            "member": f"M{number % MEMBERS}",
            "offer": f"O{number % 3 + 1}",
            **money,
        }


def count_kinds(events: list[dict[str, Any]]) -> Counter[str]:
    """How many events of each kind there are."""
    return Counter(event["kind"] for event in events)


def make_folder(folder: Path, events: list[dict[str, Any]]) -> Path:
    """The events as a canonical folder."""
    members = "external_id,business_unit,region\n" + "".join(f"M{number},cards,north\n" for number in range(MEMBERS))
    return write_folder(folder, events, members=members)


def load_arguments(folder: Path, source: str) -> list[str]:
    """The command line that loads the folder."""
    settings = ["--program", PROGRAM, "--time-zone", "Europe/Berlin", "--currency", "EUR", "--source", source]
    return ["load_program", str(folder), *settings]


def stored(lab: Lab, source: str) -> int:
    """How many events of a source have been accepted and committed."""
    return lab.count(
        "SELECT COALESCE(SUM(b.accepted_count), 0) FROM activity_ingestbatch b "
        f"JOIN activity_eventsource s ON s.id = b.source_id WHERE s.code = '{source}'"
    )


def as_cloud_event(event: dict[str, Any], source: str) -> dict[str, Any]:
    """The same event as it is sent over HTTP."""
    data: dict[str, Any] = {"member": {"external_id": event["member"]}, "offer": event["offer"]}
    if "spend_amount" in event:
        data["spend"] = {"amount": event["spend_amount"], "currency": event["spend_currency"]}
    envelope = {"specversion": "1.0", "id": event["event_id"], "source": source, "type": f"offer.{event['kind']}.v1"}
    return envelope | {"time": event["occurred_at"], "data": data}


@dataclass
class Client:
    """Sends events batch by batch until all are acknowledged or the server is gone."""

    lab: Lab
    token: str
    acknowledged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    is_cut_off: bool = False

    def send(self, events: list[dict[str, Any]], source: str) -> "Client":
        """Send all, in order; stops at the first broken connection."""
        line = http.client.HTTPConnection("127.0.0.1", self.lab.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/cloudevents-batch+json"}
        try:
            for start in range(0, len(events), PER_REQUEST):
                batch = [as_cloud_event(event, source) for event in events[start : start + PER_REQUEST]]
                line.request("POST", "/api/v1/events", json.dumps(batch), headers)
                answer = line.getresponse()
                body = json.loads(answer.read())
                assert answer.status in (200, 202, 207), (answer.status, body)
                self.outcomes.update({name: body[name] for name in ("accepted", "duplicate", "conflict", "rejected")})
                self.acknowledged += len(batch)
        except (OSError, http.client.HTTPException):
            self.is_cut_off = True
        finally:
            line.close()
        return self

    def begin(self, events: list[dict[str, Any]], source: str) -> threading.Thread:
        """Send in a thread of its own."""
        thread = threading.Thread(target=self.send, args=(events, source))
        thread.start()
        return thread
