"""A member's timeline, rebuilt field for field from the raw export alone: real data against its published truth."""

import csv
import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from activity.selectors import list_timeline
from activity.services import find_member
from activity.services.loading import NewProgram, load_folder
from exports.services import check_package
from exports.services.places import package_folder
from partners.models import Program
from plum_site.lib.clock import now
from tests.factories.exports import export, read_rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
SAMPLE = Path("plum_site/demo/completejourney")


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def read_truth(checkout: Path) -> dict[str, Any]:
    """Outside id to the member's attributes and events."""
    truth: dict[str, Any] = json.loads((checkout / SAMPLE / "truth/timelines.json").read_text(encoding="utf-8"))
    return truth


def cut_folder(checkout: Path, folder: Path, members: set[str]) -> Path:
    """The sample with the members and the events of some."""
    folder.mkdir()
    for name in ("partners", "offers"):
        (folder / f"{name}.csv").write_bytes((checkout / SAMPLE / f"{name}.csv").read_bytes())
    columns = {"members": "external_id", "events": "member"}
    for name, column in columns.items():
        path = checkout / SAMPLE / f"{name}.csv"
        packed = path.with_suffix(".csv.gz")
        text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text(encoding="utf-8")
        rows = csv.DictReader(text.splitlines())
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as written:
            writer = csv.DictWriter(written, rows.fieldnames or [])
            writer.writeheader()
            writer.writerows(row for row in rows if row[column] in members)
    return folder


def rebuild(program: Program) -> dict[str, list[dict[str, Any]]]:
    """Outside id to events in time order, from the rows of an identified export of everything."""
    made = export(
        program,
        starts_date=date(2016, 1, 1),
        ends_date=date(2019, 1, 1),
        is_identified=True,
        reason="rebuild the timelines",
    )
    assert made.state == "ready", made.error
    assert check_package(folder=package_folder(made))[0] is None
    timelines: dict[str, list[dict[str, Any]]] = {}
    for row in read_rows(made):
        timelines.setdefault(row["member"], []).append(row)
    return {member: sorted(rows, key=lambda row: row["occurred_at"]) for member, rows in timelines.items()}


def compare(program: Program, truth: dict[str, Any], rebuilt: dict[str, list[dict[str, Any]]]) -> int:
    """Every field of the truth, and every field that the console's timeline has; how many events were compared."""
    compared = 0
    for external_id, known in truth.items():
        rows = {(row["source"], row["event_id"]): row for row in rebuilt[external_id]}
        assert len(rows) == len(known["events"]), external_id
        for event in known["events"]:
            row = rows["file", event["event_id"]]
            assert datetime.fromisoformat(row["occurred_at"]) == datetime.fromisoformat(event["occurred_at"])
            same = {name: value for name, value in event.items() if name != "occurred_at"}
            assert {name: row[name] for name in same} == same
            compared += 1
        for name in program.reporting_attributes:
            assert {row[f"member.{name}"] or "" for row in rebuilt[external_id]} == {known["member"][name] or ""}
        member = find_member(program=program, external_id=external_id)
        assert member is not None
        for shown in list_timeline(program=program, member=member):
            row = rows[shown["source"], shown["event_id"]]
            for name, value in shown.items():
                if isinstance(value, datetime):
                    assert datetime.fromisoformat(row[name]) == value
                else:
                    assert row[name] == (str(value) if isinstance(value, int) else value), name
    return compared


def load(folder: Path) -> Program:
    wanted = NewProgram(code="journey", time_zone="America/New_York", currency="USD")
    report = load_folder(folder=folder, new_program=wanted, actor="system", at=now())
    assert report.rejected_rows == 0
    return Program.objects.get(code="journey")


def test_timelines_of_some_members_are_rebuilt(checkout: Path, tmp_path: Path) -> None:
    truth = dict(list(read_truth(checkout).items())[:5])
    program = load(cut_folder(checkout, tmp_path / "sample", set(truth)))

    assert compare(program, truth, rebuild(program)) == sum(len(known["events"]) for known in truth.values())


@pytest.mark.slow
def test_timelines_are_rebuilt_from_the_export_of_everybody(checkout: Path) -> None:
    truth = read_truth(checkout)
    program = load(checkout / SAMPLE)

    rebuilt = rebuild(program)

    assert compare(program, truth, rebuilt) == sum(len(known["events"]) for known in truth.values())
    assert sum(map(len, rebuilt.values())) > 10_000
