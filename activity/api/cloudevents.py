"""
One CloudEvent as JSON text in, the flat fields of `activity.rules.check_event` out.

What is wrong becomes a Rejection of that one event, which names the place by JSON pointer. Fields of `data` that the
contract does not name are refused, not ignored: nobody shall believe that Plum keeps what it does not.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.http import HttpRequest

from activity.api.bodies import LARGEST_EVENT, UNREADABLE, check_count, read_body, split_events
from activity.api.plain_events import read_plain
from activity.rules import IncomingEvent, Rejection, check_event
from activity.rules.messages import IncomingMessage

Item = IncomingEvent | IncomingMessage | Rejection
decode = msgspec.json.Decoder().decode

TYPE = re.compile(r"offer\.(impression|viewed|unlocked|activated|redeemed)\.v1")
TEXTS = ("status", "reason_code", "offer", "transaction_ref", "reverses", "medium")
AMOUNTS = ("spend", "reward_cost")
IN_DATA = {*TEXTS, *AMOUNTS, "member", "position"}
REQUIRED = ("id", "source", "type", "time")

# Where each flat field stands in a CloudEvent.
POINTERS = {
    "event_id": "/id",
    "source": "/source",
    "occurred_at": "/time",
    "kind": "/type",
    "member": "/data/member/external_id",
    **{name: f"/data/{name}" for name in (*TEXTS, "position")},
    **{f"{name}_{part}": f"/data/{name}/{part}" for name in AMOUNTS for part in ("amount", "currency")},
}
LONGEST_SOURCE = 200
UNKNOWN_SOURCE = "unknown"  # under which events are counted that name no source that can be kept
# Strings of a JSON text, each with the colon that makes it a key.
STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
SPACED_KEY = re.compile(rb'"\s+:')


class _RefusedError(Exception):
    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.pointer, self.detail = code, pointer, detail


def read_events(request: HttpRequest, at: datetime, read_one: Callable[[bytes, datetime], Item]) -> Sequence[Item]:
    """
    What a request sends, 1 to 5,000 events, each checked; Problem where the body as a whole cannot be read.

    read_one: checks one that is out of the ordinary, given as JSON text.
    """
    media_type, body = read_body(request)
    plain = read_plain(media_type, body, at)
    if plain is not None:
        check_count(len(plain))
        return plain
    texts = split_events(media_type, body)
    check_count(len(texts))
    return [read_one(text, at) for text in texts]


def read_event(text: bytes, at: datetime) -> IncomingEvent | Rejection:
    """Check one event; a Rejection's `field` is a flat field name or, where there is none, a JSON pointer."""
    envelope: dict[str, Any] = {}
    try:
        envelope = parse(text)
        checked = check_event(flatten(envelope), source="", at=at)
    except _RefusedError as refused:
        checked = Rejection(refused.code, refused.pointer, refused.detail, *identity(envelope))
    if isinstance(checked, Rejection):
        event_id, source = identity(envelope)
        return Rejection(checked.code, checked.field, checked.detail, event_id, source)
    return checked


def pointer_of(field: str) -> str:
    """The JSON pointer of a flat field name; a pointer stays what it is."""
    return POINTERS.get(field, field)


def parse(text: bytes) -> dict[str, Any]:
    """One JSON object in which no key stands twice."""
    if len(text) > LARGEST_EVENT:
        raise _RefusedError("event_too_large", "", f"The event is larger than {LARGEST_EVENT // 1024} KiB.")
    try:
        envelope = decode(text)
    except UNREADABLE as error:
        raise _RefusedError("malformed", "", f"Not valid JSON: {str(error)[:200]}.") from None
    if not isinstance(envelope, dict):
        raise _RefusedError("malformed", "", "An event is a JSON object.")
    if has_repeated_keys(text, count_keys(envelope)):
        raise _RefusedError("malformed", "", "A key stands twice in one object.")
    return envelope


def count_keys(value: object) -> int:
    """Keys of an object and of everything in it."""
    if isinstance(value, dict):
        return len(value) + sum(map(count_keys, value.values()))
    return sum(map(count_keys, value)) if isinstance(value, list) else 0


def has_repeated_keys(text: bytes, distinct: int) -> bool:
    """
    Whether valid JSON holds more keys than the `distinct` ones that were decoded.

    Without escapes and without space before a colon, quote-colon pairs are the keys plus texts that begin with a colon:
    as many as decoded means none was repeated. Only the other texts are read string by string.
    """
    if b"\\" not in text and text.count(b'":') == distinct and not SPACED_KEY.search(text):
        return False
    return sum(map(bool, STRINGS.findall(text))) != distinct


