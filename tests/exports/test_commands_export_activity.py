"""`export_activity` puts a package where it was asked for."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from exports.models import Export, ExportDownload
from exports.services import (
    check_package,
    expire_export,
)
from plum_site.lib.clock import now
from plum_site.lib.models import User
from tests.factories.exports import make_exported_program, read_folder, read_rows
from tests.factories.people import make_member_of_staff

pytestmark = pytest.mark.django_db


class TestCommand:
    def run(self, out: Path, *arguments: str) -> tuple[int, str]:
        text = io.StringIO()
        period = ["--program", "acme", "--from", "2026-06-01", "--to", "2026-07-01", "--out", str(out)]
        try:
            call_command("export_activity", *period, *arguments, stdout=text, stderr=text)
        except CommandError as error:
            return error.returncode, str(error)
        return 0, text.getvalue()

    def test_the_package_lies_where_it_was_asked_for(self, tmp_path: Path) -> None:
        make_exported_program(time_zone="UTC")

        status, said = self.run(tmp_path / "out", "--export-format", "csv", "--where", "partner=P1", "--format", "json")

        manifest = json.loads(said)
        folder = Path(manifest["folder"])
        assert status == 0
        assert folder == tmp_path / "out/acme/events" / manifest["plum"]["id"]
        assert check_package(folder=folder)[0] is None
        assert [row["event_id"] for row in read_folder(folder)] == ["e1", "e2", "e3", "e5", "e6", "e7", "e8"]
        assert ExportDownload.objects.get().downloaded_by == "system"
        expire_export(export_id=Export.objects.get().pk, actor="system", at=now())
        assert check_package(folder=folder)[0] is None

    def test_the_table_names_files_and_sums(self, tmp_path: Path) -> None:
        make_exported_program(time_zone="UTC")

        status, said = self.run(tmp_path, "--export-format", "jsonl")

        assert (status, "data/events-00001.jsonl" in said, "spend: 12.50 EUR, 1200 JPY" in said) == (0, True, True)

    def test_outside_ids_need_a_person_with_the_right_and_a_reason(self, tmp_path: Path) -> None:
        program = make_exported_program(time_zone="UTC")
        make_member_of_staff(program, "analyst")
        admin = make_member_of_staff(program, "program_admin")
        identified = ["--export-format", "csv", "--identified", "--reason", "payroll"]

        nobody = self.run(tmp_path, *identified)
        assert (nobody[0], "say who asks" in nobody[1]) == (2, True)
        analyst = User.objects.exclude(pk=admin.pk).get(role_grants__role="analyst")
        assert self.run(tmp_path, *identified, "--as", analyst.username)[0] == 2
        assert self.run(tmp_path, *identified[:3], "--as", admin.username)[0] == 2
        assert not Export.objects.exists()
        assert self.run(tmp_path, *identified, "--as", admin.username)[0] == 0
        [made] = Export.objects.all()
        assert {row["member"] for row in read_rows(made)} == {"M1", "M2", "newcomer"}

    def test_a_format_of_later_is_refused(self, tmp_path: Path) -> None:
        make_exported_program()

        status, said = self.run(tmp_path, "--export-format", "xlsx")

        assert (status, "not written by this version" in said) == (2, True)
        assert list(tmp_path.glob("acme")) == []
