"""Members come in with their attributes; what leads to the person lies sealed in the vault."""

from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.models import AttributeSet, Member, MemberVersion, VaultEntry
from activity.rules import parse_member
from activity.services import (
    MemberRow,
    PeopleFault,
    Person,
    UnableToApplyPeople,
    apply_people,
    find_member,
    find_members,
    open_external_id,
)
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
LATER = datetime(2026, 3, 1, tzinfo=UTC)


def save(program, at=CREATED_AT, **people):
    rows = [MemberRow(Person(name), {"business_unit": unit}) for name, unit in people.items()]
    return apply_people(program=program, source="file", rows=rows, actor="system", at=at)


def test_the_first_version_is_open_to_the_past_and_later_ones_begin_at_the_sync():
    program = make_program()
    assert save(program, ann="cards").created == 1
    assert save(program, at=LATER, ann="loans").changed == 1
    member = find_member(program=program, external_id="ann")
    versions = [(version.valid_from, version.values["business_unit"]) for version in member.versions.order_by("id")]
    assert versions == [(None, "cards"), (LATER, "loans")]


def test_the_same_again_writes_nothing():
    program = make_program()
    save(program, ann="cards", bob="loans")
    audits = AuditEvent.objects.count()
    counts = save(program, at=LATER, ann="cards", bob="loans")
    assert (counts.created, counts.changed, counts.unchanged) == (0, 0, 2)
    assert MemberVersion.objects.count() == 2
    assert AuditEvent.objects.count() == audits


def test_nobodys_entry_is_opened_for_a_row_that_says_what_is_known():
    program = make_program()
    save(program, ann="cards", bob="loans")
    with CaptureQueriesContext(connection) as queries:
        save(program, at=LATER, ann="cards", bob="loans")
    assert not [query for query in queries.captured_queries if "wrapped_key" in query["sql"]]


def at_first(program) -> None:
    person = Person("ann", language="de", push_opt_out=True)
    row = MemberRow(person, {"business_unit": "cards"}, True, date(2025, 5, 1))
    apply_people(program=program, source="file", rows=[row], actor="system", at=CREATED_AT)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (MemberRow(Person("ann")), "unchanged"),
        (
            MemberRow(Person("ann", language="de", push_opt_out=True), {"business_unit": "cards"}, True, date(2025, 5, 1)),
            "unchanged",
        ),
        (MemberRow(Person("ann"), {"business_unit": "cards", "salary": "1"}), "unchanged"),
        (MemberRow(Person("ann"), {"region": ""}), "unchanged"),
        (MemberRow(Person("ann"), {"region": "north"}), "changed"),
        (MemberRow(Person("ann"), {"business_unit": ""}), "changed"),
        (MemberRow(Person("ann", language="fr")), "changed"),
        (MemberRow(Person("ann", language="")), "changed"),
        (MemberRow(Person("ann", push_opt_out=False)), "changed"),
        (MemberRow(Person("ann", email="ann@example.com")), "changed"),
        (MemberRow(Person("ann", display_name="Ann")), "changed"),
        (MemberRow(Person("ann", email="")), "unchanged"),
        (MemberRow(Person("ann"), {}, None, date(2025, 5, 2)), "changed"),
        (MemberRow(Person("ann"), {}, False), "deactivated"),
    ],
)
def test_a_row_counts_by_what_it_changes(row, outcome):
    program = make_program()
    at_first(program)
    report = apply_people(program=program, source="file", rows=[row], actor="system", at=LATER)
    assert {name: getattr(report, name) for name in ("unchanged", "changed", "deactivated", "created")} == {
        "unchanged": 0, "changed": 0, "deactivated": 0, "created": 0, outcome: 1
    }  # fmt: skip


def test_a_row_about_someone_who_left_is_never_taken_for_nothing_new():
    program = make_program()
    at_first(program)
    leave, come = MemberRow(Person("ann"), {}, False), MemberRow(Person("ann"), {}, True)
    apply_people(program=program, source="file", rows=[leave], actor="system", at=LATER)
    quiet = apply_people(program=program, source="file", rows=[MemberRow(Person("ann"))], actor="system", at=LATER)
    assert (quiet.unchanged, quiet.still_inactive) == (1, 1)
    assert apply_people(program=program, source="file", rows=[come], actor="system", at=LATER).returned == 1


