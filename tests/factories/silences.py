"""A program whose till was silent on two days of June, day by day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from partners.models import Program
from tests.factories.ledger import record
from tests.factories.reviews import make_reviewable_program

FIRST, AFTER = date(2026, 5, 1), date(2026, 7, 15)
MISSING = (date(2026, 6, 9), date(2026, 6, 10))
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
STARTS_AT, ENDS_AT = datetime(2026, 6, 8, 22, tzinfo=UTC), datetime(2026, 6, 10, 22, tzinfo=UTC)  # days of Berlin


def stream(
    offer: str, per_day: int = 60, first: date = FIRST, end: date = AFTER, missing: tuple[date, ...] = (), kind: str = "viewed"
) -> Iterator[dict[str, Any]]:
    """So many events a day of one offer, a second apart, but for the missing days."""
    day = first
    while day < end:
        if day not in missing:
            for number in range(per_day):
                yield {
                    "event_id": f"{offer}-{kind}-{day}-{number}",
                    "occurred_at": f"{day}T10:{number // 60:02d}:{number % 60:02d}Z",
                    "kind": kind,
                    "status": "confirmed",
                    "member": f"M{number % 20}",
                    "offer": offer,
                }
        day += timedelta(days=1)


def make_program_with_gap(code: str = "acme") -> Program:
    """Two partners, each fed by a source of its own; the till of P1 was silent on two days of June."""
    program = make_reviewable_program(code=code)
    record(program, stream("O-P1", missing=MISSING), source="till", at=AT)
    record(program, stream("O-P2"), source="shop", at=AT)
    return program
