"""Events as they come over HTTP, and as files: prepared before anything is timed."""

import csv
import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from activity.choices import Kind, Status
from activity.rules import FILE_COLUMNS, IncomingEvent
from plum_site.bench.ledger import list_events

STARTS, DAYS = date(2026, 5, 1), 31
MEMBERS_EACH = 10  # events of a member


@dataclass(frozen=True)
class Prepared:
    """Whole HTTP requests in one file, one after the other. offsets: where each begins; count: how many there are."""

    requests: Path
    offsets: Path
    count: int
    events: int


def list_traffic(events: int, members: int) -> Iterator[IncomingEvent]:
    """The events that are sent, in the order of their time."""
    return list_events(events=events, starts=STARTS, days=DAYS, members=members)


class RequestsFile:
    """Whole POSTs, written one after the other; `close` gives what can be sent."""

    def __init__(
        self, folder: Path, name: str, *, path: str, body_of: Callable[[list[IncomingEvent]], bytes], token: str = ""
    ) -> None:
        self.requests, self.offsets = folder / f"{name}.requests", folder / f"{name}.offsets"
        self.path, self.body_of, self.token = path, body_of, token
        self.file, self.ends, self.events = self.requests.open("wb"), array("Q", [0]), 0

    def add(self, events: list[IncomingEvent]) -> None:
        """One POST with these events."""
        self.file.write(write_request(self.path, self.token, self.body_of(events)))
        self.ends.append(self.file.tell())
        self.events += len(events)

    def close(self) -> Prepared:
        """Put it on disk."""
        self.file.close()
        self.offsets.write_bytes(self.ends.tobytes())
        return Prepared(self.requests, self.offsets, len(self.ends) - 1, self.events)


def write_request(path: str, token: str, body: bytes) -> bytes:
    """One whole HTTP request."""
    kind = "application/cloudevents-batch+json" if body[:1] == b"[" else "application/cloudevents+json"
    if not token:
        kind = "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return f"{head}\r\n".encode() + body


def in_parts(events: Iterator[IncomingEvent], size: int) -> Iterator[list[IncomingEvent]]:
    """Lists of `size` events; the last may be shorter."""
    return iter(lambda: list(islice(events, size)), [])


def as_batch(events: list[IncomingEvent]) -> bytes:
    """A CloudEvents batch."""
    return b"[" + b",".join(map(as_cloud_event, events)) + b"]"


def as_single(events: list[IncomingEvent]) -> bytes:
    """A part of one event as a single CloudEvent."""
    [event] = events
    return as_cloud_event(event)


def as_cloud_event(event: IncomingEvent) -> bytes:
    """One event as a client writes it."""
    data: dict[str, Any] = {"member": {"external_id": event.member}, "offer": event.offer, "medium": event.medium}
    if event.status != Status.CONFIRMED:
        data["status"] = Status(event.status).label
    if event.reason_code is not None:
        data["reason_code"] = event.reason_code
    if event.spend_minor is not None:
        data["spend"] = {"amount": amount_of(event.spend_minor), "currency": event.spend_currency}
    if event.transaction_ref is not None:
        data["transaction_ref"] = event.transaction_ref
    if event.position is not None:
        data["position"] = event.position
    envelope = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": event.source,
        "type": f"offer.{Kind(event.kind).label}.v1",
        "time": event.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": data,
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def amount_of(minor: int) -> str:
    """An amount of a currency with two decimals."""
    return f"{minor // 100}.{minor % 100:02}"


def write_events(path: Path, events: Iterator[IncomingEvent]) -> None:
    """The events of a canonical folder, every column of the contract that they use."""
    unused = {"reward_cost_amount", "reward_cost_currency", "reverses", "received_at"}
    columns = [name for name in FILE_COLUMNS if name not in unused]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for event in events:
            pays = event.spend_minor is not None
            writer.writerow(
                {
                    "event_id": event.event_id,
                    "source": event.source,
                    "occurred_at": event.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "kind": Kind(event.kind).label,
                    "status": Status(event.status).label,
                    "reason_code": event.reason_code,
                    "member": event.member,
                    "offer": event.offer,
                    "spend_amount": amount_of(event.spend_minor or 0) if pays else None,
                    "spend_currency": event.spend_currency,
                    "transaction_ref": event.transaction_ref,
                    "medium": event.medium,
                    "position": event.position,
                }
            )