def test_a_full_file_of_known_people_misses_nobody():
    program = make_program()
    save(program, ann="cards", bob="loans")
    rows = [MemberRow(Person(name), {"business_unit": unit}) for name, unit in (("ann", "cards"), ("bob", "loans"))]
    report = apply_people(program=program, source="file", mode="full", rows=rows, actor="system", at=LATER)
    assert (report.unchanged, report.absent, report.deactivated) == (2, 0, 0)


def test_only_declared_attributes_are_kept():
    program = make_program()
    rows = [MemberRow(Person("ann"), {"business_unit": "cards", "salary": "1"})]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    assert MemberVersion.objects.get().values == {"business_unit": "cards", "region": "", "country": ""}
    assert AttributeSet.objects.get().values == {"business_unit": "cards", "region": ""}


def test_a_stranger_known_by_an_event_is_the_same_member_later():
    program = make_program()
    make_partner(program)
    make_offer(program)
    program.refresh_from_db()
    record(program, [event(1, member="ann")])
    counts = save(program, at=LATER, ann="cards")
    assert (counts.created, counts.changed) == (0, 1)
    assert Member.objects.count() == 1
    assert MemberVersion.objects.get().valid_from is None


def test_the_vault_gives_the_person_back_only_with_the_key(settings):
    program = make_program()
    rows = [MemberRow(Person("ann", email="ann@example.org", display_name="Ann"))]
    apply_people(program=program, source="file", rows=rows, actor="system", at=CREATED_AT)
    entry = VaultEntry.objects.get()
    stored = b"".join(
        bytes(value) for value in (entry.lookup, entry.external_id_sealed, entry.email_sealed, entry.display_name_sealed)
    )
    assert b"ann" not in stored.lower()
    assert open_external_id(program=program, entry=entry) == "ann"
    entry.wrapped_key = bytes(60)
    with pytest.raises(InvalidTag):
        open_external_id(program=program, entry=entry)


def test_the_same_outside_id_is_two_people_in_two_programs():
    one, two = make_program("one"), make_program("two")
    save(one, ann="cards")
    assert find_member(program=two, external_id="ann") is None
    save(two, ann="cards")
    found = [find_members(program=program, external_ids=["ann", "bob"])["ann"] for program in (one, two)]
    assert found[0].key != found[1].key


def report_of(program, rows, **options):
    return apply_people(**({"program": program, "rows": rows, "source": "test", "actor": "system", "at": LATER} | options))


def someone(name, *, unit="cards", line=0, active=None, joined=None, **about):
    return MemberRow(Person(name, **about), {"business_unit": unit}, active, joined, line)


def state_of(program, name):
    member = find_member(program=program, external_id=name)
    return member.state, member.deactivated_at


def crowd(program, count, **options):
    return apply_people(
        program=program, rows=[someone(f"m{number}") for number in range(count)], source="test", actor="system", at=CREATED_AT
    )


def test_what_a_row_does_not_say_stays_as_it_is():
    program = make_program()
    rows = [MemberRow(Person("ann", email="ann@example.org", language="de"), {"business_unit": "cards", "region": "north"})]
    report_of(program, rows, at=CREATED_AT)
    report = report_of(program, [MemberRow(Person("ann"), {"region": "south"})])
    assert report.changes[0].changes == [("region", "north", "south")]
    assert MemberVersion.objects.latest("id").values == {"business_unit": "cards", "region": "south", "country": ""}
    entry = VaultEntry.objects.get()
    assert (entry.language, entry.email_sealed is None) == ("de", False)


