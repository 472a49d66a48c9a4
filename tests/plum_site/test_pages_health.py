"""The health page: what the command says, for the operator alone, and what is not well first."""

from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse

from plum_site.console import health as page
from plum_site.health import Check, Health
from plum_site.lib.choices import Role
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import make_program
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def operator() -> Client:
    return sign_in(make_person("root", is_superuser=True))


def test_the_operator_sees_every_check_and_the_connections(operator: Client) -> None:
    make_program("acme")
    text = text_of(operator.get(reverse("admin:health")))
    for name in ("Database", "Migrations", "Connections", "Broker", "Worker", "Beat", "Ledger", "Jobs", "Mail", "Verification"):
        assert name in text
    assert reverse("admin:health") in operator.get(reverse("admin:index")).content.decode()


def test_what_is_not_well_comes_first_with_what_to_do(operator: Client) -> None:
    checks = [Check("database", True, "answers", "never shown"), Check("connections", False, "90 open", "raise max_connections")]
    with mock.patch.object(page, "find_health", return_value=Health({}, checks)):
        text = text_of(operator.get(reverse("admin:health")))
    assert "1 of 2 are not well" in text
    assert text.index("Connections") < text.index("Database")
    assert "raise max_connections" in text
    assert "never shown" not in text


def test_it_opens_before_there_is_a_program(operator: Client) -> None:
    answer = operator.get(reverse("admin:health"))
    assert answer.status_code == 200


@pytest.mark.parametrize("role", Role.values)
def test_nobody_else_sees_it_because_it_speaks_of_every_program(role: Any) -> None:
    program = make_program("acme")
    client = sign_in(make_member_of_staff(program, role))
    assert client.get(reverse("admin:health")).status_code == 403
    assert reverse("admin:health") not in client.get(reverse("admin:index")).content.decode()
