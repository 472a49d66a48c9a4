"""The shape of one event, whichever door it comes in by: flat fields in, a checked event or a rejection out."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from plum_site.lib.errors import InvalidInput
from plum_site.lib.money import parse_minor

FUTURE_SKEW = timedelta(minutes=10)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

KINDS = {"impression": 1, "viewed": 2, "unlocked": 3, "activated": 4, "redeemed": 5}
STATUSES = {"confirmed": 1, "failed": 2, "reversed": 3}
CONFIRMED, FAILED, REVERSED = STATUSES["confirmed"], STATUSES["failed"], STATUSES["reversed"]
# The kinds that an event of each status may have, and what is said of the others.
POSSIBLE = {
    CONFIRMED: frozenset(KINDS.values()),
    FAILED: frozenset({KINDS["unlocked"], KINDS["activated"], KINDS["redeemed"]}),
    REVERSED: frozenset({KINDS["redeemed"]}),
}
IMPOSSIBLE = {
    FAILED: "fail; unlocked, activated and redeemed ones can.",
    REVERSED: "be reversed; only a redeemed one can.",
}

# The columns of an events file, in the order of docs/event.schema.json. The first five must be there.
FILE_COLUMNS = (
    "event_id",
    "occurred_at",
    "kind",
    "member",
    "offer",
    "status",
    "reason_code",
    "source",
    "spend_amount",
    "spend_currency",
    "reward_cost_amount",
    "reward_cost_currency",
    "transaction_ref",
    "reverses",
    "medium",
    "position",
    "received_at",
)
LONGEST = {
    "event_id": 200,
    "source": 200,
    "member": 200,
    "offer": 200,
    "reason_code": 100,
    "transaction_ref": 200,
    "reverses": 200,
    "medium": 100,
}


class IncomingEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that is well formed; whether its offer and member exist is for the ledger to say. Instants are UTC."""

    event_id: str
    source: str
    occurred_at: datetime
    kind: int
    status: int
    member: str
    offer: str
    reason_code: str | None = None
    spend_minor: int | None = None
    spend_currency: str | None = None
    reward_cost_minor: int | None = None
    reward_cost_currency: str | None = None
    transaction_ref: str | None = None
    reverses: str | None = None
    medium: str | None = None
    position: int | None = None
    received_at: datetime | None = None


class Rejection(msgspec.Struct, frozen=True):
    """Why an event was not taken: a stable code, the field at fault by its file column name, and a sentence."""

    code: str
    field: str
    detail: str
    event_id: str = ""
    source: str = ""


class _Refused(Exception):
    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.field, self.detail = code, field, detail


def check_event(fields: Mapping[str, str | int | None], *, source: str, at: datetime) -> IncomingEvent | Rejection:
    """
    Check the shape of one event given by its file column names; empty text stands for absent.

    source: what to take where the event names none. at: now, for the future skew of 10 minutes.
    Rejection codes: required, invalid, unknown_kind, unknown_status, time_in_future, invalid_amount,
    invalid_currency, too_many_decimals.
    Source: docs/event.schema.json
    """
    try:
        return _checked(fields, source, at)
    except _Refused as refused:
        event_id = fields.get("event_id")
        shown = event_id[: LONGEST["event_id"]] if isinstance(event_id, str) else ""
        return Rejection(refused.code, refused.field, refused.detail, shown, _source(fields, source))


