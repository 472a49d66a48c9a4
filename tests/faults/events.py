"""The events that the clients of fault tests send: each follows from its client's name and a number."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

PROGRAM = "storm"
OFFERS = {"O1": "P1", "O2": "P1", "O3": "P2", "O4": "P3"}
MEMBERS = tuple(f"M{number}" for number in range(60))
KINDS = ("impression", "viewed", "unlocked", "activated", "redeemed")
FIRST = datetime(2025, 5, 30, tzinfo=UTC)


def make_event(source: str, number: int) -> dict[str, Any]:
    """One event by its flat fields, `source` included. Members, offers and days are shared by all clients."""
    chance = hashlib.sha256(f"{source}/{number}".encode()).digest()
    kind = KINDS[chance[0] % len(KINDS)]
    event = {
        "source": source,
        "event_id": f"{source}-{number}",
        "occurred_at": (FIRST + timedelta(minutes=int.from_bytes(chance[1:4]) % 60_000)).isoformat(),
        "kind": kind,
        "status": "confirmed",
        "member": MEMBERS[chance[4] % len(MEMBERS)],
        "offer": list(OFFERS)[chance[5] % len(OFFERS)],
    }
    if kind == "redeemed":
        event |= {"spend_amount": f"{chance[6] + 1}.50", "spend_currency": "EUR", "transaction_ref": f"T{number}"}
    return event


def as_cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """The same event as it is sent over HTTP."""
    data: dict[str, Any] = {"member": {"external_id": event["member"]}, "offer": event["offer"]}
    data |= {name: event[name] for name in ("status", "reason_code", "transaction_ref", "reverses") if event.get(name)}
    if "spend_amount" in event:
        data["spend"] = {"amount": event["spend_amount"], "currency": event["spend_currency"]}
    envelope = {"specversion": "1.0", "id": event["event_id"], "source": event["source"], "type": f"offer.{event['kind']}.v1"}
    return envelope | {"time": event["occurred_at"], "data": data}
