"""Writing a package: what is in it, that it can be trusted, and what happens when it cannot be written."""

import errno
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from activity.services import find_member
from exports.choices import ExportState
from exports.models import Export
from exports.selectors.rows import ROWS_A_FILE
from exports.services import check_package, fail_export, request_export, retry_export, run_export
from exports.services.members import pseudonym_of
from exports.services.places import package_folder, work_folder
from plum_site.lib import announcements
from plum_site.lib.choices import JobState
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import AuditEvent, Job
from tests.factories.exports import ASKED_AT, AWKWARD, ask, export, make_exported_program, read_manifest, read_rows
from tests.factories.ledger import event, make_stocked_program, record

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
JUNE = ["e2", "e3", "e4", "e5", "e6", "e7"]  # e1 and e9 are another month's in Berlin, e8 is July's


def test_every_event_of_the_period_is_in_it_with_every_field() -> None:
    program = make_exported_program(time_zone="UTC")

    made = export(program)

    rows = {row["event_id"]: row for row in read_rows(made)}
    assert list(rows) == ["e1", *JUNE, "e8"]
    assert rows["e2"]["occurred_at"] == "2026-06-10T10:00:00.123456Z"
    assert rows["e3"]["occurred_at"] == "2026-06-10T10:05:00.500000Z"
    assert (rows["e1"]["position"], rows["e1"]["medium"]) == ("3", "app")
    assert rows["e5"]["medium"] == AWKWARD
    assert (rows["e5"]["spend_amount"], rows["e5"]["spend_currency"]) == ("12.50", "EUR")
    assert (rows["e6"]["spend_amount"], rows["e6"]["reward_cost_amount"]) == ("1200", "0.005")
    assert (rows["e7"]["status"], rows["e7"]["reason_code"]) == ("failed", "declined")
    assert (rows["e8"]["status"], rows["e8"]["reverses"], rows["e8"]["spend_amount"]) == ("reversed", "e5", "2.05")
    assert (rows["e4"]["offer"], rows["e4"]["partner"]) == ("O3", "P2")
    assert (rows["e2"]["member.business_unit"], rows["e7"]["member.region"]) == ("loans", None)
    assert {row["recorded_at"] for row in rows.values()} == {"2026-07-15T09:30:00.000000Z"}


def test_json_lines_hold_the_same_rows_with_amounts_as_texts() -> None:
    program = make_exported_program(time_zone="UTC")

    plain, lines = read_rows(export(program)), read_rows(export(program, format="jsonl"))

    assert all(isinstance(row["spend_amount"], str | None) for row in lines)
    assert lines[0]["position"] == 3
    unequal = {"member", "position"}
    assert [{k: v for k, v in row.items() if k not in unequal} for row in plain] == [
        {k: v for k, v in row.items() if k not in unequal} for row in lines
    ]


def test_the_bytes_are_rfc_4180() -> None:
    made = export(make_exported_program(time_zone="UTC"))

    text = (package_folder(made) / "data/events-00001.csv").read_bytes()

    assert not text.startswith(b"\xef\xbb\xbf")
    assert text.endswith(b"\r\n")
    assert text.count(b"\n") == text.count(b"\r\n") == 9
    assert b'"=a ""quoted"", text, ' in text  # never altered for spreadsheets
    assert "no cell is altered" in read_manifest(made)["plum"]["note"]


def test_days_are_the_programs_own() -> None:
    made = export(make_exported_program(time_zone="Europe/Berlin"))

    assert [row["event_id"] for row in read_rows(made)] == ["e1", *JUNE]
    assert export(make_exported_program("west", time_zone="America/New_York")).rows == 8


