"""What is kept about members and reported by: added freely, removed where nothing rests on it, chosen before the first event."""

from datetime import UTC, date, datetime, timedelta

import pytest

from activity.models import AttributeSet, Event, MemberVersion
from activity.selectors.groups import count_by, count_in_segment, list_known_values, measure_groups, suggest_reporting
from activity.services import MemberRow, Person, apply_people
from activity.services.attributes import change_kept_attributes, change_reporting_attributes
from offers.services import save_segment
from partners.services import create_program
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.offers import make_segment
from tests.factories.programs import CREATED_AT, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
AT = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
TODAY = date(2026, 7, 15)


def bring(program, *rows, at=CREATED_AT):
    people = [
        MemberRow(Person(name), {"business_unit": unit, "region": region}, joined_date=joined)
        for name, unit, region, joined in rows
    ]
    apply_people(program=program, rows=people, source="test", actor="system", at=at)


def stock(program):
    bring(program, ("a", "cards", "north", None), ("b", "cards", "south", None), ("c", "loans", "", date(2026, 3, 1)))


def keep(program, *names):
    return change_kept_attributes(program_id=program.pk, names=names, actor="system", at=AT)


def report_by(program, *names):
    return change_reporting_attributes(program_id=program.pk, names=names, actor="system", at=AT)


def test_attributes_can_be_added_at_any_time():
    program = make_stocked_program()
    record(program, [event(1)])
    keep(program, *program.member_attributes, "grade")
    program.refresh_from_db()
    assert program.member_attributes[-1] == "grade"
    assert AuditEvent.objects.filter(action="partners.update_program").latest("id").after["member_attributes"][-1] == "grade"
    audits = AuditEvent.objects.count()
    keep(program, *program.member_attributes)
    assert AuditEvent.objects.count() == audits


def test_what_is_taken_out_is_forgotten_in_every_version():
    program = make_program(reporting_attributes=["business_unit"])
    stock(program)
    bring(program, ("a", "cards", "west", None), at=AT)
    keep(program, "business_unit", "country")
    assert all("region" not in version.values for version in MemberVersion.objects.all())
    assert MemberVersion.objects.filter(values__business_unit="cards").count() == 3


def test_what_something_rests_on_cannot_be_taken_out():
    program = make_program()
    stock(program)
    segment = make_segment(program, "north", "country", ("DE",))
    with pytest.raises(DomainError, match=rf"country is used by the segment {segment.name} \(north\)"):
        keep(program, "business_unit", "region")
    with pytest.raises(DomainError, match="region is used by the reporting attributes"):
        keep(program, "business_unit", "country")
    assert MemberVersion.objects.filter(values__region="north").exists()


@pytest.mark.parametrize("names", [["email"], ["a,b"], ["x" * 61], ["unit", "unit"], ["bell\x07"]])
def test_names_that_cannot_be_attributes(names):
    program = make_program(member_attributes=[], reporting_attributes=[])
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        keep(program, *names)
    program.refresh_from_db()
    assert program.member_attributes == []


def test_a_new_program_cannot_report_by_addresses_either():
    with pytest.raises(InvalidInput, match="kept encrypted"):
        create_program(
            code="x", name="X", time_zone="UTC", currency="EUR", member_attributes=["email"], actor="system", at=CREATED_AT
        )


def test_reporting_attributes_are_chosen_before_the_first_event():
    program = make_stocked_program(member_attributes=["business_unit", "region"], reporting_attributes=["business_unit"])
    stock(program)
    report_by(program, "region")
    program.refresh_from_db()
    assert {version.attribute_set.values.get("region") for version in MemberVersion.objects.all()} >= {"north", "south", ""}
    record(program, [event(1, member="a")])
    assert Event.objects.get().attribute_set == AttributeSet.objects.get(values={"region": "north"})
    for names in ([], ["business_unit"], ["region", "business_unit"]):
        with pytest.raises(DomainError, match="Events are in the history"):
            report_by(program, *names)
    assert report_by(program, "region").reporting_attributes == ["region"]


def test_too_many_combinations_are_refused():
    program = make_program(reporting_attributes=[])
    bring(program, *((f"m{number}", f"unit {number % 9}", f"region {number % 8}", None) for number in range(72)))
    with pytest.raises(InvalidInput, match="72 combinations are more than 64"):
        report_by(program, "business_unit", "region")
    with pytest.raises(InvalidInput, match="grade is not kept"):
        report_by(program, "grade")
    assert suggest_reporting(program, TODAY) == ["business_unit"]


def test_groups_say_how_small_they_are():
    program = make_program(minimum_group=2)
    stock(program)
    groups = measure_groups(program, ["business_unit"], TODAY)
    assert (groups.distinct, groups.product, groups.too_small, groups.members) == ({"business_unit": 2}, 2, 1, 3)
    assert groups.sizes == [(("loans",), 1), (("cards",), 2)]
    assert measure_groups(program, ["business_unit", "region"], TODAY).product == 6


def test_members_are_counted_as_of_a_day():
    program = make_program()
    stock(program)
    moved_at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    bring(program, ("a", "loans", "north", None), at=moved_at)
    apply_people(program=program, rows=[MemberRow(Person("b"), is_active=False)], source="test", actor="system", at=moved_at)
    cards = make_segment(program)
    assert count_in_segment(cards, program, date(2026, 2, 28)) == (2, 2)  # c joined in March
    assert count_in_segment(cards, program, date(2026, 5, 31)) == (2, 3)
    assert count_in_segment(cards, program, moved_at.date()) == (0, 2)
    assert count_by(program, [], moved_at.date()) == {(): 2}
    everyone, _ = save_segment(program_id=program.pk, code="all", name="All", rule=[], actor="system", at=CREATED_AT)
    assert count_in_segment(everyone, program, moved_at.date() + timedelta(days=1)) == (2, 2)


def test_known_values_are_suggested_by_attribute():
    program = make_program()
    stock(program)
    assert list_known_values(program) == {"business_unit": ["cards", "loans"], "region": ["north", "south"], "country": []}
