"""Loading a folder: faults of files write nothing, faulty rows are named, loading again changes nothing."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from activity.models import Event, IngestBatch, Member, Seal
from activity.services.canonical import LONGEST_LINE, UnableToReadFolder
from activity.services.loading import LoadReport, NewProgram, load_folder
from partners.models import Partner, Program
from plum_site.lib.errors import DomainError, InvalidInput
from tests.factories.ledger import RECORDED_AT, event, write_folder

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
EVENTS = [event(number, kind) for number, kind in enumerate(["viewed", "unlocked", "activated", "redeemed"], start=1)]


@pytest.fixture(autouse=True)
def own_state_folder(settings, tmp_path):
    settings.VAR = tmp_path / "var"


def load(folder: Path, **options: object) -> LoadReport:
    wanted = (
        NewProgram(code="acme", time_zone="Europe/Berlin", currency="EUR")
        if not Program.objects.exists()
        else NewProgram(code="acme")
    )
    return load_folder(folder=folder, new_program=wanted, actor="system", at=RECORDED_AT, **options)


def rejects(report: LoadReport) -> list[dict[str, str]]:
    if report.rejects_file is None:
        return []
    with open(report.rejects_file, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_program(tmp_path):
    report = load(write_folder(tmp_path / "in", EVENTS))
    assert (report.partners, report.offers, report.members, report.accepted) == (2, 3, 2, 4)
    program = Program.objects.get()
    assert program.recorded_stages == ["viewed", "unlocked", "activated", "redeemed"]
    assert (program.member_attributes, program.reporting_attributes) == (["business_unit", "region"], ["business_unit", "region"])
    assert Seal.objects.count() == IngestBatch.objects.count() == 1
    assert report.rejects_file is None


def test_loading_again_changes_nothing(tmp_path):
    folder = write_folder(tmp_path / "in", EVENTS)
    load(folder)
    before = (Member.objects.count(), Event.objects.count(), Program.objects.get().catalog_revision, Partner.objects.count())
    report = load(folder)
    assert (report.received, report.accepted, report.duplicate) == (4, 0, 4)
    assert (
        Member.objects.count(),
        Event.objects.count(),
        Program.objects.get().catalog_revision,
        Partner.objects.count(),
    ) == before


@pytest.mark.parametrize("kind", ["csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_form_of_the_events_file_says_the_same(tmp_path, kind):
    load(write_folder(tmp_path / "csv", EVENTS))
    folder = write_folder(tmp_path / "other", EVENTS)
    (folder / "events.csv").unlink()
    write = {"csv.gz": write_csv_gz, "jsonl": write_jsonl, "jsonl.gz": write_jsonl, "parquet": write_parquet}[kind]
    write(folder / f"events.{kind}")
    report = load(folder)
    assert (report.duplicate, report.conflict, report.rejected) == (4, 0, 0)


def write_csv_gz(path: Path) -> None:
    with gzip.open(path, "wt", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, EVENTS[0], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(EVENTS)


def write_jsonl(path: Path) -> None:
    text = "".join(json.dumps(row | {"spend_amount": None}) + "\n" for row in EVENTS)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(EVENTS), path)


def damaged(path: Path, content: bytes) -> None:
    (path / "events.csv").unlink()
    (path / "events.csv.gz").write_bytes(content)


FILE_FAULTS = {
    "events_file": lambda folder: (folder / "events.jsonl").write_text(""),
    "missing_file": lambda folder: (folder / "members.csv").unlink(),
    "missing_column": lambda folder: (folder / "events.csv").write_text("event_id,kind,member,offer\n"),
    "doubled_column": lambda folder: (folder / "partners.csv").write_text("external_id,name,name\n"),
    "encoding": lambda folder: (folder / "offers.csv").write_bytes(
        b"external_id,partner_external_id,title,offer_type\nO1,P1,\xff,x\n"
    ),
    "not_gzip": lambda folder: damaged(folder, b"event_id,occurred_at,kind,member,offer\n"),
    "damaged": lambda folder: damaged(folder, gzip.compress(b"event_id,occurred_at,kind,member,offer\n" * 1000)[:-20]),
    "missing_folder": lambda folder: folder.rename(folder.parent / "elsewhere"),
}


@pytest.mark.parametrize("code", FILE_FAULTS)
def test_a_fault_of_a_file_writes_nothing(tmp_path, code):
    folder = write_folder(tmp_path / "in", EVENTS)
    FILE_FAULTS[code](folder)
    with pytest.raises(UnableToReadFolder, match="Nothing was loaded") as refused:
        load(folder)
    assert refused.value.code == code
    assert not Program.objects.exists()


def test_a_fault_of_parquet_writes_nothing(tmp_path):
    folder = write_folder(tmp_path / "in", EVENTS)
    (folder / "events.csv").rename(folder / "events.parquet")
    with pytest.raises(UnableToReadFolder, match="not a Parquet file"):
        load(folder)


def test_parquet_that_is_damaged_in_the_middle_writes_nothing(tmp_path):
    folder = write_folder(tmp_path / "in", [])
    (folder / "events.csv").unlink()
    rows = [event(number, member=f"M{number % 977}", transaction_ref=f"{number * 7919 % 100003}") for number in range(20_000)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "events.parquet")
    raw = bytearray((folder / "events.parquet").read_bytes())
    raw[len(raw) // 8 : len(raw) // 8 + 3000] = b"\x7f" * 3000
    (folder / "events.parquet").write_bytes(raw)
    with pytest.raises(UnableToReadFolder) as refused:
        load(folder)
    assert refused.value.code == "damaged"
    assert not Program.objects.exists()


def test_parquet_instants_finer_than_microseconds_are_cut(tmp_path):
    folder = write_folder(tmp_path / "in", [])
    (folder / "events.csv").unlink()
    table = pyarrow.Table.from_pylist([EVENTS[0]])
    nanoseconds = pyarrow.array([1_781_517_600_000_000_001], pyarrow.timestamp("ns", "UTC"))
    table = table.set_column(table.schema.get_field_index("occurred_at"), "occurred_at", nanoseconds)
    pyarrow.parquet.write_table(table, folder / "events.parquet")
    assert load(folder).accepted == 1
    assert Event.objects.get().occurred_at.isoformat() == "2026-06-15T10:00:00+00:00"


ROW_FAULTS = [
    ({"occurred_at": "soon"}, "occurred_at", "invalid"),
    ({"offer": "nope"}, "offer", "unknown_offer"),
    ({"spend_amount": "-5.00", "spend_currency": "EUR"}, "spend_amount", "invalid_amount"),
    ({"spend_amount": "5.00", "spend_currency": "XYZ"}, "spend_currency", "invalid_currency"),
    ({"spend_amount": "5.00"}, "spend_currency", "invalid_currency"),
    ({"kind": "seen"}, "kind", "unknown_kind"),
    ({"member": ""}, "member", "required"),
]


@pytest.mark.parametrize(("fault", "column", "reason"), ROW_FAULTS)
def test_a_faulty_event_is_named_and_the_others_are_kept(tmp_path, fault, column, reason):
    report = load(write_folder(tmp_path / "in", [EVENTS[0], event(9, **fault), EVENTS[1]]))
    assert (report.accepted, report.rejected) == (2, 1)
    [row] = rejects(report)
    assert (row["file"], row["line"], row["column"], row["reason"]) == ("events.csv", "3", column, reason)
    assert row["row"].startswith("e9,")
    assert oct(Path(report.rejects_file).stat().st_mode)[-3:] == "600"


def test_a_line_of_ten_megabytes_is_one_rejected_row(tmp_path):
    folder = write_folder(tmp_path / "in", [EVENTS[0]])
    with (folder / "events.csv").open("a") as file:
        file.write("x" * 10_000_000 + ",2026-06-15T10:00:00Z,viewed,confirmed,M1,O1,,,\r\n")
        file.write("e2,2026-06-15T10:00:00Z,viewed,confirmed,M1,O1,,,\r\n")
    report = load(folder)
    assert (report.accepted, report.rejected) == (2, 1)
    [row] = rejects(report)
    assert (row["line"], row["reason"]) == ("3", "malformed")
    assert str(LONGEST_LINE) in row["detail"]
    assert len(row["row"]) < 300


@pytest.mark.parametrize("text", ["e2,2026-06-15T10:00:00Z,viewed\r\n", 'e2,"' + "y" * 70_000 + "\r\n", "\x00\r\n"])
def test_a_row_that_cannot_be_read_is_named(tmp_path, text):
    folder = write_folder(tmp_path / "in", [EVENTS[0]])
    with (folder / "events.csv").open("a", newline="") as file:
        file.write(text)
    report = load(folder)
    assert (report.accepted, report.rejected) == (1, 1)
    assert rejects(report)[0]["line"] == "3"


@pytest.mark.parametrize("text", ["{", "[1]", '{"event_id": ["e"]}', "[" * 100_000, '{"\\ud800": 1.5, "event_id": "a"}'])
def test_a_json_line_that_is_no_event_is_named(tmp_path, text):
    folder = write_folder(tmp_path / "in", [])
    (folder / "events.csv").unlink()
    (folder / "events.jsonl").write_text(json.dumps(EVENTS[0]) + "\n\n" + text + "\n")
    report = load(folder)
    assert (report.accepted, report.rejected) == (1, 1)
    assert rejects(report)[0]["line"] == "3"


def test_faulty_catalog_and_people_rows_are_named_as_well(tmp_path):
    folder = write_folder(
        tmp_path / "in",
        EVENTS,
        partners="external_id,name,category,country\nP1,First,food,DE\nP2,Second,food,FR\nP3,,food,DE\n",
        offers="external_id,partner_external_id,title,offer_type,starts_on\nO1,P1,One,discount,\nO4,P9,Four,discount,\nO5,P1,Five,x,soon\n",
        members="external_id,business_unit\nM1,cards\nM1,loans\n,x\nM2\n",
    )
    report = load(folder)
    assert (report.partners, report.offers, report.members) == (2, 1, 1)
    assert [(row["file"], row["line"]) for row in rejects(report)] == [
        ("partners.csv", "4"),
        ("offers.csv", "4"),
        ("offers.csv", "3"),
        ("members.csv", "3"),
        ("members.csv", "4"),
        ("members.csv", "5"),
    ]
    assert report.accepted == 4


def test_a_control_character_in_a_people_row_is_named(tmp_path):
    folder = write_folder(
        tmp_path / "in", EVENTS, members="external_id,business_unit,region\nM1,cards,north\nM2,lo\x00ans,south\n"
    )
    report = load(folder)
    assert report.members == 1
    assert [(row["line"], row["column"]) for row in rejects(report)] == [("3", "business_unit")]


def test_conflicts_are_written_down_and_the_first_stays(tmp_path):
    load(write_folder(tmp_path / "in", EVENTS))
    report = load(write_folder(tmp_path / "again", [event(1, "redeemed")]))
    assert (report.conflict, report.rejected_rows) == (1, 1)
    assert rejects(report)[0]["reason"] == "conflict"


def test_what_is_ignored_is_named(tmp_path):
    folder = write_folder(tmp_path / "in", EVENTS)
    (folder / "notes.txt").write_text("x")
    rows = (folder / "events.csv").read_text().splitlines()
    (folder / "events.csv").write_text("\n".join([rows[0] + ",shoe_size", *(row + ",43" for row in rows[1:])]) + "\n")
    report = load(folder)
    assert report.ignored == ["notes.txt", "events.csv: column shoe_size"]
    assert report.accepted == 4


def test_settings_of_an_existing_program_are_not_changed_by_a_load(tmp_path):
    folder = write_folder(tmp_path / "in", EVENTS)
    load(folder)
    with pytest.raises(DomainError, match="time_zone") as refused:
        load_folder(folder=folder, new_program=NewProgram(code="acme", time_zone="UTC"), actor="system", at=RECORDED_AT)
    assert refused.value.code == "program_differs"


@pytest.mark.parametrize(("option", "value"), [("attributes", ["shoe_size"]), ("report_by", ["shoe_size"])])
def test_an_attribute_that_no_column_has_is_refused(tmp_path, option, value):
    with pytest.raises(InvalidInput, match="shoe_size"):
        load_folder(
            folder=write_folder(tmp_path / "in", EVENTS),
            new_program=NewProgram(code="acme", **{option: value}),
            actor="system",
            at=RECORDED_AT,
        )
    assert not Program.objects.exists()


def test_reporting_attributes_stay_few_by_default(tmp_path):
    members = "external_id,store,region\n" + "".join(f"M{number},s{number},r{number % 3}\n" for number in range(80))
    load(write_folder(tmp_path / "in", EVENTS, members=members))
    assert Program.objects.get().reporting_attributes == []


def test_only_chosen_attributes_are_kept(tmp_path):
    folder = write_folder(tmp_path / "in", EVENTS)
    load_folder(folder=folder, new_program=NewProgram(code="acme", attributes=["region"]), actor="system", at=RECORDED_AT)
    assert Member.objects.first().versions.get().values == {"region": "north"}
