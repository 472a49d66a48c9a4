"""A program is made in the console, without a shell: what it is made with, what is refused, and what follows."""

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.console.programs import suggest_code
from plum_site.lib.models import AuditEvent, RoleGrant
from reviews.models import ReviewPolicy, Rule
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import make_program
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = pytest.mark.django_db
NEW, CREATE, HOME = "admin:new_program", "admin:create_program", "admin:index"
GIVEN = {
    "name": "Acme Rewards",
    "code": "",
    "kind": "employee",
    "time_zone": "europe/berlin",
    "currency": "eur",
    "stage_order": "view_first",
    "member_attributes": "business_unit, region, business_unit",
    "ready_day": "3",
    "report_day": "5",
    "settlement_days": "30",
}


@pytest.fixture
def operator() -> Client:
    return sign_in(make_person("root", is_superuser=True))


def test_an_operator_makes_a_program_and_lands_in_it(operator: Client) -> None:
    make_program("other")
    assert reverse(NEW) in operator.get(reverse(HOME)).content.decode()
    page = operator.get(reverse(NEW))
    assert "America/Argentina/Buenos_Aires" in page.content.decode()  # every zone can be searched
    assert not list_inline(page.content.decode())
    answer = operator.post(reverse(CREATE), GIVEN, follow=True)
    program = Program.objects.get(code="acme-rewards")
    assert (program.time_zone, program.currency, program.member_attributes) == (
        "Europe/Berlin",
        "EUR",
        ["business_unit", "region"],
    )
    assert answer.context["program"] == program
    assert "Acme Rewards was made" in text_of(answer)
    assert "Open Bring the partners" in text_of(answer)
    grant = RoleGrant.objects.get(program_id=program.pk)
    assert (grant.user.username, grant.role) == ("root", "program_admin")
    assert Rule.objects.filter(program=program).exists()
    assert ReviewPolicy.objects.filter(program=program).count() == 1
    assert AuditEvent.objects.filter(
        program_id=program.pk, action="partners.create_program", actor=f"user:{grant.user_id}"
    ).exists()


def test_the_first_program_is_made_where_there_is_none(operator: Client) -> None:
    assert operator.get(reverse(NEW)).status_code == 200
    operator.post(reverse(CREATE), GIVEN)
    assert Program.objects.get().name == "Acme Rewards"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "required"),
        ("code", "with blank", "slug"),
        ("code", "taken", "exists already"),
        ("time_zone", "Berlin", "not an IANA time zone"),
        ("currency", "EURO", "at most 3"),
        ("currency", "XXX", "not an ISO 4217"),
        ("ready_day", "29", "less than or equal to 28"),
        ("report_day", "2", "before the review is ready"),
        ("kind", "club", "Select a valid choice"),
    ],
)
def test_what_is_refused_stands_beside_its_field(operator: Client, field: str, value: str, says: str) -> None:
    make_program("taken")
    answer = operator.post(reverse(CREATE), GIVEN | {field: value})
    assert answer.status_code == 200
    assert says in " ".join(errors_of(answer)[field])
    assert Program.objects.count() == 1
    assert not Rule.objects.exists()


def test_a_code_is_made_from_the_name_and_stays_free() -> None:
    make_program("acme-rewards")
    assert suggest_code("Acme Rewards") == "acme-rewards-2"
    assert suggest_code("日本") == "program"
    assert len(suggest_code("long " * 40)) <= 40


def test_a_program_admin_makes_no_program() -> None:
    client = sign_in(make_member_of_staff(make_program(), "program_admin"))
    assert reverse(NEW) not in client.get(reverse(HOME)).content.decode()
    assert client.get(reverse(NEW)).status_code == 403
    assert client.post(reverse(CREATE), GIVEN).status_code == 403
    assert Program.objects.count() == 1
