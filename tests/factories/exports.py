"""Exports asked for and written by the services, and packages read back."""

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from exports.models import Export
from exports.services import request_export, run_export
from exports.services.places import package_folder
from partners.models import Program
from tests.factories.ledger import event, make_stocked_program, record

ASKED_AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
AWKWARD = '=a "quoted", text, ünïcode \\. \\\\'


def make_events() -> list[dict[str, Any]]:
    """One of everything that an event can carry, over two months; eight of them in June."""
    return [
        event(1, "impression", position=3, medium="app", occurred_at="2026-06-01T00:00:00Z"),
        event(2, "viewed", occurred_at="2026-06-10T10:00:00.123456Z", member="M2"),
        event(3, "unlocked", occurred_at="2026-06-10T10:05:00.5Z", offer="O2"),
        event(4, "activated", offer="O3", member="M2"),
        event(5, "redeemed", spend_amount="12.50", spend_currency="EUR", transaction_ref="T1", medium=AWKWARD),
        event(6, "redeemed", spend_amount="1200", spend_currency="JPY", reward_cost_amount="0.005", reward_cost_currency="BHD"),
        event(7, "redeemed", status="failed", reason_code="declined", member="newcomer"),
        event(
            8, "redeemed", status="reversed", spend_amount="2.05", spend_currency="EUR", transaction_ref="T1", reverses="e5",
            occurred_at="2026-06-30T23:59:59.999999Z",
        ),
        event(9, "viewed", occurred_at="2026-07-01T00:00:00Z"),
    ]  # fmt: skip


def make_exported_program(code: str = "acme", **settings: Any) -> Program:
    """A program with the events above."""
    program = make_stocked_program(code, **settings)
    receipt = record(program, make_events())
    assert receipt.accepted == len(make_events())
    return program


def ask(program: Program, **changes: Any) -> Export:
    """An export of June as CSV, asked for; nothing has written it yet."""
    wanted: dict[str, Any] = {
        "starts_date": date(2026, 6, 1),
        "ends_date": date(2026, 7, 1),
        "format": "csv",
        "filters": {},
        "actor": "system",
        "at": ASKED_AT,
    }
    return request_export(program_id=program.pk, **{**wanted, **changes})


def export(program: Program, **changes: Any) -> Export:
    """An export of June as CSV, written."""
    asked = ask(program, **changes)
    return run_export(export_id=asked.pk, actor="system", at=changes.get("at", ASKED_AT))


def read_rows(made: Export) -> list[dict[str, Any]]:
    """The rows of a package, by event id (a package promises no order); absent values are None."""
    return read_folder(package_folder(made))


def read_folder(folder: Path) -> list[dict[str, Any]]:
    """The rows of a package that lies anywhere."""
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "data").glob("events-*")):
        with path.open(newline="", encoding="utf-8") as file:
            if path.suffix == ".csv":
                rows += [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
            else:
                rows += [json.loads(line) for line in file]
    return sorted(rows, key=lambda row: row["event_id"])


def read_manifest(made: Export) -> dict[str, Any]:
    """datapackage.json."""
    return json.loads((package_folder(made) / "datapackage.json").read_text(encoding="utf-8"))
