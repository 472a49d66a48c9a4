"""The reference over HTTP: `plum_site.bench.reference` as gunicorn serves it, its tables, and the requests it is sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from activity.choices import Kind
from activity.rules import IncomingEvent
from plum_site.bench.ledger import OFFERS
from plum_site.bench.reference.models import MODELS, ReferenceMember, ReferenceOffer, ReferenceSet
from plum_site.bench.site import Site, send
from plum_site.bench.traffic import Prepared, RequestsFile, in_parts, list_traffic

SETS, MEMBERS, AT_ONCE = 24, 3000, 500
PATH = "/events"


class Reference:
    """Django REST framework under the same gunicorn, on tables of its own in the same database."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        with connection.cursor() as cursor:
            for model, count in ((ReferenceMember, MEMBERS), (ReferenceOffer, OFFERS), (ReferenceSet, SETS)):
                table = model._meta.db_table
                cursor.execute(f"INSERT INTO {table} SELECT n FROM generate_series(1, %s) n", [count])  # noqa: S608 - our own name
        site.start_web("reference", "plum_site.bench.reference.wsgi:application")

    def prepare(self, *, requests: int, at_once: int, rounds: int) -> Prepared:
        """Requests for so many rounds."""
        file = RequestsFile(self.folder, "reference", path=PATH, body_of=as_list if at_once > 1 else as_object)
        for part in in_parts(list_traffic(requests * at_once * rounds, MEMBERS), at_once):
            file.add(part)
        return file.close()

    def send(self, prepared: Prepared, *, connections: int, turn: int, rounds: int) -> dict[str, Any]:
        """The requests of one round."""
        count = prepared.count // rounds
        return send(prepared, port=self.site.ports["reference"], connections=connections, first=turn * count, count=count)

    def close(self) -> None:
        """Remove the tables."""
        with connection.cursor() as cursor:
            names = ", ".join(model._meta.db_table for model in MODELS)
            cursor.execute(f"DROP TABLE IF EXISTS {names} CASCADE")


def as_list(events: list[IncomingEvent]) -> bytes:
    """Events as a list of the reference's rows."""
    return json.dumps(list(_rows(events)), separators=(",", ":")).encode()


def as_object(events: list[IncomingEvent]) -> bytes:
    """A part of one event as one row."""
    [row] = _rows(events)
    return json.dumps(row, separators=(",", ":")).encode()


def _rows(events: list[IncomingEvent]) -> Iterator[dict[str, Any]]:
    for event in events:
        member, offer = int(event.member[1:]) + 1, int(event.offer[1:]) + 1
        yield {
            "event_id": event.event_id,
            "member": member,
            "offer": offer,
            "attribute_set": member % SETS + 1,
            "kind": Kind(event.kind).value,
            "status": int(event.status),
            "occurred_at": event.occurred_at.isoformat(),
            "spend_minor": event.spend_minor,
            "spend_currency": event.spend_currency,
            "transaction_ref": event.transaction_ref,
            "medium": event.medium,
            "position": event.position,
        }