def test_the_vault_entry_is_sealed_anew_where_it_differs():
    program = make_program()
    report_of(program, [someone("ann", email="ann@example.org", display_name="Ann")], at=CREATED_AT)
    before = VaultEntry.objects.get()
    report = report_of(program, [someone("ann", email="ann@new.example", display_name="Ann", language="fr", push_opt_out=True)])
    after = VaultEntry.objects.get()
    assert (report.created, report.changed) == (0, 1)
    assert sorted(name for name, *_ in report.changes[0].changes) == ["email", "language", "push_opt_out"]
    assert not [part for _, *parts in report.changes[0].changes for part in parts if part]  # no address leaves the vault
    assert bytes(after.email_sealed) != bytes(before.email_sealed)
    assert bytes(after.display_name_sealed) == bytes(before.display_name_sealed)
    assert (after.language, after.push_opt_out) == ("fr", True)
    assert MemberVersion.objects.count() == 1
    assert report_of(program, [someone("ann", email="")]).changed == 1
    assert VaultEntry.objects.get().email_sealed is None


def test_a_rehearsal_says_what_would_happen_and_writes_nothing():
    program = make_program()
    crowd(program, 20)
    rows = [someone("m0", unit="loans", line=2), someone("m1", line=3), someone("new", line=4)]
    rows += [someone(f"m{number}") for number in range(2, 19)]
    rows.append(PeopleFault(22, "email", "invalid", "No address.", "m19"))
    before = (Member.objects.count(), MemberVersion.objects.count(), AuditEvent.objects.count())
    rehearsed = report_of(program, rows, mode="full", dry_run=True)
    assert before == (Member.objects.count(), MemberVersion.objects.count(), AuditEvent.objects.count())
    assert rehearsed.counts() == {
        "rows": 21,
        "created": 1,
        "changed": 1,
        "unchanged": 18,
        "rejected": 1,
        "deactivated": 0,  # who stands in a faulty row is not missing
        "absent": 0,
        "returned": 0,
        "still_inactive": 0,
    }
    assert rehearsed.newcomers == [(4, "new")]
    assert rehearsed.changes == [(2, "m0", [("business_unit", "cards", "loans")])]
    real = report_of(program, rows, mode="full")
    assert real.as_json() == rehearsed.as_json()


def test_a_full_file_deactivates_who_is_missing_and_a_delta_does_not():
    program = make_program()
    crowd(program, 20)
    present = [someone(f"m{number}") for number in range(18)]
    assert report_of(program, present).deactivated == 0
    report = report_of(program, present, mode="full")
    assert (report.deactivated, report.absent, sorted(report.leavers)) == (2, 2, ["m18", "m19"])
    assert state_of(program, "m18") == ("inactive", LATER)
    assert state_of(program, "m17") == ("active", None)
    log = AuditEvent.objects.filter(action="activity.deactivate_member")
    assert {entry.object_ref for entry in log} == {
        f"activity.Member:{find_member(program=program, external_id=name).pk}" for name in ("m18", "m19")
    }
    again = report_of(program, present, mode="full", at=LATER + timedelta(days=1))
    assert (again.deactivated, again.unchanged) == (0, 18)
    assert state_of(program, "m18") == ("inactive", LATER)


def test_too_many_leavers_need_a_person_who_says_so():
    program = make_program()
    crowd(program, 20)
    present = [someone(f"m{number}", unit="loans") for number in range(17)]
    with pytest.raises(UnableToApplyPeople, match="3 of 20 active members would be deactivated") as refusal:
        report_of(program, present, mode="full")
    assert refusal.value.code == "too_many_leavers"
    assert refusal.value.report.deactivated == 3
    assert Member.objects.filter(state="active").count() == 20
    assert MemberVersion.objects.count() == 20
    report_of(program, present, mode="full", allow_leavers=True)
    assert Member.objects.filter(state="active").count() == 17
    assert AuditEvent.objects.filter(action="activity.apply_people").latest("id").after["confirmed_leavers"] == 3


def test_a_full_file_that_cannot_be_read_to_its_end_is_refused_even_if_confirmed():
    program = make_program()
    crowd(program, 20)
    rows = [*(someone(f"m{number}") for number in range(19)), PeopleFault(21, "", "unreadable", "Line 21: too few cells.")]
    with pytest.raises(UnableToApplyPeople, match="nobody can tell who is missing"):
        report_of(program, rows, mode="full", allow_leavers=True)
    with pytest.raises(UnableToApplyPeople, match="names nobody"):
        report_of(program, [], mode="full", allow_leavers=True)
    assert Member.objects.filter(state="active").count() == 20
    assert report_of(program, rows).rejected == 1


