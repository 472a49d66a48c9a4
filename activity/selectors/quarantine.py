"""Reads of the quarantine: how much waits, for how long, and what became of what was recorded after all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet, Sum

from activity.choices import Origin
from activity.models import IngestBatch, MessageBatch, QuarantinedEvent, VaultEntry
from partners.models import Program

OUTCOMES = ("accepted", "duplicate", "conflict", "rejected")


@dataclass(frozen=True)
class Waiting:
    """What waits in one program: how many, how many of them a replay refused, the oldest, and when the first expires."""

    count: int
    refused: int
    oldest_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True)
class SourceWaiting:
    """What waits of one source."""

    source: str
    source_id: int
    waiting: Waiting


@dataclass(frozen=True)
class Replayed:
    """What became of what one source had waiting, once the people had arrived: sums over everything that was tried."""

    source: str
    accepted: int
    duplicate: int
    conflict: int
    rejected: int
    last_at: datetime

    def plus(self, other: "Replayed") -> "Replayed":
        """Both together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in OUTCOMES}
        return Replayed(self.source, last_at=max(self.last_at, other.last_at), **sums)


SUMS = {
    "number": Count("id"),
    "refused": Count("id", filter=~Q(refusal_code="")),
    "oldest_at": Min("kept_at"),
    "first_expires_at": Min("expires_at"),
}


def summarise_quarantine(program_id: int) -> Waiting:
    """
    What waits in a program.

    Shape: one Waiting.
    """
    row = QuarantinedEvent.objects.filter(program_id=program_id).aggregate(**SUMS)
    return Waiting(row["number"], row["refused"], row["oldest_at"], row["first_expires_at"])


def list_waiting(program_id: int) -> list[SourceWaiting]:
    """
    What waits in a program, source by source.

    Shape: SourceWaiting rows, by code.
    """
    own = QuarantinedEvent.objects.filter(program_id=program_id)
    rows: Any = own.values("source_id", "source__code").annotate(**SUMS)
    return [
        SourceWaiting(
            row["source__code"],
            row["source_id"],
            Waiting(row["number"], row["refused"], row["oldest_at"], row["first_expires_at"]),
        )
        for row in rows.order_by("source__code", "source_id")
    ]


def list_refusals(program_id: int) -> list[tuple[str, str, int, datetime]]:
    """
    Why replays did not take what still waits although its person is there.

    Shape: (source, code of the refusal, how many, when last tried), by source and code.
    """
    rows = QuarantinedEvent.objects.filter(program_id=program_id).exclude(refusal_code="")
    counted = rows.values_list("source__code", "refusal_code").annotate(number=Count("id"), tried=Max("tried_at"))
    return list(counted.order_by("source__code", "refusal_code"))


def find_ready(program: Program, *, with_refused: bool = False) -> QuerySet[QuarantinedEvent]:
    """
    What waits although it need not: its person is there by now, or the program makes unknown members itself.

    with_refused: also what a replay refused; nothing says that the next one would take it.

    Shape: QuarantinedEvents, oldest first.
    """
    rows = QuarantinedEvent.objects.filter(program=program).order_by("id")
    if not with_refused:
        rows = rows.filter(refusal_code="")
    if program.creates_unknown_members:
        return rows
    return rows.filter(Exists(VaultEntry.objects.filter(program=program, lookup=OuterRef("lookup"))))


def list_programs_to_replay() -> list[Program]:
    """
    The programs in which something waits although it need not.

    Shape: Programs, by id.
    """
    arrived = VaultEntry.objects.filter(program_id=OuterRef("program_id"), lookup=OuterRef("lookup"))
    ready = QuarantinedEvent.objects.filter(refusal_code="").filter(Q(program__creates_unknown_members=True) | Exists(arrived))
    return list(Program.objects.filter(pk__in=ready.values("program_id")).order_by("pk"))


def list_programs_to_expire(at: datetime) -> list[int]:
    """
    The programs in which something has waited for too long.

    Shape: program ids, ascending.
    """
    rows = QuarantinedEvent.objects.filter(expires_at__lte=at).order_by("program_id")
    return list(rows.values_list("program_id", flat=True).distinct())


def list_replayed(program_id: int) -> list[Replayed]:
    """
    What became of everything that had waited and was tried, source by source.

    Shape: Replayed rows, by source.
    """
    found: dict[str, Replayed] = {}
    for model in (IngestBatch, MessageBatch):
        own = model._default_manager.filter(program_id=program_id, origin=Origin.QUARANTINE)
        sums: Any = {name: Sum(f"{name}_count") for name in OUTCOMES}
        rows: Any = own.values("source__code").annotate(last_at=Max("recorded_at"), **sums)
        for row in rows:
            one = Replayed(row.pop("source__code"), **row)
            before = found.get(one.source)
            found[one.source] = one if before is None else before.plus(one)
    return sorted(found.values(), key=lambda one: one.source)