def _checked(fields: Mapping[str, str | int | None], source: str, at: datetime) -> IncomingEvent:
    kind_text = _text(fields, "kind") or _missing("kind")
    kind = KINDS.get(kind_text) or _refuse("unknown_kind", "kind", f"{kind_text!r} is none of {', '.join(KINDS)}.")
    status_text = _text(fields, "status") or "confirmed"
    status = STATUSES.get(status_text) or _refuse(
        "unknown_status", "status", f"{status_text!r} is none of {', '.join(STATUSES)}."
    )
    if kind not in POSSIBLE[status]:
        _refuse("invalid", "status", f"A {kind_text} event cannot {IMPOSSIBLE[status]}")
    occurred_at = _instant(fields, "occurred_at")
    if occurred_at is None:
        raise _Refused("required", "occurred_at", "occurred_at is empty. Every event needs it.")
    if occurred_at > at + FUTURE_SKEW:
        _refuse("time_in_future", "occurred_at", f"{fields['occurred_at']} lies more than 10 minutes in the future.")
    spend_minor, spend_currency = _money(fields, "spend")
    reward_cost_minor, reward_cost_currency = _money(fields, "reward_cost")
    return IncomingEvent(
        event_id=_text(fields, "event_id") or _missing("event_id"),
        source=_text(fields, "source") or source,
        occurred_at=occurred_at,
        kind=kind,
        status=status,
        member=_text(fields, "member") or _missing("member"),
        offer=_text(fields, "offer") or _missing("offer"),
        reason_code=_text(fields, "reason_code"),
        spend_minor=spend_minor,
        spend_currency=spend_currency,
        reward_cost_minor=reward_cost_minor,
        reward_cost_currency=reward_cost_currency,
        transaction_ref=_text(fields, "transaction_ref"),
        reverses=_text(fields, "reverses"),
        medium=_text(fields, "medium"),
        position=_position(fields),
        received_at=_instant(fields, "received_at"),
    )


def _source(fields: Mapping[str, str | int | None], default: str) -> str:
    """The source that a rejected event is counted under: its own, unless that is what is wrong with it."""
    try:
        return _text(fields, "source") or default
    except _Refused:
        return default


def _refuse(code: str, field: str, detail: str) -> int:
    raise _Refused(code, field, detail)


def _missing(field: str) -> str:
    raise _Refused("required", field, f"{field} is empty. Every event needs it.")


def _text(fields: Mapping[str, str | int | None], field: str) -> str | None:
    value = fields.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _Refused("invalid", field, f"{field} must be text.")
    if len(value) > LONGEST.get(field, 200):
        raise _Refused("invalid", field, f"{field} is longer than {LONGEST.get(field, 200)} characters.")
    if not value.isascii() or not value.isprintable():
        _check_characters(field, value)
    return value


def _check_characters(field: str, value: str) -> None:
    """Both engines must be able to keep it, and a log line to show it: no control characters, no lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused("invalid", field, f"{field} is not valid Unicode text.") from None
    if any(character < " " or character == "\x7f" for character in value):
        raise _Refused("invalid", field, f"{field} contains a control character.")


def _instant(fields: Mapping[str, str | int | None], field: str) -> datetime | None:
    value = _text(fields, field)
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise _Refused(
                "invalid", field, f"{value!r} names no time zone. Write UTC with a Z, for example 2026-03-01T12:00:00Z."
            )
        if instant.tzinfo is not UTC:
            instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Refused("invalid", field, f"{value!r} is not an instant. Write it like 2026-03-01T12:00:00Z.") from None
    if instant < EARLIEST:
        raise _Refused("invalid", field, f"{value!r} lies before 1990.")
    return instant


def _money(fields: Mapping[str, str | int | None], name: str) -> tuple[int, str] | tuple[None, None]:
    amount = _text(fields, f"{name}_amount")
    if amount is None:
        return None, None
    currency = _text(fields, f"{name}_currency")
    if currency is None:
        raise _Refused("invalid_currency", f"{name}_currency", f"{name} has an amount but no currency.")
    try:
        minor = parse_minor(amount, currency)
    except InvalidInput as error:
        part = "currency" if error.code == "invalid_currency" else "amount"
        raise _Refused(error.code, f"{name}_{part}", error.detail) from None
    if minor < 0:
        raise _Refused(
            "invalid_amount",
            f"{name}_amount",
            f"{amount} is negative. Send a reversal (redeemed, status reversed) with the amount.",
        )
    return minor, currency


def _position(fields: Mapping[str, str | int | None]) -> int | None:
    value = fields.get("position")
    if value is None or value == "":
        return None
    text = str(value)
    if (
        isinstance(value, bool)
        or not text.isascii()
        or not text.isdigit()
        or not 1 <= int(text[:9]) <= 1_000_000
        or len(text) > 7
    ):
        raise _Refused("invalid", "position", f"{text[:20]!r} is not a rank. Write a whole number from 1.")
    return int(text)