def test_whoever_left_comes_back_only_by_a_row_that_says_so():
    program = make_program()
    report_of(program, [someone("ann"), someone("bob")], at=CREATED_AT)
    assert report_of(program, [someone("ann", active=False)]).deactivated == 1
    assert state_of(program, "ann") == ("inactive", LATER)
    report = report_of(program, [someone("ann"), someone("bob")], mode="full")
    assert (report.still_inactive, report.unchanged) == (1, 2)
    assert state_of(program, "ann") == ("inactive", LATER)
    assert report_of(program, [someone("ann", active=True)]).returned == 1
    assert state_of(program, "ann") == ("active", None)


def test_someone_who_left_before_plum_heard_of_them_is_kept_as_inactive():
    program = make_program()
    report_of(program, [someone("ann", active=False, joined=date(2024, 5, 1))])
    assert state_of(program, "ann") == ("inactive", LATER)
    assert Member.objects.get().joined_date == date(2024, 5, 1)


def test_a_second_row_about_the_same_person_is_refused_by_its_line():
    program = make_program()
    told = []
    report = report_of(program, [someone("ann", line=2), someone("ann", unit="loans", line=3)], on_fault=told.append)
    assert (report.created, report.rejected) == (1, 1)
    assert (told[0].line, told[0].reason, told[0].detail) == (3, "repeated", "ann stands in the file twice; line 2 counts.")
    assert MemberVersion.objects.get().values["business_unit"] == "cards"


def test_an_attribute_that_is_kept_from_now_on_is_unknown_before():
    program = make_program()
    crowd(program, 1)
    program.member_attributes = [*program.member_attributes, "grade"]
    assert report_of(program, [someone("m0")]).unchanged == 1
    assert report_of(program, [MemberRow(Person("m0"), {"grade": "7"})]).changes[0].changes == [("grade", "", "7")]


def test_two_changes_of_one_instant_stay_in_order():
    program = make_program()
    for unit in ("cards", "loans", "funds"):
        report_of(program, [someone("ann", unit=unit)])
    versions = list(MemberVersion.objects.order_by("id").values_list("valid_from", flat=True))
    assert versions == [None, LATER, LATER + timedelta(microseconds=1)]


@pytest.mark.parametrize(
    ("cells", "column", "says"),
    [
        ({"external_id": ""}, "external_id", "1 to 200"),
        ({"external_id": "a", "email": "nobody"}, "email", "not an e-mail address"),
        ({"external_id": "a", "email": "a@" + "b" * 260}, "email", "has 262 characters"),
        ({"external_id": "a", "status": "maybe"}, "status", "neither active nor inactive"),
        ({"external_id": "a", "status": "active", "active": "no"}, "status", "different things"),
        ({"external_id": "a", "push_opt_out": "perhaps"}, "push_opt_out", "neither yes nor no"),
        ({"external_id": "a", "joined_on": "01.02.2026"}, "joined_on", "not a day"),
        ({"external_id": "a", "business_unit": "x" * 201}, "business_unit", "keeps 200 at most"),
        ({"external_id": "a", "business_unit": "x\x00"}, "business_unit", "control character"),
    ],
)
def test_a_row_that_cannot_be_kept_names_its_column(cells, column, says):
    with pytest.raises(InvalidInput, match=says) as refusal:
        parse_member(cells, ["business_unit"])
    assert list(refusal.value.fields) == [column]


def test_a_kept_attribute_may_have_the_name_of_a_column():
    row = parse_member({"external_id": "a", "status": "gold"}, ["status"])
    assert (row.attributes, row.is_active) == ({"status": "gold"}, None)
    assert parse_member({"external_id": "a", "active": "No"}, []).is_active is False


def test_keys_are_random_and_unlike():
    program = make_program()
    save(program, **{f"m{number}": "cards" for number in range(50)})
    assert len({bytes(member.key) for member in Member.objects.all()}) == 50
