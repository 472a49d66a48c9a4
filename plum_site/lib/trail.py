"""
Reading the audit log: who is in it, what it is about, and the entries that fit.

Newest first means by instant, then id. Every question that the console and the API ask of a long log is led by an index.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Q, QuerySet

from plum_site.lib import audit
from plum_site.lib.models import AuditEvent, User
from plum_site.lib.periods import first_instant
from plum_site.lib.tenancy import program_path

ORDER = ("-at", "-id")
NAMING_FIELDS = ("external_id", "code", "username", "name")
MOST_FOUND = 200
EARLIEST, LATEST = date(1970, 1, 1), date(9000, 1, 1)
# Each step leads over an index to the next value, however many entries hold it.
DISTINCT = """
    WITH RECURSIVE known(value) AS (
        SELECT min({column}) FROM plum_auditevent WHERE program_id = %s
        UNION ALL
        SELECT (SELECT min({column}) FROM plum_auditevent WHERE program_id = %s AND {column} > known.value)
        FROM known WHERE known.value IS NOT NULL
    )
    SELECT value FROM known WHERE value IS NOT NULL
"""


def list_entries(program_id: int) -> QuerySet[AuditEvent]:
    """Every entry of a program, newest first."""
    return AuditEvent.objects.filter(program_id=program_id).order_by(*ORDER)


def list_actors(program_id: int) -> list[str]:
    """Whoever did anything in a program, as the log writes them, in that order."""
    return _distinct("actor", program_id)


def list_actions(program_id: int) -> list[str]:
    """Whatever was done in a program, by code."""
    return _distinct("action", program_id)


def _distinct(column: str, program_id: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(DISTINCT.format(column=column), [program_id, program_id])
        return [value for (value,) in cursor.fetchall()]


def within(
    entries: QuerySet[AuditEvent],
    time_zone: str,
    first: date | None = None,
    until: date | None = None,
    *,
    includes_last: bool = False,
) -> QuerySet[AuditEvent]:
    """Entries from a program day on, and before another begins; includes_last: before that one ends."""
    if first:
        entries = entries.filter(at__gte=first_instant(clamp(first), time_zone))
    if until:
        end = clamp(until) + timedelta(days=includes_last)
        entries = entries.filter(at__lt=first_instant(end, time_zone))
    return entries


def clamp(day: date) -> date:
    """A day that can be reckoned with, however strange the one that was asked for."""
    return min(max(day, EARLIEST), LATEST)


def about(entries: QuerySet[AuditEvent], labels: Iterable[str], words: str, program_id: int) -> QuerySet[AuditEvent]:
    """
    Entries about rows of these models ("app.Model"); with words, about those whose id or name contains them.

    Words may also be a reference as the log has it, "app.Model:42".
    """
    labels, words = list(labels), words.strip()
    if not words:
        return entries.filter(match_labels(labels))
    found = [f"{label}:{pk}" for label in labels for pk in find_rows(label, words, program_id)]
    return entries.filter(object_ref__in=[*found, words])


def match_labels(labels: Iterable[str]) -> Q:
    """The condition that an entry is about a row of one of these models."""
    condition = Q(pk__in=[])
    for label in labels:
        condition |= Q(object_ref__startswith=f"{label}:")
    return condition


def find_rows(label: str, words: str, program_id: int) -> list[int]:
    """Ids of the first MOST_FOUND rows of a model, in a program, whose own id or name contains the words."""
    model = apps.get_model(label)
    names = {field.name for field in model._meta.concrete_fields if isinstance(field, models.CharField)}
    matching = Q(pk__in=[])
    for name in NAMING_FIELDS:
        if name in names:
            matching |= Q(**{f"{name}__icontains": words})
    path = "role_grants__program_id" if model is User else program_path(model)
    rows = model._default_manager.filter(matching, **{path: program_id}) if path else model._default_manager.none()
    return list(rows.order_by("pk").values_list("pk", flat=True).distinct()[:MOST_FOUND])


def name_objects(references: Iterable[str]) -> dict[str, str]:
    """What each "app.Model:id" is called now, one query a model; what is gone has no name."""
    ids: dict[str, list[int]] = defaultdict(list)
    for reference in set(references):
        label, _, number = reference.partition(":")
        if number.isdecimal() and len(number) < 19:
            ids[label].append(int(number))
    return {f"{label}:{pk}": str(row) for label, numbers in ids.items() for pk, row in fetch(label, numbers).items()}


def fetch(label: str, ids: list[int]) -> Mapping[Any, models.Model]:
    """Rows of a model by id, with what their names are made of; none of a model that is no more."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return {}
    rows: Mapping[Any, models.Model] = model._default_manager.select_related().in_bulk(ids)
    return rows


def note_export(*, program: models.Model, filters: Mapping[str, str], actor: User | str, at: datetime) -> None:
    """
    Note in the log that somebody took a copy of it, and of which part.

    Raises: nothing.
    Writes: plum_auditevent.
    """
    with transaction.atomic():
        audit.record(
            program_id=program.pk, actor=actor, action="plum.export_audit", row=program, at=at, after={"filters": dict(filters)}
        )
