"""Reads of what became of everything that was sent: sums over the insert-only batch rows, day by day."""

from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet, Sum

from activity.models import IngestBatch, MessageBatch

COUNTS = ("received", "accepted", "duplicate", "conflict", "rejected")


@dataclass(frozen=True)
class DayOutcomes:
    """What one source sent with one token on one program day. received = accepted + duplicate + conflict + rejected."""

    day: date
    source: str
    token_id: int | None
    origin: str
    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    warnings: int


def list_outcomes(
    program_id: int, starts_date: date, ends_date: date, *, token_id: int | None = None, source: str = ""
) -> list[DayOutcomes]:
    """
    The outcomes of events and messages that were recorded on the program days `[starts_date, ends_date)`.

    Shape: DayOutcomes, newest day first, then by source, token and door.
    """
    sums: dict[tuple[date, str, int | None, str], list[int]] = {}
    for model in (IngestBatch, MessageBatch):
        rows: QuerySet = model._default_manager.filter(program_id=program_id, day__gte=starts_date, day__lt=ends_date)
        if token_id is not None:
            rows = rows.filter(token_id=token_id)
        if source:
            rows = rows.filter(source__code=source)
        counts = {name: Sum(f"{name}_count") for name in COUNTS}
        if model is IngestBatch:
            counts["warnings"] = Sum("warning_count")
        keys = ("day", "source__code", "token_id", "origin")
        for row in rows.values(*keys).annotate(**counts).order_by():
            total = sums.setdefault((row["day"], row["source__code"], row["token_id"], row["origin"]), [0] * (len(COUNTS) + 1))
            for place, name in enumerate((*COUNTS, "warnings")):
                total[place] += row.get(name, 0)
    found = [DayOutcomes(*key, *total) for key, total in sums.items()]
    return sorted(found, key=lambda one: (-one.day.toordinal(), one.source, one.token_id or 0, one.origin))
