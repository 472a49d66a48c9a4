"""Reads of what people brought in files."""

from datetime import datetime

from activity.models import Import


def list_programs_to_clear(at: datetime) -> list[int]:
    """
    The programs in which files lie that must go.

    Shape: program ids, ascending.
    """
    rows = Import.objects.filter(has_files=True, expires_at__lte=at)
    return list(rows.order_by("program_id").values_list("program_id", flat=True).distinct())
