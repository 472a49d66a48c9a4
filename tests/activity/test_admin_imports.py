"""Bringing files in the console: what a person sees, from the template to the rows that were not taken."""

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from activity.models import Import, Member
from activity.services import MemberRow, Person, apply_people
from partners.models import Program
from plum_site.lib.models import Job, User
from tests.factories.jobs import run_due
from tests.factories.ledger import make_stocked_program
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT, make_program
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = pytest.mark.django_db
PEOPLE, BRING_PEOPLE = "admin:activity_import_people", "admin:activity_import_bring_people"
FOLDER, BRING_FOLDER = "admin:activity_import_folder", "admin:activity_import_bring_folder"


@pytest.fixture(autouse=True)
def own_storage(settings, tmp_path):
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def admin(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def upload(name: str, text: str | bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)


def work() -> None:
    run_due(datetime.now(UTC))


def bring(client: Client, text: str, mode: str = "delta") -> Import:
    answer = client.post(reverse(BRING_PEOPLE), {"members": upload("people.csv", text), "mode": mode})
    assert answer.status_code == 302, errors_of(answer)
    return Import.objects.latest("pk")


def page_of(client: Client, brought: Import) -> str:
    answer = client.get(reverse("admin:activity_import_change", args=[brought.pk]))
    assert answer.status_code == 200
    assert not list_inline(answer.content.decode())
    return text_of(answer)


def test_the_template_has_the_programs_own_columns(admin: Client) -> None:
    assert "business_unit, region, country" in text_of(admin.get(reverse(PEOPLE)))
    lines = admin.get(reverse("admin:activity_import_template")).content.decode().splitlines()
    assert lines[0] == "external_id,email,display_name,language,push_opt_out,joined_on,status,business_unit,region,country"
    brought = bring(admin, "\n".join(lines))
    work()
    brought.refresh_from_db()
    assert brought.findings["counts"]["members.csv"]["created"] == 2
    assert brought.findings["rejected"] == 0


def test_from_the_file_to_the_result(admin: Client, program: Program) -> None:
    brought = bring(admin, "external_id,business_unit,salary\nann,cards,1\nbob,loans,1\n,x,1\n")
    said = page_of(admin, brought)
    assert "Reading the files; nothing changes yet." in said
    work()
    said = page_of(admin, brought)
    assert "members.csv: 3 rows new 2" in said
    assert "Nothing has changed yet" in said
    assert "Not read, and not stored: members.csv: salary" in said
    assert "1 row cannot be taken as it is" in said
    assert "4 external_id external_id must be 1 to 200 printable characters." in said
    assert Member.objects.count() == 0
    answer = admin.post(reverse("admin:activity_import_confirm", args=[brought.pk]), follow=True)
    assert "Applying. You may leave this page" in text_of(answer)
    work()
    said = page_of(admin, brought)
    assert "Applied" in said
    assert "1 row was not taken" in said
    assert Member.objects.count() == 2
    rejects = admin.get(reverse("admin:activity_import_rejects", args=[brought.pk]))
    assert b"".join(rejects.streaming_content).decode().splitlines()[1] == (
        'members.csv,4,external_id,required,external_id must be 1 to 200 printable characters.,",x,1"'
    )
    listed = text_of(admin.get(reverse("admin:activity_import_changelist")))
    assert f"Import {brought.pk}: members.csv" in listed


def test_an_auditor_sees_counts_and_nobodys_name(admin: Client, program: Program) -> None:
    brought = bring(admin, "external_id\nann-lee\n,\n")
    work()
    assert "ann-lee" in page_of(admin, brought)
    auditor = sign_in(make_member_of_staff(program, "auditor"))
    said = page_of(auditor, brought)
    assert "new 1" in said
    assert "ann-lee" not in said
    for name in ("confirm", "discard"):
        assert auditor.post(reverse(f"admin:activity_import_{name}", args=[brought.pk])).status_code == 403
    assert auditor.get(reverse("admin:activity_import_rejects", args=[brought.pk])).status_code == 403


def test_many_leavers_are_listed_and_have_to_be_ticked(admin: Client, program: Program) -> None:
    people = [MemberRow(Person(f"m{number}")) for number in range(10)]
    apply_people(program=program, rows=people, source="test", actor="system", at=CREATED_AT)
    brought = bring(admin, "external_id\n" + "".join(f"m{number}\n" for number in range(7)), mode="full")
    work()
    said = page_of(admin, brought)
    assert "3 of 10 active members would be deactivated" in said
    assert "m8" in said
    confirm = reverse("admin:activity_import_confirm", args=[brought.pk])
    assert "Tick the box" in text_of(admin.post(confirm, follow=True))
    admin.post(confirm, {"allow_leavers": "1"})
    work()
    assert Member.objects.filter(state="inactive").count() == 3
    assert "3 of the deactivated are not in the file." in page_of(admin, brought)


def test_a_file_that_names_what_is_known_leaves_nothing_to_do(admin: Client, program: Program) -> None:
    apply_people(program=program, rows=[MemberRow(Person("ann"))], source="test", actor="system", at=CREATED_AT)
    brought = bring(admin, "external_id\nann\n")
    work()
    assert "There is nothing to do" in page_of(admin, brought)
    answer = admin.post(reverse("admin:activity_import_discard", args=[brought.pk]), follow=True)
    assert "The files were discarded." in text_of(answer)


def test_a_refused_file_says_what_to_do(admin: Client) -> None:
    brought = bring(admin, "external_id;business_unit\nann;cards\n")
    work()
    said = page_of(admin, brought)
    assert "members.csv has no column external_id" in said
    assert "save it again with commas" in said
    assert "Import people…" in said
    rejects = admin.get(reverse("admin:activity_import_rejects", args=[brought.pk]), follow=True)
    assert "There is nothing to download" in text_of(rejects)


def test_work_that_was_given_up_leads_to_its_job(admin: Client) -> None:
    brought = bring(admin, "external_id\nann\n")
    job = Job.objects.get()
    Job.objects.update(state="dead", finished_at=CREATED_AT)
    assert "was given up after several attempts" in page_of(admin, brought)
    page = admin.get(reverse("admin:activity_import_change", args=[brought.pk])).content.decode()
    assert reverse("admin:plum_job_change", args=[job.pk]) in page


@pytest.mark.parametrize(
    ("name", "contents", "says"),
    [
        ("people.csv", b"", "empty"),
        ("people.xlsx", b"PK\x03\x04rest", "Save its sheet as CSV"),
        ("people.txt", b"external_id\nann\n", "none of .csv"),
    ],
)
def test_what_is_no_csv_is_refused_at_once(admin: Client, name: str, contents: bytes, says: str) -> None:
    answer = admin.post(reverse(BRING_PEOPLE), {"members": upload(name, contents), "mode": "delta"})
    assert says in " ".join(errors_of(answer)["members"])
    assert not Import.objects.exists()


def test_a_folder_needs_only_what_is_new() -> None:
    program = make_stocked_program()
    admin = sign_in(make_member_of_staff(program, "program_admin"))
    assert "Bring any of these" in text_of(admin.get(reverse(FOLDER)))
    assert "Choose at least one file" in text_of(admin.post(reverse(BRING_FOLDER), {"source": "file"}))
    events = "event_id,occurred_at,kind,member,offer\ne1,2026-06-01T10:00:00Z,viewed,m0,O1\ne2,2026-06-01,viewed,m0,O1\n"
    admin.post(reverse(BRING_FOLDER), {"events": upload("June.CSV", events), "source": "till"})
    brought = Import.objects.get()
    assert (list(brought.files), brought.source) == (["events.csv"], "till")
    work()
    said = page_of(admin, brought)
    assert "events.csv: 2 rows" in said
    assert "new events 1" in said
    admin.post(reverse("admin:activity_import_confirm", args=[brought.pk]))
    work()
    assert "rejected 1" in page_of(admin, brought)
    wrong = admin.post(reverse(BRING_FOLDER), {"events": upload("June.xml", events), "source": "till"})
    assert "none of .csv, .csv.gz, .jsonl, .jsonl.gz, .parquet" in " ".join(errors_of(wrong)["events"])


def test_the_members_list_leads_to_the_import(admin: Client, program: Program) -> None:
    assert reverse(PEOPLE) in admin.get(reverse("admin:activity_member_changelist")).content.decode()
    analyst = sign_in(make_member_of_staff(program, "analyst"))
    assert reverse(PEOPLE) not in analyst.get(reverse("admin:activity_member_changelist")).content.decode()
    assert analyst.get(reverse(PEOPLE)).status_code == 403
    assert User.objects.count() == 2
