"""The single events beneath a figure: what `summarise` counted, by the same filters."""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from activity.models import Event
from activity.selectors.breakdown import Breakdown, Span
from activity.selectors.ledger import prefix_of
from partners.models import Program

PARAMETER = re.compile(r"%\((\w+)\)s")


def list_events_beneath(
    *, program: Program, starts_date: date, ends_date: date, where: Mapping[str, Sequence[str]]
) -> QuerySet[Event]:
    """
    The events of the program days `[starts_date, ends_date)` that the filters of a figure keep, of every kind and status.

    Shape: Events, in no order.
    Raises: InvalidInput - as `summarise`.
    """
    prefix = prefix_of(program.pk, None)
    pieces = Breakdown(program, (), where).pieces(Span(starts_date, ends_date), prefix)
    sql = f"{pieces.with_clause()}SELECT e.id FROM activity_event e {pieces.joins} WHERE {pieces.where()}"
    values = {**pieces.params, "cutoff": prefix.number}
    ids = RawSQL(PARAMETER.sub("%s", sql), [values[name] for name in PARAMETER.findall(sql)])  # noqa: S611 - no value is in the text
    return Event.objects.filter(program=program, pk__in=ids)
