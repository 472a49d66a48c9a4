"""The pages about attributes and segments: what is kept, how large groups would be, who is in a segment."""

from datetime import UTC, datetime

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from activity.services import MemberRow, Person, apply_people
from partners.models import Program
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.offers import make_segment
from tests.factories.people import make_member_of_staff
from tests.factories.programs import CREATED_AT, make_program
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = pytest.mark.django_db
PAGE, KEEP, REPORT = "admin:member_attributes", "admin:keep_attributes", "admin:choose_reporting"
NOON = datetime(2026, 7, 15, 10, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    program = make_program(reporting_attributes=[], minimum_group=2)
    units = ["cards"] * 3 + ["loans"] * 2 + ["funds"]
    rows = [
        MemberRow(Person(f"m{number}"), {"business_unit": unit, "region": f"r{number % 2}"}) for number, unit in enumerate(units)
    ]
    apply_people(program=program, rows=rows, source="test", actor="system", at=CREATED_AT)
    return program


@pytest.fixture
def admin(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


def test_a_choice_is_suggested_and_weighed_before_it_is_saved(admin: Client, program: Program) -> None:
    page = admin.get(reverse(PAGE))
    said = text_of(page)
    assert not list_inline(page.content.decode())
    assert "Ticked is what Plum suggests; it is not saved yet." in said
    assert "business_unit: 3 values × region: 2 values = up to 6 combinations" in said
    assert "4 are below the minimum group and would be suppressed" in said
    said = text_of(admin.get(reverse(PAGE), {"look": "1", "report": "business_unit"}))
    assert "business_unit: 3 values ; 3 of them have members, and 1 is below the minimum group" in said
    assert "business unit: funds 1" in said
    answer = admin.post(reverse(REPORT), {"report": ["business_unit"]}, follow=True)
    assert "Figures are broken down by business_unit at once." in text_of(answer)
    program.refresh_from_db()
    assert program.reporting_attributes == ["business_unit"]


def test_after_the_first_event_the_choice_stands() -> None:
    program = make_stocked_program()
    record(program, [event(1)])
    admin = sign_in(make_member_of_staff(program, "program_admin"))
    said = text_of(admin.get(reverse(PAGE)))
    assert "So the choice stands" in said
    assert "Report by these" not in said
    answer = admin.post(reverse(REPORT), {"report": ["region"]}, follow=True)
    assert "Events are in the history" in text_of(answer)


def test_what_is_kept_is_edited_with_commas(admin: Client, program: Program) -> None:
    make_segment(program)
    answer = admin.post(reverse(KEEP), {"member_attributes": "region, grade"})
    assert "business_unit is used by the segment Cards (cards)" in text_of(answer)
    admin.post(reverse(KEEP), {"member_attributes": "business_unit, region, grade"})
    program.refresh_from_db()
    assert program.member_attributes == ["business_unit", "region", "grade"]
    said = text_of(admin.get(reverse("admin:partners_program_change", args=[program.pk])))
    assert "business_unit, region, grade" in said
    analyst = sign_in(make_member_of_staff(program, "analyst"))
    assert "Save what is kept" not in text_of(analyst.get(reverse(PAGE)))
    assert analyst.post(reverse(KEEP), {"member_attributes": ""}).status_code == 403


def test_a_segment_says_who_is_in_it_on_any_day(admin: Client, program: Program) -> None:
    segment = make_segment(program)
    later = datetime(2026, 7, 1, tzinfo=UTC)
    apply_people(
        program=program, rows=[MemberRow(Person("m0"), {"business_unit": "loans"})], source="test", actor="system", at=later
    )
    url = reverse("admin:offers_segment_change", args=[segment.pk])
    with time_machine.travel(NOON, tick=False):
        page = admin.get(url, {"on": "2026-06-30"})
        wrong = admin.get(url, {"on": "yesterday"})
    said = text_of(page)
    assert "Today 2 of 6 active members (33.3 %)" in said
    assert "30 Jun 2026 3 of 6 active members (50.0 %)" in said
    assert "Known values of business unit: cards, funds, loans." in said
    assert "Nowhere yet" in said
    assert f"{reverse('admin:activity_dashboard')}?segment=cards" in page.content.decode()
    assert "is not a day" in text_of(wrong)
    assert not list_inline(page.content.decode())


def test_a_segment_that_is_too_small_or_empty_says_so(admin: Client, program: Program) -> None:
    small, empty = make_segment(program, "funds", values=("funds",)), make_segment(program, "none", values=("nothing",))
    assert "smaller than the program's minimum group of 2" in text_of(
        admin.get(reverse("admin:offers_segment_change", args=[small.pk]))
    )
    assert "Nobody is in this segment today" in text_of(admin.get(reverse("admin:offers_segment_change", args=[empty.pk])))
