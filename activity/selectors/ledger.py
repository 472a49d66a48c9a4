"""Reads of the ledger as a whole: its head, what is not sealed yet, who sends to it, and which part of it counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import BigIntegerField, Count, Max, Min, Subquery, Sum
from django.db.models.functions import Coalesce

from activity.models import EventSource, IngestBatch, Seal
from activity.models.ledger import POSITIONS

# Batches before the last sealed one among which an unsealed one is looked for: the cost must not grow with the ledger.
LOOK_BACK = 4096


@dataclass(frozen=True)
class Head:
    """The newest seal of a program."""

    number: int
    chain: bytes
    sealed_at: datetime


@dataclass(frozen=True)
class Unsealed:
    """What has been committed and is not sealed yet."""

    batches: int
    events: int
    since: datetime | None


@dataclass(frozen=True)
class SourceActivity:
    """One source of a program, and what became of all it has sent."""

    code: str
    created_at: datetime
    last_recorded_at: datetime | None
    batches: int
    received: int
    accepted: int
    duplicate: int
    conflict: int
    rejected: int


@dataclass(frozen=True)
class Prefix:
    """
    The part of a program's ledger that counts: batches sealed up to `number`, and the unsealed ones listed.

    Fixed once, so that every statement of one answer sees the same events while others are being recorded.
    """

    number: int
    sealed_at: datetime | None
    head_number: int
    unsealed_ids: tuple[int, ...] = ()
    is_cutoff: bool = False
    is_ledger_only: bool = False
    is_tail: bool = False

    def from_ledger(self) -> "Prefix":
        """The same part, to be read from the ledger alone."""
        return replace(self, is_ledger_only=True)

    def tail(self) -> "Prefix":
        """Of this part, what is not sealed and so in no rollup."""
        return replace(self, is_tail=True)

    def condition(self, event: str = "e") -> str:
        """
        SQL that is true for events in the prefix; needs the parameters `program` and `cutoff`.

        Whichever side has fewer batches is named. Never as a plain IN, which PostgreSQL would make a join and, with no
        statistics for `id / 8192`, expect next to no rows of.
        """
        if self.is_tail:
            ranges = [(low * POSITIONS, (high + 1) * POSITIONS) for low, high in runs(self.unsealed_ids)]
            return f"({' OR '.join(f'({event}.id >= {low} AND {event}.id < {high})' for low, high in ranges) or '1 = 0'})"
        batch = f"{event}.id / {POSITIONS}"
        if self.number < self.head_number - self.number and not self.unsealed_ids:
            sealed = "SELECT batch_id FROM activity_seal WHERE program_id = %(program)s AND number <= %(cutoff)s"
            return f"({batch} IN ({sealed})) IS TRUE"
        ids = ", ".join(map(str, self.unsealed_ids))
        later = "SELECT batch_id FROM activity_seal WHERE program_id = %(program)s AND number > %(cutoff)s"
        unsealed = (
            "SELECT b.id FROM activity_ingestbatch b WHERE b.program_id = %(program)s"
            " AND NOT EXISTS (SELECT 1 FROM activity_seal z WHERE z.batch_id = b.id)"
        )
        if ids:
            later, unsealed = f"{later} AND batch_id NOT IN ({ids})", f"{unsealed} AND b.id NOT IN ({ids})"
        return f"{batch} NOT IN ({later} UNION ALL {unsealed})"


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """
    Numbers as runs without gaps.

    Shape: (first, last) pairs, ascending.
    """
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def head_of(program_id: int) -> Head | None:
    """
    The newest seal of a program.

    Shape: one Head, or None while nothing is sealed.
    """
    seal = Seal.objects.filter(program_id=program_id).order_by("-number").first()
    return Head(seal.number, bytes(seal.chain), seal.sealed_at) if seal else None


def count_unsealed(program_id: int) -> Unsealed:
    """
    How much of a program's ledger is committed and not sealed yet, and since when.

    Shape: one Unsealed.
    """
    row = IngestBatch.objects.filter(program_id=program_id, seal__isnull=True).aggregate(
        batches=Count("id"), events=Sum("accepted_count"), since=Min("recorded_at")
    )
    return Unsealed(row["batches"], row["events"] or 0, row["since"])


def prefix_of(program_id: int, cutoff: int | None) -> Prefix:
    """
    The part of the ledger that a cut-off names; None: everything committed by now, sealed or not.

    A batch whose transaction was open while LOOK_BACK later ones were recorded counts from its seal on.

    Shape: one Prefix.
    """
    # The unsealed are read first: a batch that is sealed in between is then in both lists, never in neither.
    sealed = Seal.objects.filter(program_id=program_id).order_by("-number").values("batch_id")[:1]
    recent = Coalesce(Subquery(sealed), 0, output_field=BigIntegerField()) - LOOK_BACK
    unsealed = IngestBatch.objects.filter(program_id=program_id, seal__isnull=True, id__gt=recent).order_by("id")
    ids = tuple(unsealed.values_list("id", flat=True)) if cutoff is None else ()
    head = head_of(program_id)
    if cutoff is None:
        return Prefix(head.number, head.sealed_at, head.number, ids) if head else Prefix(0, None, 0, ids)
    seal = Seal.objects.filter(program_id=program_id, number=cutoff).first()
    return Prefix(cutoff, seal.sealed_at if seal else None, head.number if head else 0, is_cutoff=True)


def has_moved(program_id: int, prefix: Prefix) -> bool:
    """
    Whether anything was sealed since a prefix was read.

    Shape: bool.
    """
    head = head_of(program_id)
    return (head.number if head else 0) != prefix.head_number


def list_sources(program_id: int) -> list[SourceActivity]:
    """
    The sources of a program, with when each last sent and the outcome of everything it sent.

    Shape: SourceActivity rows, by code.
    """
    rows = (
        EventSource.objects.filter(program_id=program_id)
        .annotate(
            last=Max("batches__recorded_at"),
            number=Count("batches"),
            received=Sum("batches__received_count", default=0),
            accepted=Sum("batches__accepted_count", default=0),
            duplicate=Sum("batches__duplicate_count", default=0),
            conflict=Sum("batches__conflict_count", default=0),
            rejected=Sum("batches__rejected_count", default=0),
        )
        .order_by("code", "id")
    )
    return [
        SourceActivity(
            row.code, row.created_at, row.last, row.number, row.received, row.accepted, row.duplicate, row.conflict, row.rejected
        )
        for row in rows
    ]
