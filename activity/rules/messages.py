"""The shape of one message: what an organisation's own messenger says became of something that it sent to a member."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from activity.rules.events import EARLIEST, FUTURE_SKEW, LONGEST, Rejection

MESSAGE_KINDS = {"sent": 1, "delivered": 2, "bounced": 3, "opened": 4}
BOUNCED = MESSAGE_KINDS["bounced"]
MOST_OFFERS = 100
LONGEST_PUSH = 200
_encode = msgspec.msgpack.Encoder().encode


class IncomingMessage(msgspec.Struct, frozen=True):
    """A message that is well formed; offers in order of their ids, each once. Instants are UTC."""

    event_id: str
    source: str
    occurred_at: datetime
    kind: int
    member: str
    offers: tuple[str, ...]
    push_ref: str
    reason_code: str | None = None


class _RefusedError(Exception):
    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.field, self.detail = code, field, detail


def check_message(fields: Mapping[str, Any], *, at: datetime) -> IncomingMessage | Rejection:
    """
    Check the shape of one message: event_id, source, occurred_at, kind, member, offers, push_ref, reason_code.

    at: now, for the future skew of 10 minutes.
    Rejection codes: required, invalid, unknown_kind, time_in_future.
    Source: docs/message.schema.json
    """
    try:
        return _checked(fields, at)
    except _RefusedError as refused:
        event_id, source = fields.get("event_id"), fields.get("source")
        return Rejection(
            refused.code,
            refused.field,
            refused.detail,
            event_id[: LONGEST["event_id"]] if isinstance(event_id, str) else "",
            source if isinstance(source, str) else "",
        )


def _checked(fields: Mapping[str, Any], at: datetime) -> IncomingMessage:
    kind = _text(fields, "kind", 20)
    if kind not in MESSAGE_KINDS:
        raise _RefusedError("unknown_kind", "kind", f"{kind!r} is none of {', '.join(MESSAGE_KINDS)}.")
    occurred_at = _instant(_text(fields, "occurred_at", 40))
    if occurred_at > at + FUTURE_SKEW:
        raise _RefusedError("time_in_future", "occurred_at", f"{fields['occurred_at']} lies more than 10 minutes in the future.")
    reason_code = _text(fields, "reason_code", LONGEST["reason_code"]) if fields.get("reason_code") else None
    if reason_code is not None and MESSAGE_KINDS[kind] != BOUNCED:
        raise _RefusedError("invalid", "reason_code", f"A {kind} message has no reason_code; only a bounced one has.")
    return IncomingMessage(
        event_id=_text(fields, "event_id", LONGEST["event_id"]),
        source=_text(fields, "source", LONGEST["source"]),
        occurred_at=occurred_at,
        kind=MESSAGE_KINDS[kind],
        member=_text(fields, "member", LONGEST["member"]),
        offers=_offers(fields.get("offers")),
        push_ref=_text(fields, "push_ref", LONGEST_PUSH),
        reason_code=reason_code,
    )


def _text(fields: Mapping[str, Any], field: str, longest: int) -> str:
    value = fields.get(field)
    if value is None or value == "":
        raise _RefusedError("required", field, f"{field} is empty. Every message needs it.")
    return _checked_text(value, field, longest)


def _checked_text(value: object, field: str, longest: int) -> str:
    if not isinstance(value, str):
        raise _RefusedError("invalid", field, f"{field} must be text.")
    if len(value) > longest:
        raise _RefusedError("invalid", field, f"{field} is longer than {longest} characters.")
    if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in value):
        raise _RefusedError("invalid", field, f"{field} contains a control character, or is not valid Unicode text.")
    return value


def _offers(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _RefusedError("required", "offers", 'offers is missing. Write a list of offer ids: ["OF-9"].')
    if len(value) > MOST_OFFERS:
        raise _RefusedError("invalid", "offers", f"{len(value)} offers are more than one message may name ({MOST_OFFERS}).")
    offers = [_checked_text(offer, "offers", LONGEST["offer"]) for offer in value]
    if not all(offers):
        raise _RefusedError("invalid", "offers", "offers names an offer with an empty id.")
    return tuple(sorted(set(offers)))


def _instant(value: str) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            detail = f"{value!r} names no time zone. Write UTC with a Z, for example 2026-03-01T12:00:00Z."
            raise _RefusedError("invalid", "occurred_at", detail)
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{value!r} is not an instant. Write it like 2026-03-01T12:00:00Z."
        raise _RefusedError("invalid", "occurred_at", detail) from None
    if instant < EARLIEST:
        raise _RefusedError("invalid", "occurred_at", f"{value!r} lies before 1990.")
    return instant


def message_digest(content_key: bytes, message: IncomingMessage) -> bytes:
    """8 keyed bytes over what a message says: equal for a duplicate, and never what an event's digest is made of."""
    said = (
        "message",
        message.kind,
        message.member,
        message.offers,
        message.occurred_at,
        message.push_ref,
        message.reason_code,
    )
    return blake2b(_encode(said), key=content_key, digest_size=8).digest()
