"""Files that people bring: checked, confirmed once, applied once, removed; whatever happens on the way."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from activity.models import Event, Import, Member, MemberVersion
from activity.services import MemberRow, Person, apply_people, find_member, import_runs
from activity.services.import_files import open_rejects, prefix_of, read_report
from activity.services.imports import confirm_import, discard_import, expire_imports, find_job, start_import
from offers.models import Offer
from partners.models import Partner
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import AuditEvent, Job, User
from tests.factories.jobs import run_due
from tests.factories.ledger import make_stocked_program
from tests.factories.people import make_person
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
PARTNERS = "external_id,name,category\nP7,Bakery,food\n,Nobody,food\n"
OFFERS = "external_id,partner_external_id,title,offer_type\nO7,P7,Bread,voucher\nO8,P9,Cake,voucher\n"
EVENT_COLUMNS = ("event_id", "occurred_at", "kind", "member", "offer")


@pytest.fixture(autouse=True)
def own_storage(settings, tmp_path):
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    settings.MEDIA_ROOT = tmp_path / "media"


def bring(program, mode="delta", kind="people", **files):
    contents = {
        name.replace("__", "."): ContentFile(text if isinstance(text, bytes) else text.encode(), name=f"my {name}")
        for name, text in files.items()
    }
    person = make_person(f"ada{User.objects.count()}")
    return start_import(program=program, kind=kind, mode=mode, files=contents, actor=person, at=AT)


def bring_people(program, text, mode="delta"):
    return bring(program, mode, members__csv=text)


def work(brought, at=AT):
    run_due(at)
    brought.refresh_from_db()
    return brought


def confirm(brought, **options):
    return confirm_import(**({"import_id": brought.pk, "actor": brought.created_by, "at": AT} | options))


def crowd(program, count):
    rows = [MemberRow(Person(f"m{number}"), {"business_unit": "cards"}) for number in range(count)]
    apply_people(program=program, rows=rows, source="test", actor="system", at=CREATED_AT)


def rejects_of(brought):
    file = open_rejects(brought=brought)
    if file is None:
        return []
    with file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))


def lies_there(brought):
    try:
        return sorted(default_storage.listdir(prefix_of(brought=brought))[1])
    except FileNotFoundError:
        return []


def events_csv(*events):
    lines = [",".join(EVENT_COLUMNS)]
    lines += [",".join(one[name] for name in EVENT_COLUMNS) for one in events]
    return "\n".join(lines) + "\n"


def happening(number, **fields):
    base = {"event_id": f"e{number}", "occurred_at": "2026-06-01T10:00:00Z", "kind": "viewed", "member": "m0", "offer": "O1"}
    return base | fields


def test_people_are_checked_first_and_applied_once_somebody_said_so():
    program = make_program()
    crowd(program, 2)
    text = "external_id,business_unit,salary\nm0,loans,1\nm1,cards,1\nnew,cards,1\nnew,loans,1\n,cards,1\n"
    brought = work(bring_people(program, text))
    assert (brought.state, Member.objects.count(), MemberVersion.objects.count()) == ("ready", 2, 2)
    assert brought.findings["ignored"] == ["members.csv: salary"]
    counts = brought.findings["counts"]["members.csv"]
    assert (counts["created"], counts["changed"], counts["unchanged"], counts["rejected"]) == (1, 1, 1, 2)
    assert "m0" not in json.dumps(brought.findings)  # who it is about lies with the files
    assert read_report(brought=brought)["people"]["changes"] == [[2, "m0", [["business_unit", "cards", "loans"]]]]
    assert [(row["line"], row["column"], row["reason"]) for row in rejects_of(brought)] == [
        ("5", "external_id", "repeated"),
        ("6", "external_id", "required"),
    ]
    assert rejects_of(brought)[0]["row"] == "new,loans,1"
    confirm(brought)
    brought = work(brought)
    assert (brought.state, brought.result["counts"]["members.csv"]["created"]) == ("applied", 1)
    assert find_member(program=program, external_id="new") is not None
    assert MemberVersion.objects.latest("id").values["business_unit"] == "cards"
    assert lies_there(brought) == ["rejects.csv", "report.json"]
    assert AuditEvent.objects.filter(action="activity.apply_people").latest("id").actor == f"user:{brought.confirmed_by_id}"


def test_the_files_lie_privately():
    brought = bring_people(make_program(), "external_id\nann\n")
    path = Path(default_storage.path(f"{prefix_of(brought=brought)}/members.csv"))
    assert path.read_text() == "external_id\nann\n"
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_confirming_twice_applies_once():
    program = make_program()
    brought = work(bring_people(program, "external_id,business_unit\nann,cards\n"))
    confirm(brought)
    confirm(brought, actor=make_person("bob"))
    assert Job.objects.filter(name="activity.apply_import").count() == 1
    brought = work(brought)
    confirm(brought)
    assert Job.objects.filter(name="activity.apply_import").count() == 1
    assert brought.confirmed_by == brought.created_by
    assert Member.objects.count() == 1


@pytest.mark.parametrize("dies_at", ["store_rejects", "store_report", "remove", "_finish"])
def test_a_worker_that_dies_loses_nothing_and_counts_nothing_twice(monkeypatch, dies_at):
    program = make_program()
    brought = work(bring_people(program, "external_id,business_unit\nann,cards\nbob,cards\n"))
    confirm(brought)

    def die(*args, **options):
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(import_runs, dies_at, die)
        assert run_due(AT) == ["failed"]
    assert run_due(AT + timedelta(minutes=1)) == ["done"]
    brought.refresh_from_db()
    assert brought.state == "applied"
    assert brought.result["counts"]["members.csv"]["created"] == 2
    assert MemberVersion.objects.count() == 2
    assert "members.csv" not in lies_there(brought)
    assert AuditEvent.objects.filter(action="activity.apply_people").count() == 1


def test_many_leavers_wait_for_a_person():
    program = make_program()
    crowd(program, 10)
    rest = "external_id\n" + "".join(f"m{number}\n" for number in range(8))
    brought = work(bring_people(program, rest, mode="full"))
    assert (brought.state, brought.findings["refusal"]) == ("ready", "too_many_leavers")
    assert sorted(read_report(brought=brought)["people"]["leavers"]) == ["m8", "m9"]
    assert AuditEvent.objects.get(action="activity.show_leavers").after == {"leavers": 2}
    with pytest.raises(DomainError, match="Tick the box"):
        confirm(brought)
    assert find_job(brought=brought) is None
    confirm(brought, allow_leavers=True)
    brought = work(brought)
    assert (brought.state, Member.objects.filter(state="active").count()) == ("applied", 8)


def test_leavers_that_nobody_was_shown_are_refused_when_it_comes_to_it():
    program = make_program()
    crowd(program, 10)
    everyone = "external_id\n" + "".join(f"m{number}\n" for number in range(10))
    brought = work(bring_people(program, everyone, mode="full"))
    confirm(brought)
    late = [MemberRow(Person(f"late{number}")) for number in range(5)]
    apply_people(program=program, rows=late, source="test", actor="system", at=AT)
    brought = work(brought)
    assert (brought.state, brought.problem) == ("refused", "too_many_leavers")
    assert "5 of 15 active members" in read_report(brought=brought)["problem"]
    assert Member.objects.filter(state="inactive").count() == 0


@pytest.mark.parametrize(
    ("contents", "problem", "says"),
    [
        ("name\nann\n", "missing_column", "no column external_id"),
        ("external_id;unit\nann;cards\n", "missing_column", "separated by semicolons"),
        ("external_id\nJos\xe9\n".encode("latin-1"), "encoding", "not UTF-8 (near line"),
        ("external_id,external_id\na,b\n", "doubled_column", "twice"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_is_wrong(contents, problem, says):
    brought = work(bring_people(make_program(), contents))
    assert (brought.state, brought.problem) == ("refused", problem)
    assert says in read_report(brought=brought)["problem"]
    with pytest.raises(DomainError, match="Nothing was changed"):
        confirm(brought)
    assert Member.objects.count() == 0


def test_what_nobody_confirms_is_gone_after_a_day():
    program = make_program()
    kept, old = bring_people(program, "external_id\nann\n"), bring_people(program, "external_id\nbob\n")
    Import.objects.filter(pk=old.pk).update(expires_at=AT - timedelta(hours=1))
    work(old)
    assert expire_imports(program_id=program.pk, at=AT) == 1
    old.refresh_from_db()
    assert (old.state, old.has_files, lies_there(old)) == ("expired", False, [])
    assert lies_there(kept)
    with pytest.raises(DomainError, match="expired"):
        confirm(old)
    assert expire_imports(program_id=program.pk, at=AT) == 0


def test_what_is_being_applied_keeps_its_files_until_its_job_is_given_up():
    program = make_program()
    brought = work(bring_people(program, "external_id\nann\n"))
    confirm(brought)
    later = AT + timedelta(days=2)
    assert expire_imports(program_id=program.pk, at=later) == 0
    Job.objects.filter(name="activity.apply_import").update(state="dead", finished_at=later)
    assert expire_imports(program_id=program.pk, at=later) == 1
    brought.refresh_from_db()
    assert brought.state == "expired"


def test_what_was_applied_stays_applied_when_its_reports_go():
    program = make_program()
    brought = work(bring_people(program, "external_id\nann\n,\n"))
    confirm(brought)
    work(brought)
    expire_imports(program_id=program.pk, at=AT + timedelta(days=2))
    brought.refresh_from_db()
    assert (brought.state, brought.has_files, lies_there(brought)) == ("applied", False, [])


def test_discarding_removes_the_files_and_ends_it():
    program = make_program()
    brought = work(bring_people(program, "external_id\nann\n"))
    discard_import(import_id=brought.pk, actor=brought.created_by, at=AT)
    brought.refresh_from_db()
    assert (brought.state, lies_there(brought)) == ("discarded", [])
    for act in (confirm, lambda one: discard_import(import_id=one.pk, actor=one.created_by, at=AT)):
        with pytest.raises(DomainError, match="discarded"):
            act(brought)


def test_only_what_plum_reads_is_kept():
    program = make_program()
    with pytest.raises(InvalidInput, match="no file that Plum reads"):
        bring(program, kind="people", partners__csv=PARTNERS)
    with pytest.raises(InvalidInput, match="at least one"):
        bring(program, kind="folder")
    with pytest.raises(InvalidInput, match="one events file"):
        bring(program, kind="folder", events__csv="x", events__jsonl="x")
    assert not Import.objects.exists()


def test_a_folder_says_what_it_would_do_and_then_does_it():
    program = make_program()
    members = "external_id,business_unit\nm0,cards\nm1,loans\n"
    events = events_csv(
        happening(1, offer="O7"),
        happening(2, offer="O7", kind="redeemed"),
        happening(3, offer="O9"),
        happening(4, offer="O7", kind="bought"),
    )
    brought = bring(program, kind="folder", partners__csv=PARTNERS, offers__csv=OFFERS, members__csv=members, events__csv=events)
    brought = work(brought)
    assert (brought.state, Partner.objects.count(), Offer.objects.count(), Member.objects.count()) == ("ready", 0, 0, 0)
    counts = brought.findings["counts"]
    assert counts["partners.csv"] == {"rows": 2, "created": 1, "changed": 0, "unchanged": 0, "rejected": 1}
    assert counts["offers.csv"] == {"rows": 2, "created": 1, "changed": 0, "unchanged": 0, "rejected": 1}
    assert counts["events.csv"] == {"rows": 4, "accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 2}
    places = [(row["file"], row["line"], row["column"], row["reason"]) for row in rejects_of(brought)]
    assert places == [
        ("partners.csv", "3", "external_id", "required"),
        ("offers.csv", "3", "partner_external_id", "unknown_partner"),
        ("events.csv", "4", "offer", "unknown_offer"),
        ("events.csv", "5", "kind", "unknown_kind"),
    ]
    confirm(brought)
    brought = work(brought)
    assert brought.state == "applied"
    assert brought.result["counts"]["events.csv"] == {
        "received": 4,
        "accepted": 2,
        "duplicate": 0,
        "conflict": 0,
        "rejected": 2,
    }
    assert (Partner.objects.count(), Offer.objects.count(), Member.objects.count(), Event.objects.count()) == (1, 1, 2, 2)
    assert [(row["file"], row["line"]) for row in rejects_of(brought)] == [(file, line) for file, line, *_ in places]
    program.refresh_from_db()
    assert program.recorded_stages == ["viewed", "redeemed"]


def test_events_alone_come_into_a_program_that_has_the_rest():
    program = make_stocked_program()
    lines = "\n".join(json.dumps(happening(number)) for number in (1, 2)) + "\n"
    brought = work(bring(program, kind="folder", events__jsonl__gz=gzip.compress(lines.encode())))
    assert brought.findings["counts"]["events.jsonl.gz"]["accepted"] == 2
    confirm(brought)
    assert work(brought).result["counts"]["events.jsonl.gz"]["accepted"] == 2
    again = work(bring(program, kind="folder", events__jsonl__gz=gzip.compress(lines.encode())))
    assert again.findings["counts"]["events.jsonl.gz"]["duplicate"] == 2
    other = happening(1, kind="unlocked")
    changed = work(bring(program, kind="folder", events__jsonl=json.dumps(other)))
    assert changed.findings["counts"]["events.jsonl"]["conflict"] == 1


def test_events_without_any_offers_say_so():
    brought = work(bring(make_program(), kind="folder", events__csv=events_csv(happening(1))))
    assert brought.findings["missing_offers"] is True


def test_members_that_a_program_does_not_take_are_rejected_unless_they_come_along():
    program = make_stocked_program(creates_unknown_members=False)
    events = events_csv(happening(1, member="new"), happening(2, member="stranger"))
    brought = work(bring(program, kind="folder", members__csv="external_id\nnew\n", events__csv=events))
    assert brought.findings["counts"]["events.csv"]["rejected"] == 1
    confirm(brought)
    assert work(brought).result["counts"]["events.csv"]["rejected"] == 1


def test_a_load_that_is_taken_up_again_ends_with_the_same_history(monkeypatch):
    program = make_stocked_program()
    brought = work(bring(program, kind="folder", events__csv=events_csv(happening(1), happening(2))))
    confirm(brought)

    def die(*args, **options):
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(import_runs, "_finish", die)
        assert run_due(AT) == ["failed"]
    assert run_due(AT + timedelta(minutes=1)) == ["done"]
    brought.refresh_from_db()
    assert Event.objects.count() == 2
    assert brought.result["counts"]["events.csv"]["duplicate"] == 2
    assert brought.result["attempt"] == 2
