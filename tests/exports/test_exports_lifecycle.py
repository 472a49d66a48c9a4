"""From a request to the worker, the download and the end: who may, what is logged, what is removed."""

import io
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exports import verify
from exports.choices import ExportState
from exports.models import Export, ExportDownload
from exports.services import (
    UnableToTakeExport,
    check_package,
    file_name,
    list_files,
    stream_zip,
    take_export,
    tidy_exports,
)
from exports.services.places import package_folder
from plum_site.lib import jobs
from plum_site.lib.choices import JobState
from plum_site.lib.errors import NotFound
from plum_site.lib.models import AuditEvent, Job, RoleGrant, User
from plum_site.schedule import plan_due
from tests.factories.exports import ASKED_AT, ask, export, make_exported_program, read_folder, read_rows
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LATER = ASKED_AT + timedelta(days=7)


def take(made: Export, what: str = "package", at: Any = ASKED_AT) -> Export:
    return take_export(export_id=made.pk, what=what, actor="system", at=at)


def test_a_worker_writes_what_was_asked_for() -> None:
    program = make_exported_program()
    asked = ask(program, actor=make_member_of_staff(program, "analyst"))

    assert run_due(name="exports.write_export") == ["done"]

    asked.refresh_from_db()
    job = Job.objects.get(pk=asked.job_id)
    assert asked.state == ExportState.READY
    assert job.result == {"export": str(asked.uuid), "state": "ready", "rows": asked.rows}
    assert job.progress_done == job.progress_total == asked.rows


@pytest.mark.parametrize("identified", [False, True])
def test_rights_are_asked_again_when_the_job_runs(identified: bool) -> None:
    program = make_exported_program()
    person = make_member_of_staff(program, "program_admin")
    asked = ask(program, actor=person, is_identified=identified, reason="payroll" if identified else "")
    RoleGrant.objects.filter(user=person).update(role="analyst" if identified else "auditor")
    if not identified:
        User.objects.filter(pk=person.pk).update(is_active=False)

    run_due(name="exports.write_export")

    asked.refresh_from_db()
    assert asked.state == ExportState.FAILED
    assert "may no longer export" in asked.error
    assert asked.cutoff is None


def test_every_taking_is_logged_and_a_zip_holds_the_whole_package(tmp_path: Path) -> None:
    made = export(make_exported_program())

    take(made)
    packed = io.BytesIO(b"".join(stream_zip(export=made)))
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1].endswith("/datapackage.json")
        archive.extractall(tmp_path)

    [folder] = tmp_path.glob("acme-events-*")
    assert check_package(folder=folder)[0] is None
    assert read_folder(folder) == read_rows(made)
    [download] = ExportDownload.objects.all()
    assert (download.what, download.downloaded_by) == ("package", "system")
    assert AuditEvent.objects.get(action="exports.take_export").after == {
        "what": "package",
        "rows": made.rows,
        "identified": False,
    }
    assert file_name(export=made, what="package") == f"acme-events-2026-06-01-2026-07-01-{made.uuid}-system.zip"


def test_only_files_of_the_package_are_taken() -> None:
    made = export(make_exported_program())

    for what in ("../../master.key", "data/../SHA256SUMS", "/etc/passwd", "data/events-00002.csv"):
        with pytest.raises(NotFound):
            take(made, what)
    assert list_files(export=made) == ["datapackage.json", "SHA256SUMS", "data/events-00001.csv"]
    assert not ExportDownload.objects.exists()


def test_nothing_is_taken_before_it_is_ready_after_it_expired_or_without_files() -> None:
    program = make_exported_program()
    waiting, made, lost = ask(program), export(program), export(program)
    shutil.rmtree(package_folder(lost))

    codes = []
    for row, at in ((waiting, ASKED_AT), (made, LATER), (lost, ASKED_AT)):
        with pytest.raises(UnableToTakeExport) as refused:
            take(row, at=at)
        codes.append(refused.value.code)

    assert codes == ["not_ready", "expired", "files_missing"]
    assert not ExportDownload.objects.exists()


