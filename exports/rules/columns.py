"""The columns of an events file, in order: the event contract's own names, then the member's reporting attributes."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Column(NamedTuple):
    """One column: its name, its Data Package type, what it means, and what else its schema says."""

    name: str
    type: str
    description: str
    constraints: dict[str, Any] = {}


REQUIRED = {"required": True}
KINDS = ["impression", "viewed", "unlocked", "activated", "redeemed"]
STATUSES = ["confirmed", "failed", "reversed"]

COLUMNS = (
    Column("event_id", "string", "The id its source gave it; unique together with source."),
    Column("source", "string", "The system that sent it, by the name it gives itself.", REQUIRED),
    Column("occurred_at", "datetime", "When it happened, UTC.", REQUIRED),
    Column("local_date", "date", "The program's day on which it happened.", REQUIRED),
    Column("recorded_at", "datetime", "When Plum committed it, UTC.", REQUIRED),
    Column("received_at", "datetime", "When the file it came in says that it arrived, UTC."),
    Column("kind", "string", "What the member did.", {"required": True, "enum": KINDS}),
    Column("status", "string", "How it ended.", {"required": True, "enum": STATUSES}),
    Column("reason_code", "string", "Why it failed or was reversed."),
    Column("member", "string", "Who: the pseudonym of this export, or the outside id where the export is identified."),
    Column("offer", "string", "The offer's external id.", REQUIRED),
    Column("partner", "string", "The external id of the partner that supplies the offer.", REQUIRED),
    Column("spend_amount", "number", "What the member spent, with the decimals of its currency."),
    Column("spend_currency", "string", "ISO 4217 code of spend_amount."),
    Column("reward_cost_amount", "number", "What the program pays, with the decimals of its currency."),
    Column("reward_cost_currency", "string", "ISO 4217 code of reward_cost_amount."),
    Column("transaction_ref", "string", "The finance reference."),
    Column("reverses", "string", "The id of the event that this reversal takes back."),
    Column("medium", "string", "Where the offer was shown."),
    Column("position", "integer", "The rank at which it was shown."),
)
ATTRIBUTE = "member."  # before the name of an attribute, so that none can be taken for a field of the event


def list_columns(attributes: Sequence[str]) -> list[Column]:
    """Every column of a program's events file; attributes: its reporting attributes."""
    extra = (
        Column(
            f"{ATTRIBUTE}{name}", "string", f"The member's {name.replace('_', ' ')} at that moment; empty where it is not known."
        )
        for name in attributes
    )
    return [*COLUMNS, *extra]


def column_names(columns: Iterable[Column]) -> list[str]:
    """The header row."""
    return [column.name for column in columns]
