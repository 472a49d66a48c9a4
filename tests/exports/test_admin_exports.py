"""The console of exports: what is asked for, shown, downloaded, refused."""

import io
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from exports.choices import ExportState
from exports.models import Export, ExportDownload
from plum_site.lib.clock import now
from plum_site.lib.models import RoleGrant
from tests.factories.exports import ask, export, make_exported_program
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff, make_person
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
JUNE = {"first": "2026-06-01", "last": "2026-06-30", "format": "csv"}


class TestConsole:
    @pytest.fixture
    def program(self) -> Any:
        return make_exported_program(time_zone="UTC")

    def form(self, program: Any, role: str = "analyst") -> Client:
        return sign_in(make_member_of_staff(program, role))

    def test_asked_for_written_and_downloaded(self, program: Any) -> None:
        client = self.form(program)

        answer = client.post(reverse("admin:exports_export_add"), {**JUNE, "filter_kind": ["redeemed"]}, follow=True)

        asked = Export.objects.get()
        assert "is being written" in text_of(answer)
        assert list_inline(answer.content.decode()) == []
        assert (str(asked.starts_date), str(asked.ends_date), asked.filters) == (
            "2026-06-01",
            "2026-07-01",
            {"kind": ["redeemed"]},
        )
        run_due(name="exports.write_export")
        page = client.get(reverse("admin:exports_export_change", args=[asked.pk]))
        said = text_of(page)
        assert "Download all as zip" in said
        assert "reversed 1" in said
        assert "Nobody has downloaded it yet." in said
        taken = client.post(reverse("admin:exports_export_download", args=[asked.pk]))
        assert zipfile.ZipFile(io.BytesIO(b"".join(taken.streaming_content))).testzip() is None
        one = client.post(reverse("admin:exports_export_download", args=[asked.pk]), {"file": "data/events-00001.csv"})
        assert b"".join(one.streaming_content).startswith(b"event_id,")
        assert ExportDownload.objects.count() == 2
        said = text_of(client.get(reverse("admin:exports_export_change", args=[asked.pk])))
        assert "data/events-00001.csv" in said
        assert "Ready" in text_of(client.get(reverse("admin:exports_export_changelist")))

    def test_the_address_of_the_dashboard_fills_the_form(self, program: Any) -> None:
        query = "first=2026-06-01&last=2026-06-30&partner=P2&partner=P1&business_unit=&offer=O3&by=partner&compare=none"

        client = self.form(program)
        page = client.get(f"{reverse('admin:exports_export_add')}?{query}")

        form = page.context["form"]
        assert form.initial == {
            "first": "2026-06-01",
            "last": "2026-06-30",
            "filter_partner": ["P2", "P1"],
            "filter_business_unit": ["unknown"],
            "filter_offer": "O3",
        }
        assert "<details open>" in page.content.decode()
        preset = client.get(f"{reverse('admin:exports_export_add')}?period=last_3_months")
        assert preset.context["form"].initial == {"period": "last_3_months"}

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"format": "csv"}, "period"),
            ({"first": "2026-06-01", "format": "csv"}, "period"),
            ({**JUNE, "period": "everything"}, "period"),
            ({**JUNE, "last": "2026-05-01"}, None),
            ({**JUNE, "format": "xlsx"}, "format"),
            ({**JUNE, "filter_partner": ["P404"]}, "filter_partner"),
            ({**JUNE, "filter_join_month": "June"}, None),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field(self, program: Any, given: dict[str, Any], field: str | None) -> None:
        answer = self.form(program).post(reverse("admin:exports_export_add"), given)

        assert answer.status_code == 200
        assert (field or "__all__") in errors_of(answer)
        assert not Export.objects.exists()

    def test_periods_that_are_ready_made(self, program: Any) -> None:
        answer = self.form(program).post(reverse("admin:exports_export_add"), {"period": "everything", "format": "jsonl"})

        assert answer.status_code == 302
        asked = Export.objects.get()
        assert (str(asked.starts_date), str(asked.ends_date), asked.format) == ("2026-06-01", "2026-07-02", "jsonl")

    def test_outside_ids_are_offered_to_program_admins_alone(self, program: Any) -> None:
        url = reverse("admin:exports_export_add")
        sneaky = self.form(program).post(url, {**JUNE, "is_identified": "on", "reason": "curious"})
        admin = self.form(program, "program_admin")
        without = admin.post(url, {**JUNE, "is_identified": "on"})

        assert sneaky.status_code == 302
        assert not Export.objects.get().is_identified
        assert "reason" in errors_of(without)
        admin.post(url, {**JUNE, "is_identified": "on", "reason": "match with payroll"})
        assert Export.objects.filter(is_identified=True, reason="match with payroll").count() == 1

    def test_only_whoever_asked_downloads_and_outside_ids_only_with_the_right(self, program: Any) -> None:
        admin = make_member_of_staff(program, "program_admin")
        own = export(program, actor=admin, is_identified=True, reason="payroll", at=now())
        url = reverse("admin:exports_export_download", args=[own.pk])

        assert sign_in(make_member_of_staff(program, "auditor")).post(url).status_code == 403
        assert sign_in(admin).post(url).status_code == 200
        RoleGrant.objects.filter(user=admin).update(role="analyst")
        assert sign_in(admin).post(url).status_code == 403
        assert ExportDownload.objects.count() == 1

    def test_a_failed_one_says_why_and_is_tried_again(self, program: Any) -> None:
        asked = ask(program)
        Export.objects.filter(pk=asked.pk).update(state="failed", error="There is no room left on the disk.")
        client = self.form(program)

        assert "There is no room left" in text_of(client.get(reverse("admin:exports_export_change", args=[asked.pk])))
        said = text_of(client.post(reverse("admin:exports_export_retry", args=[asked.pk]), follow=True))

        assert "written again" in said
        asked.refresh_from_db()
        assert asked.state == ExportState.REQUESTED

    def test_files_are_removed_early_by_an_admin(self, program: Any) -> None:
        made = export(program)

        client, url = self.form(program, "program_admin"), reverse("admin:exports_export_remove", args=[made.pk])
        said = text_of(client.post(url, follow=True))

        assert "The files are removed" in said
        made.refresh_from_db()
        assert made.state == ExportState.EXPIRED
        again = client.post(url, follow=True)
        assert "'expire' is not possible from state expired" in text_of(again)
        taken = sign_in(make_person("root", is_superuser=True)).post(
            reverse("admin:exports_export_download", args=[made.pk]), follow=True
        )
        assert "has expired" in text_of(taken)
