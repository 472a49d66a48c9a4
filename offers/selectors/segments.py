"""Segments of a program."""

from django.db.models import QuerySet

from offers.models import Segment
from plum_site.lib.errors import NotFound


def list_segments(program_id: int) -> QuerySet[Segment]:
    """
    The segments of a program.

    Shape: Segments, by name, then id.
    """
    return Segment.objects.filter(program_id=program_id).order_by("name", "id")


def get_segment(program_id: int, code: str) -> Segment:
    """
    A segment by its code.

    Shape: one Segment.
    Raises: NotFound.
    """
    segment = find_segment(program_id, code)
    if segment is None:
        raise NotFound("segment", code)
    return segment


def find_segment(program_id: int, code: str) -> Segment | None:
    """
    A segment by its code, or None.

    Shape: one Segment or None.
    """
    return Segment.objects.filter(program_id=program_id, code=code).first()
