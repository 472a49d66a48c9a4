"""Members come in with their attributes; what leads to the person lies sealed in the vault."""

from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag

from activity.models import AttributeSet, Member, MemberVersion, VaultEntry
from activity.services import MemberRow, Person, find_member, find_members, open_external_id, save_members
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
LATER = datetime(2026, 3, 1, tzinfo=UTC)


def save(program, at=CREATED_AT, **people):
    rows = [MemberRow(Person(name), {"business_unit": unit}) for name, unit in people.items()]
    return save_members(program=program, rows=rows, actor="system", at=at)


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


def test_only_declared_attributes_are_kept():
    program = make_program()
    rows = [MemberRow(Person("ann"), {"business_unit": "cards", "salary": "1"})]
    save_members(program=program, rows=rows, actor="system", at=CREATED_AT)
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
    save_members(program=program, rows=rows, actor="system", at=CREATED_AT)
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


def test_keys_are_random_and_unlike():
    program = make_program()
    save(program, **{f"m{number}": "cards" for number in range(50)})
    assert len({bytes(member.key) for member in Member.objects.all()}) == 50