def flatten(envelope: dict[str, Any]) -> dict[str, str | int | None]:
    """The flat fields of a CloudEvent."""
    if envelope.get("specversion") != "1.0":
        raise _RefusedError("invalid", "/specversion", 'specversion is "1.0".')
    for name in REQUIRED:
        value = envelope.get(name)
        if value is None or value == "":
            raise _RefusedError("required", f"/{name}", f"{name} is missing. Every event needs it.")
        if not isinstance(value, str):
            raise _RefusedError("invalid", f"/{name}", f"{name} must be text.")
    for name, value in envelope.items():
        if name != "data" and isinstance(value, dict | list | float):
            raise _RefusedError("invalid", f"/{escape(name)}", "Attributes of a CloudEvent are text, whole numbers or booleans.")
    kind = TYPE.fullmatch(envelope["type"])
    if kind is None:
        raise _RefusedError(
            "unknown_type", "/type", f"{envelope['type'][:100]!r} is no type that is taken here, such as offer.viewed.v1."
        )
    data = envelope.get("data")
    if "data_base64" in envelope or not isinstance(data, dict):
        raise _RefusedError("required", "/data", "data is missing, or is not an object.")
    only(data, IN_DATA, "/data")
    fields: dict[str, str | int | None] = {
        "event_id": envelope["id"],
        "source": envelope["source"],
        "occurred_at": envelope["time"],
        "kind": kind[1],
        "member": member_of(data.get("member")),
        "position": position_of(data.get("position")),
    }
    for name in TEXTS:
        value = data.get(name)
        if value is not None and not isinstance(value, str):
            raise _RefusedError("invalid", f"/data/{name}", f"{name} must be text.")
        fields[name] = value
    for name in AMOUNTS:
        fields[f"{name}_amount"], fields[f"{name}_currency"] = amount_of(name, data.get(name))
    return fields


def member_of(value: object) -> str:
    """The outside id in {"external_id"}."""
    if not isinstance(value, dict):
        raise _RefusedError("required", "/data/member", 'member is missing. Write {"external_id": "..."}.')
    only(value, {"external_id"}, "/data/member")
    external_id = value.get("external_id")
    if not isinstance(external_id, str) or not external_id:
        raise _RefusedError("required", "/data/member/external_id", "The member's external_id is missing, or is not text.")
    return external_id


def position_of(value: object) -> int | None:
    """A whole number that is short enough to be written out."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise _RefusedError("invalid", "/data/position", "position is a whole number from 1 to 1,000,000.")
    return value


def amount_of(name: str, value: object) -> tuple[str | None, str | None]:
    """Amount and currency in {"amount", "currency"}, both text."""
    if value is None:
        return None, None
    if not isinstance(value, dict):
        raise _RefusedError("invalid", f"/data/{name}", f'{name} is written as {{"amount": "12.50", "currency": "EUR"}}.')
    only(value, {"amount", "currency"}, f"/data/{name}")
    for part in ("amount", "currency"):
        if value.get(part) in (None, ""):
            raise _RefusedError("required", f"/data/{name}/{part}", f"{name} needs an amount and a currency.")
        if not isinstance(value[part], str):
            raise _RefusedError("invalid", f"/data/{name}/{part}", f"The {part} is text, so that no digit is lost.")
    return value["amount"], value["currency"]


def only(value: dict[str, Any], known: set[str], place: str) -> None:
    """Refuse the first field that the contract does not name."""
    for name in value:
        if name not in known:
            detail = f"{printable(name)!r} is no field of an event. Take it out: fields that are not named are not kept."
            raise _RefusedError("unknown_field", f"{place}/{escape(name)}", detail)


def identity(envelope: dict[str, Any]) -> tuple[str, str]:
    """Id and source as far as they can be kept and shown, for a rejection."""
    event_id, source = envelope.get("id"), envelope.get("source")
    return kept(event_id) or "", kept(source) or UNKNOWN_SOURCE


def kept(value: object) -> str | None:
    """A value that can be an event id or a source; None for anything else."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_SOURCE and value.isprintable() else None


def printable(name: str) -> str:
    """The beginning of a name that came from outside, for a message."""
    return "".join(character if character.isprintable() else "?" for character in name[:60])


def escape(name: str) -> str:
    """A name as one step of a JSON pointer (RFC 6901)."""
    return printable(name).replace("~", "~0").replace("/", "~1")
