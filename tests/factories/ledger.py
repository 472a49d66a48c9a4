"""Events recorded by the service, and a program that can take them."""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activity.choices import Origin
from activity.rules import check_event
from activity.services import MemberRow, Person, Receipt, apply_people, record_events
from partners.models import Program
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

RECORDED_AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
MEMBERS = {"M1": {"business_unit": "cards", "region": "north"}, "M2": {"business_unit": "loans", "region": "south"}}
EVENT_HEADER = [
    "event_id",
    "occurred_at",
    "kind",
    "status",
    "member",
    "offer",
    "spend_amount",
    "spend_currency",
    "transaction_ref",
]


def make_stocked_program(code: str = "acme", **settings: Any) -> Program:
    """A program with partners P1 and P2, offers O1 and O2 of P1 and O3 of P2, and members M1 and M2."""
    program = make_program(code, **settings)
    for partner in ("P1", "P2"):
        make_partner(program, partner)
    make_offer(program, "O1")
    make_offer(program, "O2", offer_type="cashback")
    make_offer(program, "O3", partner_external_id="P2")
    rows = [MemberRow(Person(name), values) for name, values in MEMBERS.items()]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    program.refresh_from_db()
    return program


def event(number: int | str = 1, kind: str = "viewed", **fields: Any) -> dict[str, Any]:
    """One event by its file column names: member M1, offer O1, a June morning."""
    return {
        "event_id": f"e{number}",
        "occurred_at": "2026-06-15T10:00:00Z",
        "kind": kind,
        "status": "confirmed",
        "member": "M1",
        "offer": "O1",
        **fields,
    }


def record(
    program: Program, events: Iterable[Mapping[str, Any]], *, source: str = "file", at: datetime = RECORDED_AT, **options: Any
) -> Receipt:
    """Check and record events as one call."""
    checked = [check_event(fields, source=source, at=at) for fields in events]
    return record_events(program=program, events=checked, origin=options.pop("origin", Origin.FILE), at=at, **options)


def write_folder(folder: Path, events: Iterable[Mapping[str, Any]], **tables: str) -> Path:
    """A canonical folder with two partners, three offers, two members and the given events."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "partners": "external_id,name,category,country\nP1,First,food,DE\nP2,Second,food,FR\n",
        "offers": "external_id,partner_external_id,title,offer_type,category,face_value,currency,starts_on,ends_on,rank\n"
        "O1,P1,One,discount,,10.00,EUR,2026-01-01,2026-12-31,1\nO2,P1,Two,cashback,,,,,,\nO3,P2,Three,discount,,,,,,2\n",
        "members": "external_id,business_unit,region\nM1,cards,north\nM2,loans,south\n",
    } | tables
    for noun, text in texts.items():
        (folder / f"{noun}.csv").write_text(text, encoding="utf-8")
    with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, EVENT_HEADER, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(events)
    return folder