def test_files_go_after_seven_days_and_the_row_stays(django_capture_on_commit_callbacks: Any) -> None:
    program = make_exported_program()
    made, newer = export(program), export(program, at=ASKED_AT + timedelta(days=1))
    folder, kept = package_folder(made), package_folder(newer)

    assert tidy_exports(at=LATER - timedelta(seconds=1)) == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert tidy_exports(at=LATER) >= 1

    made.refresh_from_db()
    assert (made.state, made.package, made.rows) == (ExportState.EXPIRED, "", 7)
    assert not folder.exists()
    assert kept.exists()
    assert AuditEvent.objects.filter(action="exports.expire_export").count() == 1


def test_what_killed_workers_left_is_swept_and_the_living_is_not(storage: Path) -> None:
    program = make_exported_program()
    made = export(program)
    running = ask(program)
    Export.objects.filter(pk=running.pk).update(state="running", started_at=ASKED_AT, cutoff=1, attempt=2)
    for name in (f".part/{running.uuid}-1", f".part/{running.uuid}-2", ".part/nonsense", "acme/events/nonsense"):
        (storage / "exports" / name).mkdir(parents=True)

    assert tidy_exports(at=ASKED_AT) == 3

    left = {str(path.relative_to(storage / "exports")) for path in (storage / "exports").glob("*/*")}
    assert left == {f".part/{running.uuid}-2", "acme/events"}
    assert package_folder(made).exists()


def test_an_export_whose_job_was_given_up_says_so() -> None:
    asked = ask(make_exported_program())
    Job.objects.filter(pk=asked.job_id).update(
        state=JobState.DEAD, finished_at=ASKED_AT, error="Traceback\nOutOfMemory: all of it"
    )

    assert tidy_exports(at=ASKED_AT) == 1

    asked.refresh_from_db()
    assert asked.state == ExportState.FAILED
    assert "OutOfMemory: all of it" in asked.error


def test_the_schedule_wakes_the_broom_only_when_there_is_something(monkeypatch: pytest.MonkeyPatch) -> None:
    made = export(make_exported_program())
    woken: list[str] = []
    monkeypatch.setattr(jobs, "wake", lambda name, **ids: woken.append(name))

    plan_due(made.expires_at - timedelta(seconds=1))
    assert "exports.tidy_exports" not in woken
    plan_due(made.expires_at)
    assert "exports.tidy_exports" in woken


class TestVerify:
    def violations(self) -> list[str]:
        return [text for finding in verify.check_exports() for text in finding.violations]

    def test_what_holds_holds(self) -> None:
        export(make_exported_program())
        assert self.violations() == []

    def test_touched_and_missing_files_are_named(self) -> None:
        program = make_exported_program()
        touched, lost, other = export(program), export(program), export(program)
        path = package_folder(touched) / "data/events-00001.csv"
        path.write_bytes(path.read_bytes()[:-1])
        shutil.rmtree(package_folder(lost))
        (package_folder(other) / "datapackage.json").write_text("{}")

        said = "\n".join(self.violations())

        assert f"acme/{touched.uuid}: data/events-00001.csv" in said
        assert f"acme/{lost.uuid}: its files are not in the storage" in said
        assert f"acme/{other.uuid}: datapackage.json is not the one" in said

    def test_a_ledger_that_holds_something_else_is_named(self) -> None:
        made = export(make_exported_program())
        Export.objects.filter(pk=made.pk).update(ends_date="2026-06-12")

        assert any("in the ledger up to its cut-off" in text for text in self.violations())

    def test_an_export_that_nobody_writes_is_named(self) -> None:
        asked = ask(make_exported_program())
        Job.objects.filter(pk=asked.job_id).delete()

        assert self.violations() == [f"acme/{asked.uuid} is requested, and no job will write it"]
