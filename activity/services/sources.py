"""The sources of events: a row for each name, made when its first event arrives, remembered by each process."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection

from activity.models import EventSource
from partners.models import Program

MOST_REMEMBERED = 10_000
_known: dict[tuple[UUID, str], int] = {}


def find_sources(*, program: Program, codes: Iterable[str]) -> dict[str, int]:
    """
    The row ids of the sources that there are, by name. Nothing is remembered of what an outer transaction may take back.

    Raises: nothing of its own.
    Writes: nothing.
    """
    remembers = not connection.in_atomic_block
    found = {code: _known[program.uuid, code] for code in codes if remembers and (program.uuid, code) in _known}
    missing = [code for code in codes if code not in found]
    if missing:
        read = dict(EventSource.objects.filter(program=program, code__in=missing).values_list("code", "pk"))
        found |= read
        if remembers:
            if len(_known) + len(read) > MOST_REMEMBERED:
                _known.clear()
            _known.update({(program.uuid, code): pk for code, pk in read.items()})
    return found


def add_sources(*, program: Program, codes: Iterable[str], at: datetime) -> dict[str, int]:
    """
    Make the sources that there are not, in the caller's transaction; their row ids by name.

    Raises: nothing of its own.
    Writes: activity_eventsource.
    """
    wanted = sorted(codes)
    rows = [EventSource(program=program, code=code, created_at=at) for code in wanted]
    EventSource.objects.bulk_create(rows, ignore_conflicts=True)  # another transaction may have been faster
    return dict(EventSource.objects.filter(program=program, code__in=wanted).values_list("code", "pk"))


def name_sources(*, program: Program, codes: Iterable[str], at: datetime) -> dict[str, int]:
    """
    The row ids of some sources by name, in the caller's transaction; those that there are not are made.

    Raises: nothing of its own.
    Writes: activity_eventsource.
    """
    wanted = set(codes)
    found = find_sources(program=program, codes=wanted)
    missing = wanted - found.keys()
    return found | add_sources(program=program, codes=missing, at=at) if missing else found
