"""The exports API: asked for, followed, downloaded; what is wrong is pointed at."""

import io
import json
import zipfile
from typing import Any

import pytest

from exports.models import Export, ExportDownload
from tests.factories.exports import ask, export, make_exported_program
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.tokens import make_client

pytestmark = pytest.mark.django_db


class TestApi:
    def test_asked_for_followed_and_downloaded(self) -> None:
        program = make_exported_program(time_zone="UTC")
        client = make_client(program, "exports:create")

        answer = client.post(
            "/api/v1/exports",
            {"from": "2026-06-01", "to": "2026-07-01", "format": "jsonl", "filters": {"partner": "P2"}},
            content_type="application/json",
        )

        assert answer.status_code == 202, answer.content
        assert answer.json()["filters"] == {"partner": ["P2"]}
        run_due(name="exports.write_export")
        shown = client.get(answer["Location"]).json()
        assert (shown["state"], shown["rows"], shown["from"], shown["to"]) == ("ready", 1, "2026-06-01", "2026-07-01")
        assert shown["files"] == ["datapackage.json", "SHA256SUMS", "data/events-00001.jsonl"]
        assert client.get("/api/v1/exports").json()["data"] == [shown]
        one = client.get(f"{answer['Location']}/download?file=data/events-00001.jsonl")
        assert json.loads(b"".join(one.streaming_content))["event_id"] == "e4"
        packed = b"".join(client.get(f"{answer['Location']}/download").streaming_content)
        assert zipfile.ZipFile(io.BytesIO(packed)).testzip() is None
        assert ExportDownload.objects.filter(downloaded_by__startswith="token:").count() == 2

    @pytest.mark.parametrize(
        ("body", "status", "pointer"),
        [
            ({"to": "2026-07-01"}, 422, "/from"),
            ({"from": "2026-06-01", "to": "2026-06-01"}, 422, "/to"),
            ({"from": "2026-06-01", "to": "2026-07-01", "format": "parquet"}, 422, "/format"),
            ({"from": "2026-06-01", "to": "2026-07-01", "identified": True}, 422, "/identified"),
            ({"from": "2026-06-01", "to": "2026-07-01", "filters": {"kind": [1]}}, 422, "/filters/kind"),
            ({"from": "2026-06-01", "to": "2026-07-01", "filters": {"kind": ["sold"]}}, 422, ""),
        ],
    )
    def test_what_is_wrong_is_pointed_at(self, body: dict[str, Any], status: int, pointer: str) -> None:
        client = make_client(make_exported_program(), "exports:create")

        answer = client.post("/api/v1/exports", body, content_type="application/json")

        assert answer.status_code == status, answer.content
        assert not pointer or any(error["pointer"] == pointer for error in answer.json()["errors"]), answer.json()
        assert not Export.objects.exists()

    def test_others_exports_are_seen_and_not_downloaded(self) -> None:
        program = make_exported_program()
        theirs = export(program, actor=make_member_of_staff(program, "analyst"))
        waiting = ask(program)
        client = make_client(program, "exports:create")

        assert client.get(f"/api/v1/exports/{theirs.uuid}").status_code == 200
        assert client.get(f"/api/v1/exports/{theirs.uuid}/download").status_code == 403
        assert client.get(f"/api/v1/exports/{waiting.uuid}/download").status_code == 409
        assert client.get("/api/v1/exports/nonsense").status_code == 404
        assert not ExportDownload.objects.exists()
