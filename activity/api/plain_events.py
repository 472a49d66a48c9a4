"""
The quick way to read plain events: ASCII without escapes, every field known and of its type.

It never says that something is wrong: whatever is out of the ordinary it leaves to `activity.api.cloudevents`, which reads
one event at a time and names the fault. Both take the same events for the same thing; a test holds them to it.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType
from msgspec.json import Decoder

from activity.api.bodies import BATCH, LINES, MOST_EVENTS, SINGLE
from activity.rules import FUTURE_SKEW, IncomingEvent
from activity.rules.events import CONFIRMED, EARLIEST, KINDS, POSSIBLE, STATUSES
from activity.rules.plain_rows import NO_MONEY, plain_minor

SPACE, OTHER_SPACE = b" \t\r\n", (b"\t", b"\r", b"\n")
TO_SPACE = bytes.maketrans(b"\t\r\n", b"   ")
LONGEST_GAP = 64  # with so little space between its words no event with fields of these lengths is too large
MOST_LINES = 4 * MOST_EVENTS  # blank ones included; beyond, as with too many events, nothing is made of them here
ALWAYS_KEYS = 9  # specversion, id, source, type, time, data; member, external_id, offer
TYPES = {f"offer.{kind}.v1": number for kind, number in KINDS.items()}

Long = Annotated[str, Meta(min_length=1, max_length=200)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]


class PlainAmount(Struct, gc=False, forbid_unknown_fields=True):
    """An amount of money."""

    amount: Annotated[str, Meta(min_length=1, max_length=40)]
    currency: Annotated[str, Meta(min_length=3, max_length=3)]


class PlainMember(Struct, gc=False, forbid_unknown_fields=True):
    """A member."""

    external_id: Long


class PlainData(Struct, gc=False, forbid_unknown_fields=True):
    """What happened."""

    member: PlainMember
    offer: Long
    status: Literal["confirmed", "failed", "reversed"] | UnsetType | None = UNSET
    reason_code: Word | UnsetType | None = UNSET
    spend: PlainAmount | UnsetType | None = UNSET
    reward_cost: PlainAmount | UnsetType | None = UNSET
    transaction_ref: Long | UnsetType | None = UNSET
    reverses: Long | UnsetType | None = UNSET
    medium: Word | UnsetType | None = UNSET
    position: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType | None = UNSET


class PlainEvent(Struct, gc=False, forbid_unknown_fields=True):
    """One CloudEvent."""

    specversion: Literal["1.0"]
    id: Long
    source: Long
    type: Literal["offer.impression.v1", "offer.viewed.v1", "offer.unlocked.v1", "offer.activated.v1", "offer.redeemed.v1"]
    time: Word
    data: PlainData
    subject: Long | UnsetType | None = UNSET
    datacontenttype: Long | UnsetType | None = UNSET
    dataschema: Long | UnsetType | None = UNSET


decode_array = Decoder(list[PlainEvent]).decode
decode_single = Decoder(PlainEvent).decode


def read_plain(media_type: str, body: bytes, at: datetime) -> list[IncomingEvent] | None:
    """The events of a body of one of the MEDIA_TYPES; None if anything in it is out of the ordinary."""
    if not body.isascii() or b"\\" in body or b"\x7f" in body:
        return None
    if body.count(b'"specversion"') > MOST_EVENTS or (media_type == LINES and body.count(b"\n") > MOST_LINES):
        return None
    flat = body.translate(TO_SPACE) if any(space in body for space in OTHER_SPACE) else body
    if b" " * LONGEST_GAP in flat:
        return None
    try:
        plain = _decode(media_type, body)
        latest = at + FUTURE_SKEW
        events = [_take(event, latest) for event in plain]
    except (ValueError, DecodeError):
        return None
    # As many keys as were decoded: none stands twice, neither in an event nor anywhere in it.
    return events if flat.translate(None, SPACE).count(b'":') == sum(map(_count_keys, plain)) else None


def _decode(media_type: str, body: bytes) -> list[PlainEvent]:
    if media_type == SINGLE:
        return [decode_single(body)]
    if media_type == BATCH:
        return decode_array(body)
    lines = [line for line in (part.strip(SPACE) for part in body.split(b"\n")) if line]
    plain = decode_array(b"[" + b",".join(lines) + b"]")
    # One whole event on each line, neither parts of one nor two.
    if len(plain) != len(lines) or any(line[:1] != b"{" or line[-1:] != b"}" for line in lines):
        raise ValueError("lines")
    return plain


def _take(plain: PlainEvent, latest: datetime) -> IncomingEvent:
    """The event; ValueError where it is out of the ordinary."""
    data = plain.data
    kind = TYPES[plain.type]
    status = STATUSES[data.status] if data.status else CONFIRMED
    occurred_at = datetime.fromisoformat(plain.time)
    if kind not in POSSIBLE[status]:
        raise ValueError(plain.type)
    if occurred_at.tzinfo is not UTC or not EARLIEST <= occurred_at <= latest:
        raise ValueError(plain.time)
    spend_minor, spend_currency = plain_minor(data.spend.amount, data.spend.currency) if data.spend else NO_MONEY
    cost_minor, cost_currency = plain_minor(data.reward_cost.amount, data.reward_cost.currency) if data.reward_cost else NO_MONEY
    return IncomingEvent(
        plain.id,
        plain.source,
        occurred_at,
        kind,
        status,
        data.member.external_id,
        data.offer,
        data.reason_code or None,
        spend_minor,
        spend_currency,
        cost_minor,
        cost_currency,
        data.transaction_ref or None,
        data.reverses or None,
        data.medium or None,
        data.position or None,
    )


def _count_keys(plain: PlainEvent) -> int:
    """How many keys an event and everything in it has."""
    data = plain.data
    optional = (
        data.status, data.reason_code, data.transaction_ref, data.reverses, data.medium, data.position, data.spend,
        data.reward_cost, plain.subject, plain.datacontenttype, plain.dataschema,
    )  # fmt: skip
    count = ALWAYS_KEYS + 11 - optional.count(UNSET)
    return count + 2 * (bool(data.spend) + bool(data.reward_cost)) if data.spend or data.reward_cost else count
