"""After a load PostgreSQL's planner knows what came, without waiting for autovacuum."""

from pathlib import Path

import pytest
from django.db import connection

from activity.services.loading import NewProgram, load_folder
from tests.factories.ledger import RECORDED_AT, event, write_folder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]
EVENTS = 200


def known_rows(table: str) -> float:
    """How many rows the planner believes a table to have; below 0 if nobody has looked yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        return float(cursor.fetchone()[0])


def test_a_load_tells_the_planner(settings: object, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"  # type: ignore[attr-defined]
    folder = write_folder(tmp_path / "folder", [event(number) for number in range(EVENTS)])
    is_postgres = connection.vendor == "postgresql"
    if is_postgres:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE activity_eventidentity")
        assert known_rows("activity_eventidentity") == 0

    report = load_folder(folder=folder, new_program=NewProgram(code="acme"), actor="system", at=RECORDED_AT)

    assert report.accepted == EVENTS
    if is_postgres:
        assert known_rows("activity_eventidentity") == known_rows("activity_event_2026_06") == EVENTS
