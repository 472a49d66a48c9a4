"""Reads of the ledger as a whole: its head, what is not sealed yet, who sends to it, and which part of it counts."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Sum

from activity.models import EventSource, IngestBatch, Seal
from activity.models.ledger import POSITIONS


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

    def condition(self, event: str = "e") -> str:
        """
        SQL that is true for events in the prefix; needs the parameters `program` and `cutoff`.

        Whichever side has fewer batches is named. Never as a plain IN, which PostgreSQL would make a join and, with no
        statistics for `id / 8192`, expect next to no rows of.
        """
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

    Shape: one Prefix.
    """
    # The unsealed are read first: a batch that is sealed in between is then in both lists, never in neither.
    unsealed = IngestBatch.objects.filter(program_id=program_id, seal__isnull=True).order_by("id")
    ids = tuple(unsealed.values_list("id", flat=True)) if cutoff is None else ()
    head = head_of(program_id)
    if cutoff is None:
        return Prefix(head.number, head.sealed_at, head.number, ids) if head else Prefix(0, None, 0, ids)
    seal = Seal.objects.filter(program_id=program_id, number=cutoff).first()
    return Prefix(cutoff, seal.sealed_at if seal else None, head.number if head else 0, is_cutoff=True)


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
