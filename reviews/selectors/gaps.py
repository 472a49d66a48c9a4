"""Data gaps: what the ledger says is missing in a month, and what is known of each gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet

from activity.selectors.silences import SourceSilence, list_silences, name_counts, read_fed
from partners.models import Program
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import first_instant, next_month
from reviews.models import DataGap, ReviewCycle


@dataclass(frozen=True)
class FoundGap:
    """A gap as the ledger shows it. ends_at: None while it lasts."""

    source_id: int
    source: str
    starts_at: datetime
    ends_at: datetime | None


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

    Shape: DataGaps with their source, newest first.
    """
    return DataGap.objects.filter(program_id=program_id).select_related("source").order_by("-starts_at", "source__code", "id")


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


def list_overtaken(cycle: ReviewCycle) -> list[dict[str, Any]]:
    """
    The gaps that a cycle has frozen and that are none any more: what was missing has arrived since.

    Shape: rows as list_gaps gives them.
    """
    known = list_data_gaps_between(cycle.program_id, cycle.starts_at, cycle.ends_at)
    sources = {gap.source.code for gap in known}
    return [gap for gap in cycle.config.get("gaps", []) if gap["source"] not in sources]


def list_gap_months(gap: DataGap, cycles: Sequence[ReviewCycle]) -> list[ReviewCycle]:
    """
    The cycles, of those given, that a gap lies in.

    Shape: ReviewCycles in the order given.
    """
    return [cycle for cycle in cycles if gap.starts_at < cycle.ends_at and (gap.ends_at is None or gap.ends_at > cycle.starts_at)]


def _as_found(program: Program, silence: SourceSilence) -> FoundGap:
    ends_at = first_instant(silence.end_date, program.time_zone) if silence.end_date else None
    return FoundGap(silence.source_id, silence.source, first_instant(silence.first_date, program.time_zone), ends_at)
