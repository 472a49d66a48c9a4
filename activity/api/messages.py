"""
One CloudEvent as JSON text in, an event or a message out: message.sent.v1, message.delivered.v1, message.bounced.v1 and
message.opened.v1 come through the same door as events.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from activity.api import cloudevents
from activity.api.cloudevents import Item, decode, escape, identity, printable, read_event, read_events
from activity.rules import Rejection
from activity.rules.messages import MESSAGE_KINDS, IncomingMessage, check_message

TYPE = re.compile(rf"message\.({'|'.join(MESSAGE_KINDS)})\.v1")
IN_DATA = ("member", "offers", "push_ref", "reason_code")
POINTERS = {"offers": "/data/offers", "push_ref": "/data/push_ref"}


def read_item(text: bytes, at: datetime) -> Item:
    """Check one event or message; a Rejection's `field` is a flat field name or, where there is none, a JSON pointer."""
    item = read_event(text, at)
    if isinstance(item, Rejection) and item.code == "unknown_type":
        envelope: dict[str, Any] = decode(text)  # of which everything but the type is sound so far
        kind = TYPE.fullmatch(envelope["type"])
        if kind is not None:
            return read_message(envelope, kind[1], at)
    return item


def read_items(request: HttpRequest, at: datetime) -> Sequence[Item]:
    """What a request sends, 1 to 5,000 events and messages, each checked; Problem where the body cannot be read."""
    return read_events(request, at, read_item)


def pointer_of(field: str) -> str:
    """The JSON pointer of a flat field name of an event or a message; a pointer stays what it is."""
    return POINTERS.get(field) or cloudevents.pointer_of(field)


def read_message(envelope: dict[str, Any], kind: str, at: datetime) -> IncomingMessage | Rejection:
    """Check one message whose envelope is that of a CloudEvent."""
    place, code, detail = find_fault(envelope.get("data"), "data_base64" in envelope)
    if place:
        return Rejection(code, place, detail, *identity(envelope))
    data = envelope["data"]
    fields = {
        "event_id": envelope["id"],
        "source": envelope["source"],
        "occurred_at": envelope["time"],
        "kind": kind,
        "member": data["member"]["external_id"],
        **{name: data.get(name) for name in ("offers", "push_ref", "reason_code")},
    }
    checked = check_message(fields, at=at)
    if isinstance(checked, Rejection):
        return Rejection(checked.code, checked.field, checked.detail, *identity(envelope))
    return checked


def find_fault(data: object, is_binary: bool) -> tuple[str, str, str]:
    """Pointer, code and sentence for what is wrong with the shape of `data`; empty where nothing is."""
    if is_binary or not isinstance(data, dict):
        return "/data", "required", "data is missing, or is not an object."
    member = data.get("member")
    strange = [("/data", name) for name in data if name not in IN_DATA]
    if isinstance(member, dict):
        strange += [("/data/member", name) for name in member if name != "external_id"]
    for place, name in strange:
        detail = f"{printable(name)!r} is no field of a message. Take it out: fields that are not named are not kept."
        return f"{place}/{escape(name)}", "unknown_field", detail
    if not isinstance(member, dict) or not isinstance(member.get("external_id"), str) or not member["external_id"]:
        return "/data/member/external_id", "required", 'member is missing. Write {"external_id": "..."}.'
    return "", "", ""
