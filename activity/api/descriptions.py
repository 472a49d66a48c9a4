"""The event contract in words that machines read: JSON Schema for docs/*.schema.json and for the API's description."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from activity.api.bodies import ANY_JSON, BATCH, LINES, MOST_EVENTS, SINGLE
from activity.rules.events import FAILED, KINDS, LONGEST, POSSIBLE, STATUSES
from activity.rules.messages import LONGEST_PUSH, MESSAGE_KINDS, MOST_OFFERS
from plum_site.lib.api_writes import KEY_PATTERN

MONEY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["amount", "currency"],
    "properties": {
        "amount": {
            "type": "string",
            "pattern": r"^\d{1,13}(\.\d{1,4})?$",
            "description": "A decimal with at most as many places as the currency has.",
        },
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217."},
    },
}


def text(field: str, description: str) -> dict[str, Any]:
    """A text of the length that the ledger keeps."""
    return {"type": "string", "maxLength": LONGEST[field], "description": description}


def describe_event() -> dict[str, Any]:
    """One event as it is sent over HTTP, as JSON Schema (2020-12)."""
    failing = " and ".join(name for name, code in KINDS.items() if code in POSSIBLE[FAILED])
    data = {
        "type": "object",
        "additionalProperties": False,
        "required": ["member", "offer"],
        "properties": {
            "member": {
                "type": "object",
                "additionalProperties": False,
                "required": ["external_id"],
                "properties": {"external_id": {"minLength": 1, **text("member", "The member's outside id.")}},
            },
            "offer": {"minLength": 1, **text("offer", "The offer's external id.")},
            "status": {
                "type": "string",
                "enum": list(STATUSES),
                "default": "confirmed",
                "description": f"Only {failing} can fail; only redeemed can be reversed.",
            },
            "reason_code": text("reason_code", "Why it failed or was reversed."),
            "spend": {**MONEY, "description": "What the member spent."},
            "reward_cost": {**MONEY, "description": "What the program pays."},
            "transaction_ref": text("transaction_ref", "Finance reference."),
            "reverses": text(
                "reverses", "The id of the event that is reversed; without it transaction_ref, member and offer link the two."
            ),
            "medium": text("medium", "Where it was shown."),
            "position": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "The rank at which it was shown."},
        },
    }
    return {
        "type": "object",
        "description": "A CloudEvent 1.0. Other attributes are ignored; other fields of data are refused.",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {
                "minLength": 1,
                **text("event_id", "With source, what the event is recognised by, for ever. Best a UUIDv7 or a ULID."),
            },
            "source": {"minLength": 1, **text("source", "The system that sends it.")},
            "type": {"type": "string", "enum": [f"offer.{kind}.v1" for kind in KINDS], "description": "What the member did."},
            "time": {"type": "string", "format": "date-time", "description": "When it happened; at most 10 minutes ahead."},
            "data": data,
        },
    }


def describe_message() -> dict[str, Any]:
    """One message as it is sent over HTTP, as JSON Schema (2020-12)."""
    event = describe_event()
    data = {
        "type": "object",
        "additionalProperties": False,
        "required": ["member", "offers", "push_ref"],
        "properties": {
            "member": event["properties"]["data"]["properties"]["member"],
            "offers": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_OFFERS,
                "items": {"minLength": 1, **text("offer", "An offer's external id.")},
                "description": "The offers that the message is about, in any order.",
            },
            "push_ref": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_PUSH,
                "description": "Which push it belongs to, by the sender's own name for it.",
            },
            "reason_code": text("reason_code", "Why it bounced; only of a bounced message."),
        },
    }
    kinds = {"type": "string", "enum": [f"message.{kind}.v1" for kind in MESSAGE_KINDS], "description": "What became of it."}
    return {**event, "properties": {**event["properties"], "type": kinds, "data": data}}


def message_schema_document() -> dict[str, Any]:
    """docs/message.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:plum:message:v1",
        "title": "What became of a message that an organisation's own messenger sent to a member",
        **describe_message(),
    }


def event_schema_document() -> dict[str, Any]:
    """docs/event.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:plum:event:v1",
        "title": "An event of an offer interaction",
        **describe_event(),
    }


ONE = {"anyOf": [{"$ref": "#/components/schemas/Event"}, {"$ref": "#/components/schemas/Message"}]}
EVENT_COMPONENTS = {"Event": describe_event(), "Message": describe_message()}
MANY = {"type": "array", "minItems": 1, "maxItems": MOST_EVENTS, "items": ONE}
EVENT_BODIES = {
    BATCH: MANY,
    SINGLE: ONE,
    LINES: {"type": "string", "description": f"One event or message a line, at most {MOST_EVENTS}."},
    ANY_JSON: {"oneOf": [MANY, ONE]},
}
EVENT_HEADERS = (
    OpenApiParameter("Prefer", OpenApiTypes.STR, OpenApiParameter.HEADER, description="handling=strict: all or nothing."),
    OpenApiParameter("Content-Encoding", OpenApiTypes.STR, OpenApiParameter.HEADER, enum=["gzip", "zstd", "identity"]),
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "pattern": KEY_PATTERN},
        OpenApiParameter.HEADER,
        description="Optional: the same request with the same key gets the first answer again, for 24 hours. Events are "
        "recognised by source and id anyway, so sending again without a key is always safe, and faster.",
    ),
)
HISTORY_TEXT = """
Single events in pages, in the order in which they became part of the history: nothing is missed and nothing stands twice,
whatever is recorded between two pages. An event shows once it is sealed, a second or so after it was accepted. A page may
hold fewer events than asked for, and none, while has_more is true: what a filter leaves out is looked at too. Members are
references; whose they are, the member's timeline says, with a reason. To fetch much, or to come back for what is new, use
/events/stream.
"""
