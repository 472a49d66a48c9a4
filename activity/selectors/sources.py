"""Reads of sources: how far each is complete, and which are silent."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from activity.choices import Rhythm
from activity.models import EventSource, IngestBatch, MessageBatch
from activity.rules.rhythms import find_silence
from partners.models import Program


@dataclass(frozen=True)
class SourceState:
    """
    One source at one instant. last_event_at: when the latest accepted event or message happened. complete_through: before
    it nothing is missing, as the sender stated, else as the last event shows; None while nothing is known.
    silent_since: since when more was expected of it; None where it is not silent.
    """

    id: int
    code: str
    rhythm: str
    created_at: datetime
    last_event_at: datetime | None
    complete_through: datetime | None
    is_stated: bool
    silent_since: datetime | None


def list_source_states(program_id: int, at: datetime) -> list[SourceState]:
    """
    The sources of a program as they are at an instant.

    Shape: SourceState rows, by code.
    """
    return [describe_source(row, at) for row in annotate_latest(EventSource.objects.filter(program_id=program_id))]


def find_source_state(program_id: int, code: str, at: datetime) -> SourceState | None:
    """
    One source as it is at an instant.

    Shape: one SourceState, or None.
    """
    row = annotate_latest(EventSource.objects.filter(program_id=program_id, code=code)).first()
    return describe_source(row, at) if row is not None else None


def list_silent_sources(program: Program, at: datetime) -> list[SourceState]:
    """
    The sources that should have sent something by an instant and did not: later than their rhythm and its grace allow.

    A source of which nothing is expected is never among them; one that never sent anything is silent from when it was made.

    Shape: SourceState rows, by code.
    """
    expected = EventSource.objects.filter(program=program).exclude(rhythm=Rhythm.NONE)
    states = (describe_source(row, at) for row in annotate_latest(expected))
    return [state for state in states if state.silent_since is not None]


def annotate_latest(rows: QuerySet[EventSource]) -> QuerySet:
    """
    Sources with the instant of their latest event and message; one look into an index each.

    Shape: EventSources with `latest_event` and `latest_message`, by code.
    """

    def latest(model: type[IngestBatch] | type[MessageBatch]) -> Subquery:
        own = model._default_manager.filter(source_id=OuterRef("pk"), latest_occurred_at__isnull=False)
        return Subquery(own.order_by("-latest_occurred_at").values("latest_occurred_at")[:1])

    return rows.annotate(latest_event=latest(IngestBatch), latest_message=latest(MessageBatch)).order_by("code", "id")


def describe_source(row: EventSource, at: datetime) -> SourceState:
    """
    One source with its latest event and message as it is at an instant.

    Shape: one SourceState.
    """
    instants = [instant for instant in (row.latest_event, row.latest_message) if instant is not None]  # type: ignore[attr-defined]
    last = max(instants, default=None)
    through = row.complete_through_at or last
    return SourceState(
        id=row.pk,
        code=row.code,
        rhythm=row.rhythm,
        created_at=row.created_at,
        last_event_at=last,
        complete_through=through,
        is_stated=row.complete_through_at is not None,
        silent_since=find_silence(row.rhythm, through or row.created_at, at),
    )
