"""
The quick way to read rows of an events file: short, printable ASCII, every cell as it should be.

It never says that something is wrong: it gives None, and `check_event` looks at the row with care. Both take the same rows for
the same events; a test holds them to it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter

from activity.rules.events import (
    CONFIRMED,
    EARLIEST,
    FILE_COLUMNS,
    FUTURE_SKEW,
    KINDS,
    LONGEST,
    POSSIBLE,
    STATUSES,
    IncomingEvent,
)
from plum_site.lib.errors import InvalidInput
from plum_site.lib.money import parse_minor

LONGEST_ROW = 200  # characters; no cell of such a row is longer than an id may be
SHORTER = min(LONGEST.values())
LONGEST_POSITION = 6  # digits
NO_MONEY: tuple[None, None] = (None, None)

ReadRow = Callable[[list[str]], IncomingEvent | None]


def row_reader(columns: Sequence[str], *, source: str, at: datetime) -> ReadRow:
    """
    A function that makes an event of the cells of a row, or None of one that needs a closer look. It adds a cell to the row.

    columns: of the file, in its order; no name twice. source, at: as in `check_event`.
    """
    places = [columns.index(name) if name in columns else len(columns) for name in FILE_COLUMNS]
    cells_of, latest, parse = itemgetter(*places), at + FUTURE_SKEW, datetime.fromisoformat

    def read(cells: list[str]) -> IncomingEvent | None:
        cells.append("")  # what a column holds that the file has not
        (
            event_id, time, kind_text, member, offer, status_text, reason_code, source_text, spend, spend_currency, cost,
            cost_currency, transaction_ref, reverses, medium, position, received,
        ) = cells_of(cells)  # fmt: skip
        kind = KINDS.get(kind_text)
        status = STATUSES.get(status_text) if status_text else CONFIRMED
        if kind is None or status is None or not (event_id and member and offer):
            return None
        if kind not in POSSIBLE[status]:
            return None
        if len(reason_code) > SHORTER or len(medium) > SHORTER:
            return None
        try:
            occurred_at = parse(time)
            received_at = parse(received) if received else None
            spend_minor, currency = plain_minor(spend, spend_currency) if spend else NO_MONEY
            cost_minor, its_currency = plain_minor(cost, cost_currency) if cost else NO_MONEY
        except ValueError:
            return None
        if occurred_at.tzinfo is not UTC or not EARLIEST <= occurred_at <= latest:
            return None
        if received_at is not None and (received_at.tzinfo is not UTC or received_at < EARLIEST):
            return None
        if position and not (position.isdigit() and len(position) <= LONGEST_POSITION and position != "0" * len(position)):
            return None
        return IncomingEvent(
            event_id,
            source_text or source,
            occurred_at,
            kind,
            status,
            member,
            offer,
            reason_code or None,
            spend_minor,
            currency,
            cost_minor,
            its_currency,
            transaction_ref or None,
            reverses or None,
            medium or None,
            int(position) if position else None,
            received_at,
        )

    return read


@lru_cache(maxsize=4096)
def plain_minor(amount: str, currency: str) -> tuple[int, str]:
    """An amount in minor units, with its currency; ValueError for one that needs a closer look, such as one below zero."""
    try:
        minor = parse_minor(amount, currency)
    except InvalidInput as error:
        raise ValueError(amount) from error
    if minor < 0:
        raise ValueError(amount)
    return minor, currency
