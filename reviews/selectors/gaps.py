"""Data gaps: what the ledger says is missing in a month, and what is known of each gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from activity.selectors.silences import SourceSilence, list_silences, name_counts, read_fed
from partners.models import Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import first_instant, local_date, next_month
from reviews.choices import CycleState
from reviews.models import DataGap, ReviewCycle
from reviews.rules.gaps import say_silence

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class FoundGap:
    """A gap as the ledger shows it. ends_at: None while it lasts."""

    source_id: int
    source: str
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True)
class GapOfMonth:
    """
    A gap that lies in a reviewed month. frozen: as the review holds it, None where it was found afterwards. row: as it is known
    now, None where what was missing has arrived.
    """

    frozen: dict[str, Any] | None
    row: DataGap | None


def find_gaps_now(program: Program, cutoff: int, at: datetime) -> list[FoundGap]:
    """
    Every gap of a program, by its ledger as sealed up to a number.

    Shape: FoundGaps by source, oldest first.
    Source: docs/rules/data-gaps.md
    """
    return [_as_found(program, silence) for silence in list_silences(program, cutoff, at)]


def list_gaps(program: Program, month_start_date: date, cutoff: int, at: datetime) -> list[dict[str, Any]]:
    """
    The data gaps that a month's review freezes, by the ledger as sealed up to a number.

    Shape: JSON rows {"source", "starts_at", "ends_at", "offers", "partners", "counts"} by source, oldest first: instants in
    UTC, ends_at null while it lasts; offers and partners that the source feeds by external id, and the counts it is part of.
    Source: docs/rules/data-gaps.md
    """
    ends_date = next_month(month_start_date)
    rows = []
    for silence in list_silences(program, cutoff, at):
        if silence.first_date < ends_date and (silence.end_date is None or silence.end_date > month_start_date):
            fed, found = read_fed(program, silence.source_id, silence.first_date, cutoff), _as_found(program, silence)
            rows.append(
                {
                    "source": silence.source,
                    "starts_at": found.starts_at.isoformat(),
                    "ends_at": found.ends_at.isoformat() if found.ends_at else None,
                    "offers": list(fed.offers),
                    "partners": list(fed.partners),
                    "counts": name_counts(fed.stages),
                }
            )
    return rows


def list_data_gaps(program_id: int) -> QuerySet[DataGap]:
    """
    The gaps of a program that are known.

    Shape: DataGaps with their source and whether they are relied on, newest first.
    """
    gaps = with_reliance(DataGap.objects.filter(program_id=program_id)).select_related("source")
    return gaps.order_by("-starts_at", "source__code", "id")


def with_reliance(gaps: QuerySet[DataGap]) -> QuerySet[DataGap]:
    """
    Gaps with `is_relied_on`: whether a month that they lie in was closed after they were accepted.

    Shape: the same DataGaps.
    """
    closed = ReviewCycle.objects.filter(
        program_id=OuterRef("program_id"),
        state=CycleState.CLOSED,
        closed_at__gte=OuterRef("accepted_at"),
        ends_at__gt=OuterRef("starts_at"),
        starts_at__lt=Coalesce(OuterRef("ends_at"), F("ends_at")),  # one that lasts reaches over the end of any month
    )
    return gaps.annotate(is_relied_on=Exists(closed))  # type: ignore[no-redef] # the model declares it


def list_data_gaps_between(program_id: int, starts_at: datetime, ends_at: datetime) -> QuerySet[DataGap]:
    """
    The gaps of a program that lie in a period, or partly.

    Shape: as list_data_gaps.
    """
    lasting = Q(ends_at__isnull=True) | Q(ends_at__gt=starts_at)
    return list_data_gaps(program_id).filter(lasting, starts_at__lt=ends_at)


def list_lasting_gaps(program_id: int) -> QuerySet[DataGap]:
    """
    The gaps that last: sources that are silent now.

    Shape: as list_data_gaps.
    """
    return list_data_gaps(program_id).filter(ends_at__isnull=True)


def get_data_gap(program_id: int, gap_id: int) -> DataGap:
    """
    One gap.

    Shape: one DataGap with its source.
    Raises: NotFound.
    """
    gap = list_data_gaps(program_id).filter(pk=gap_id).first()
    if gap is None:
        raise NotFound("data gap", gap_id)
    return gap


def list_unaccepted(cycle: ReviewCycle) -> list[DataGap]:
    """
    The gaps of a cycle's month that nobody has accepted: it cannot be closed before.

    Shape: DataGaps, oldest first.
    """
    gaps = list_data_gaps_between(cycle.program_id, cycle.starts_at, cycle.ends_at)
    return list(gaps.filter(accepted_at__isnull=True).order_by("starts_at", "source__code", "id"))


def list_gaps_of_month(cycle: ReviewCycle) -> list[GapOfMonth]:
    """
    The gaps that a review has frozen, each beside what is known of it now, and those that were found since.

    Shape: GapOfMonths, the frozen ones first, each kind by source, oldest first.
    """
    known = list_data_gaps_between(cycle.program_id, cycle.starts_at, cycle.ends_at)
    rows = list(known.order_by("source__code", "starts_at", "id"))
    found = []
    for frozen in cycle.config.get("gaps", []):
        starts_at, ends_at = read_span(frozen)
        of_source = (row for row in rows if row.source.code == frozen["source"])
        same = (row for row in of_source if _reaches(row.ends_at, starts_at) and _reaches(ends_at, row.starts_at))
        found.append(GapOfMonth(frozen, next(same, None)))
    seen = {one.row.pk for one in found if one.row is not None}
    return [*found, *(GapOfMonth(None, row) for row in rows if row.pk not in seen)]


def list_overtaken(cycle: ReviewCycle) -> list[dict[str, Any]]:
    """
    The gaps that a cycle has frozen and that are none any more: what was missing has arrived since.

    Shape: rows as list_gaps gives them.
    """
    return [one.frozen for one in list_gaps_of_month(cycle) if one.frozen is not None and one.row is None]


def read_span(frozen: Mapping[str, Any]) -> tuple[datetime, datetime | None]:
    """
    From when to when a frozen gap was.

    Shape: two instants, the second None where it lasted.
    """
    return datetime.fromisoformat(frozen["starts_at"]), datetime.fromisoformat(frozen["ends_at"]) if frozen["ends_at"] else None


def list_gap_months(gap: DataGap, cycles: Sequence[ReviewCycle]) -> list[ReviewCycle]:
    """
    The cycles, of those given, that a gap lies in.

    Shape: ReviewCycles in the order given.
    """
    return [cycle for cycle in cycles if gap.starts_at < cycle.ends_at and (gap.ends_at is None or gap.ends_at > cycle.starts_at)]


def say_gap(source: str, starts_at: datetime, ends_at: datetime | None, time_zone: str) -> str:
    """
    A gap in words, by the program's days: of a row, or as a review has frozen it.

    Shape: a clause without its full stop.
    """
    last = local_date(ends_at - ONE_DAY, time_zone) if ends_at is not None else None
    return say_silence(source, local_date(starts_at, time_zone), last)


def _reaches(ends_at: datetime | None, instant: datetime) -> bool:
    """Whether something that ends then, or lasts, goes on beyond an instant."""
    return ends_at is None or ends_at > instant


def _as_found(program: Program, silence: SourceSilence) -> FoundGap:
    ends_at = first_instant(silence.end_date, program.time_zone) if silence.end_date else None
    return FoundGap(silence.source_id, silence.source, first_instant(silence.first_date, program.time_zone), ends_at)