def test_the_manifest_says_what_it_holds_and_as_of_when() -> None:
    made = export(make_exported_program(time_zone="UTC"))

    plum = read_manifest(made)["plum"]
    assert (plum["rows"], made.rows) == (8, 8)
    assert plum["sums"] == {
        "reversed_spend": {"EUR": "2.05"}, "reward_cost": {"BHD": "0.005"}, "spend": {"EUR": "12.50", "JPY": "1200"},
    }  # fmt: skip
    assert plum["events"]["redeemed"] == {"confirmed": 2, "failed": 1, "reversed": 1}
    assert plum["last_event"] - plum["first_event"] == 7
    assert plum["cut_off"] == plum["ledger_head"]["number"] == made.cutoff == 1
    assert plum["ledger_head"]["signature"]
    assert (plum["program"], plum["id"], plum["time_zone"], plum["requested_by"]) == ("acme", str(made.uuid), "UTC", "system")
    assert made.expires_at == ASKED_AT + timedelta(days=7)


def test_members_are_pseudonyms_of_this_export_alone() -> None:
    program = make_exported_program(time_zone="UTC")
    first, second = export(program), export(program)
    member = find_member(program=program, external_id="M2")
    assert member is not None

    mine = {row["event_id"]: row["member"] for row in read_rows(first)}
    theirs = {row["event_id"]: row["member"] for row in read_rows(second)}

    assert mine["e2"] == mine["e4"] == pseudonym_of(first, bytes(member.key))
    assert len(set(mine.values())) == 3
    assert set(mine.values()).isdisjoint(theirs.values())
    assert "M1" not in (package_folder(first) / "data/events-00001.csv").read_text()


def test_identified_exports_carry_the_outside_id_as_it_was_supplied() -> None:
    made = export(make_exported_program(time_zone="UTC"), is_identified=True, reason="match with payroll")

    assert [row["member"] for row in read_rows(made)] == ["M1", "M2", "M1", "M2", "M1", "M1", "newcomer", "M1"]
    assert read_manifest(made)["plum"]["reason"] == "match with payroll"
    assert AuditEvent.objects.get(action="exports.request_export").comment == "match with payroll"


