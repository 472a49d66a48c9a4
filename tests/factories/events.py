"""Events as they are sent over HTTP."""

from typing import Any


def make_event(number: int = 1, kind: str = "viewed", **changes: Any) -> dict[str, Any]:
    """A CloudEvent of member M1 and offer O1; keys of `changes` that are no attribute of the envelope go into data."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "urn:acme:shop",
        "type": f"offer.{kind}.v1",
        "time": "2026-06-15T10:00:00Z",
        "data": {"member": {"external_id": "M1"}, "offer": "O1"},
    }
    for name, value in changes.items():
        place = event if name in event else event["data"]
        place[name] = value
    return event
