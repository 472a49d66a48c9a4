"""The same events by file and over HTTP are the same events: whichever comes second changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from activity.models import Event, IngestBatch
from activity.services.loading import NewProgram, load_folder
from partners.models import Program
from tests.factories.events import make_event
from tests.factories.ledger import event, write_folder
from tests.factories.tokens import make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
SOURCE = "urn:acme:shop"
AT_THE_TILL = {"spend_amount": "12.50", "spend_currency": "EUR", "transaction_ref": "T-1"}
BY_FILE = [
    event(1),
    event(2, "unlocked", member="M2"),
    event(3, "redeemed", **AT_THE_TILL),
    event(4, "activated", status="failed"),
]
BY_HTTP = [
    make_event(1, time="2026-06-15T10:00:00Z"),
    make_event(2, "unlocked", time="2026-06-15T12:00:00+02:00", member={"external_id": "M2"}),
    make_event(
        3, "redeemed", time="2026-06-15T10:00:00.000Z", spend={"amount": "12.5", "currency": "EUR"}, transaction_ref="T-1"
    ),
    make_event(4, "activated", time="2026-06-15T10:00:00Z", status="failed"),
]
FIELDS = ("event_key", "source__code", "occurred_at", "kind", "status", "member_id", "offer_id", "spend_minor", "transaction_ref")


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.VAR = tmp_path / "var"
    return write_folder(tmp_path / "in", BY_FILE)


def load(folder: Path, at: Any) -> tuple[int, int]:
    report = load_folder(folder=folder, new_program=NewProgram(code="acme"), actor="system", at=at, source=SOURCE)
    return report.accepted, report.duplicate


def send(program: Program) -> dict[str, int]:
    answer = make_client(program, "events:write").post(
        "/api/v1/events", json.dumps(BY_HTTP), content_type="application/cloudevents-batch+json"
    )
    assert answer.status_code == 200
    return {name: answer.json()[name] for name in ("accepted", "duplicate", "conflict", "rejected")}


def stored() -> list[tuple[Any, ...]]:
    return sorted(Event.objects.values_list(*FIELDS))


def test_http_after_the_file_is_all_duplicates(folder, at):
    assert load(folder, at) == (4, 0)
    before = stored()
    assert send(Program.objects.get()) == {"accepted": 0, "duplicate": 4, "conflict": 0, "rejected": 0}
    assert stored() == before
    assert {batch.source.code for batch in IngestBatch.objects.all()} == {SOURCE}


def test_the_file_after_http_is_all_duplicates(folder, at):
    events = (folder / "events.csv").read_text()
    (folder / "events.csv").write_text(events.splitlines()[0] + "\n")
    assert load(folder, at) == (0, 0)
    assert send(Program.objects.get())["accepted"] == 4
    before = stored()
    (folder / "events.csv").write_text(events)
    assert load(folder, at) == (0, 4)
    assert stored() == before


def test_another_source_is_another_event(folder, at):
    assert load(folder, at) == (4, 0)
    report = load_folder(folder=folder, new_program=NewProgram(code="acme"), actor="system", at=at)
    assert (report.accepted, report.duplicate) == (4, 0)