@pytest.mark.parametrize("reason", ["", "  ", "x"])
def test_outside_ids_need_a_reason(reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(make_exported_program(), is_identified=True, reason=reason)

    assert refused.value.code == "reason_missing"
    assert not Export.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"partner": ["P2"]}, ["e4"]),
        ({"offer": ["O2", "O3"]}, ["e3", "e4"]),
        ({"kind": ["redeemed"]}, ["e5", "e6", "e7", "e8"]),
        ({"kind": ["redeemed"], "status": ["failed", "reversed"]}, ["e7", "e8"]),
        ({"business_unit": ["loans"]}, ["e2", "e4"]),
        ({"business_unit": [""]}, ["e7"]),
        ({"country": ["DE"], "partner": ["P9"]}, []),
        ({"source": ["file"], "offer_type": ["cashback"]}, ["e3"]),
        ({"join_month": [""], "first_activation_month": ["2026-06"]}, ["e2", "e4"]),
    ],
)
def test_filters_narrow_it(filters: dict[str, list[str]], kept: list[str]) -> None:
    made = export(make_exported_program(time_zone="UTC"), filters=filters)

    assert made.state == ExportState.READY, made.error
    assert [row["event_id"] for row in read_rows(made)] == kept
    assert check_package(folder=package_folder(made))[0] is None
    assert read_manifest(made)["plum"]["filters"] == {name: sorted(values) for name, values in sorted(filters.items())}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "parquet"}, "unknown_format"),
        ({"format": "pdf"}, "unknown_format"),
        ({"ends_date": date(2026, 6, 1)}, "empty_period"),
        ({"starts_date": date(1999, 1, 1), "ends_date": date(2030, 1, 1)}, "period_too_long"),
        ({"filters": {"shoe_size": ["44"]}}, "unknown_dimension"),
        ({"filters": {"kind": ["bought"]}}, "unknown_value"),
        ({"filters": {"partner": []}}, "empty_filter"),
        ({"filters": {"segment": ["nobody"]}}, "unknown_segment"),
        ({"filters": {"member": ["00"]}}, "personal_filter"),
        ({"filters": {"day": ["2026-06-01"]}}, "time_filter"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_starts(changes: dict[str, Any], code: str) -> None:
    program = make_exported_program()

    with pytest.raises(InvalidInput) as refused:
        ask(program, **changes)

    assert refused.value.code == code
    assert not Export.objects.exists()


def test_later_formats_are_refused_with_a_sentence() -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(make_exported_program(), format="xlsx")

    assert refused.value.detail == (
        "'xlsx' is not written by this version of Plum yet. Nothing was started. Choose one of: csv, jsonl."
    )


def test_a_program_without_events_exports_the_header() -> None:
    made = export(make_stocked_program())

    assert (made.rows, made.cutoff, read_rows(made)) == (0, 0, [])
    assert (package_folder(made) / "data/events-00001.csv").read_bytes().startswith(b"event_id,source,")
    assert check_package(folder=package_folder(made))[0] is None


def test_rows_are_those_of_the_cut_off_whatever_comes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_exported_program(time_zone="UTC")
    asked = ask(program)
    late = [event(number) for number in range(100, 120)]

    def come_late(done: int, total: int, note: str) -> None:
        if note == "counting":  # later on PostgreSQL the connection is busy with sending rows
            assert record(program, late).accepted

    made = run_export(export_id=asked.pk, actor="system", at=ASKED_AT, progress=come_late)

    assert made.rows == 8
    assert export(program).rows == 28


def test_what_was_committed_before_is_in_it_sealed_or_not() -> None:
    program = make_exported_program(time_zone="UTC")
    export(program)
    record(program, [event(50)])

    assert export(program).rows == 9


def test_large_exports_are_split_at_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_exported_program(time_zone="UTC")
    record(program, [event(number) for number in range(100, 105)])
    record(program, [event(number) for number in range(200, 203)])
    monkeypatch.setattr("exports.selectors.rows.ROWS_A_FILE", 8)

    made = export(program)

    files = read_manifest(made)["resources"]
    assert [(row["path"], row["rows"]) for row in files] == [("data/events-00001.csv", 8), ("data/events-00002.csv", 8)]
    assert made.rows == 16
    assert check_package(folder=package_folder(made))[0] is None
    assert ROWS_A_FILE < 1_048_576  # what a spreadsheet opens


def test_it_is_announced_and_audited_once() -> None:
    heard: list[announcements.Announcement] = []
    announcements.LISTENERS.append(heard.append)
    try:
        made = export(make_exported_program(time_zone="UTC"))
        run_export(export_id=made.pk, actor="system", at=ASKED_AT)
    finally:
        announcements.LISTENERS.remove(heard.append)

    assert [(row.type, row.key, row.data["rows"]) for row in heard] == [("export.ready", str(made.uuid), 8)]
    assert heard[0].data["url"].endswith(f"/api/v1/exports/{made.uuid}")
    assert list(AuditEvent.objects.filter(action__startswith="exports.").order_by("id").values_list("action", flat=True)) == [
        "exports.request_export",
        "exports.finish_export",
    ]


def test_running_again_after_the_end_changes_nothing() -> None:
    made = export(make_exported_program(time_zone="UTC"))

    again = run_export(export_id=made.pk, actor="system", at=ASKED_AT + timedelta(hours=1))

    assert (again.sha256, again.attempt, again.finished_at) == (made.sha256, 1, made.finished_at)


def test_an_attempt_that_was_killed_is_repeated_with_the_same_rows(monkeypatch: pytest.MonkeyPatch, storage: Path) -> None:
    program = make_exported_program(time_zone="UTC")
    asked = ask(program)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("exports.services.running.shutil.rmtree", lambda *_, **__: None)  # the dead clean nothing up
    monkeypatch.setattr("exports.services.running._finish", die)
    with pytest.raises(KeyboardInterrupt):
        run_export(export_id=asked.pk, actor="system", at=ASKED_AT)
    monkeypatch.undo()
    asked.refresh_from_db()
    asked.program = program
    left = Path(default_storage.path(f"exports/.part/{asked.uuid}-1"))
    record(program, [event(60)])

    assert asked.state == ExportState.RUNNING
    assert not (storage / f"exports/acme/events/{asked.uuid}").exists()
    made = run_export(export_id=asked.pk, actor="system", at=ASKED_AT)

    assert (made.state, made.rows, made.attempt) == (ExportState.READY, 8, 2)
    assert not left.exists()


def test_an_attempt_that_was_overtaken_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(make_exported_program(time_zone="UTC"))
    made: list[Export] = []

    def overtake(done: int, total: int, note: str) -> None:
        if note == "members" and not made:
            made.append(asked)
            run_export(export_id=asked.pk, actor="system", at=ASKED_AT)

    late = run_export(export_id=asked.pk, actor="system", at=ASKED_AT, progress=overtake)

    assert (late.state, late.attempt) == (ExportState.READY, 2)
    assert check_package(folder=package_folder(late))[0] is None
    assert AuditEvent.objects.filter(action="exports.finish_export").count() == 1


def test_a_full_disk_fails_it_with_a_sentence_and_no_half_file(monkeypatch: pytest.MonkeyPatch, storage: Path) -> None:
    program = make_exported_program()
    asked = ask(program)

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("exports.services.packages.stream_rows", full)
    failed = run_export(export_id=asked.pk, actor="system", at=ASKED_AT)

    assert failed.state == ExportState.FAILED
    assert failed.error.startswith("There is no room left on the disk")
    assert [path for path in storage.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    again = retry_export(export_id=asked.pk, actor="system", at=ASKED_AT)
    assert (again.state, again.error, again.cutoff) == (ExportState.REQUESTED, "", None)
    assert Job.objects.filter(name="exports.write_export", state=JobState.DUE).count() == 2


def test_rows_that_were_lost_on_the_way_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(make_exported_program())
    monkeypatch.setattr("exports.services.packages.stream_rows", lambda *_: iter([(b"a\r\n", 1)]))

    failed = run_export(export_id=asked.pk, actor="system", at=ASKED_AT)

    assert failed.state == ExportState.FAILED
    assert "1 rows were written where the ledger has" in failed.error


def test_only_a_failed_one_is_tried_again() -> None:
    made = export(make_exported_program())

    with pytest.raises(DomainError) as refused:
        retry_export(export_id=made.pk, actor="system", at=ASKED_AT)

    assert refused.value.code == "transition_refused"
    assert fail_export(export_id=made.pk, error="no", actor="system", at=ASKED_AT).state == ExportState.READY


def test_a_request_that_cannot_be_planned_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_exported_program()

    def fail(**_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("exports.services.requests.jobs.plan", fail)
    with pytest.raises(RuntimeError):
        request_export(
            program_id=program.pk, starts_date=date(2026, 6, 1), ends_date=date(2026, 7, 1), format="csv", filters={},
            actor="system", at=ASKED_AT,
        )  # fmt: skip

    assert not Export.objects.exists()
    assert not AuditEvent.objects.filter(action="exports.request_export").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_independent_tools_find_the_package_valid(form: str) -> None:
    """`sha256sum -c`, and the public checker of Data Packages."""
    folder = package_folder(export(make_exported_program(time_zone="UTC"), format=form))
    frictionless = Path(sys.executable).with_name("frictionless")

    def ask_tool(*command: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    sums = ask_tool("sha256sum", "-c", "SHA256SUMS")
    valid = ask_tool(frictionless, "validate", "datapackage.json")

    assert sums.returncode == 0, sums.stderr
    assert valid.returncode == 0, valid.stdout
    assert "VALID" in valid.stdout
    path = folder / f"data/events-00001.{form}"
    path.write_bytes(path.read_bytes().replace(b"O2", b"O9"))
    broken = ask_tool(frictionless, "validate", "datapackage.json")
    assert broken.returncode != 0


def test_work_in_progress_lies_apart() -> None:
    asked = ask(make_exported_program())

    assert work_folder(asked).parent.name == ".part"
