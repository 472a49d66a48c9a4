"""Questions about exports: which there are, and which need something done."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from exports.choices import ExportState
from exports.models import Export
from plum_site.lib.choices import JobState
from plum_site.lib.errors import NotFound
from plum_site.lib.models import Job


def list_exports(program_id: int) -> QuerySet[Export]:
    """
    The exports of a program, newest first.

    Shape: Exports.
    """
    return Export.objects.filter(program_id=program_id).select_related("program").order_by("-asked_at", "-id")


def find_export(program_id: int, uuid: str) -> Export | None:
    """
    One export by its uuid, if it is the program's.

    Shape: an Export or None.
    """
    try:
        wanted = UUID(uuid)
    except ValueError:
        return None
    return list_exports(program_id).filter(uuid=wanted).first()


def get_export(program_id: int, uuid: str) -> Export:
    """
    One export by its uuid.

    Shape: an Export.
    Raises: NotFound, also for one of another program.
    """
    export = find_export(program_id, uuid)
    if export is None:
        raise NotFound("export", uuid)
    return export


def list_ready() -> QuerySet[Export]:
    """
    The exports whose files are there, oldest first.

    Shape: Exports.
    """
    return Export.objects.filter(state=ExportState.READY).select_related("program").order_by("id")


def list_expired(at: datetime) -> QuerySet[Export]:
    """
    The exports whose files must go by now.

    Shape: Exports, oldest first.
    """
    return list_ready().filter(expires_at__lte=at)


def list_stuck() -> list[Export]:
    """
    The exports that nobody will write any more: their job was given up, or is not there.

    Shape: Exports, oldest first.
    """
    waiting = Export.objects.filter(state__in=(ExportState.REQUESTED, ExportState.RUNNING), job_id__isnull=False)
    exports = list(waiting.select_related("program").order_by("id"))
    alive = Job.objects.filter(pk__in=[export.job_id for export in exports]).filter(~Q(state=JobState.DEAD))
    ids = set(alive.values_list("pk", flat=True))
    return [export for export in exports if export.job_id not in ids]


def describe_export(export: Export) -> dict[str, Any]:
    """
    What an export is about, for its manifest, the audit log and machines.

    Shape: {"id", "program", "from", "to", "format", "filters", "identified"}; `to` is the day after the last.
    """
    return {
        "id": str(export.uuid),
        "program": export.program.code,
        "from": export.starts_date.isoformat(),
        "to": export.ends_date.isoformat(),
        "format": str(export.format),
        "filters": export.filters,
        "identified": export.is_identified,
    }
