"""The audit log by API: everything of the program and nothing else, by names, by what is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offers.services import publish_listing
from partners.models import Program
from partners.services import save_partner
from plum_site.lib.models import AuditEvent, User
from tests.factories.offers import make_offer, make_segment
from tests.factories.partners import make_partner
from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client
from tests.partners.test_api_writes import send

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
JULY = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)


@pytest.fixture
def ada() -> User:
    return make_person("ada")


@pytest.fixture
def program(ada: User) -> Program:
    program = make_program()
    make_partner(program, "P1", name="Northwind")
    offer = make_offer(program, "O1")
    make_segment(program, "cards")
    values = {"external_id": "P1", "category": "food", "country": "DE"}
    save_partner(program_id=program.pk, name="North Wind", actor=ada, at=JULY, **values)
    publish_listing(offer_id=offer.pk, title="Better", actor=ada, at=JULY + timedelta(days=1))
    make_partner(make_program("other"), "P9")
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "audit:read")


def actions(client: TokenClient, query: str = "") -> list[str]:
    """What was done, newest first."""
    answer = send(client, "GET", f"audit{query}")
    assert answer.status_code == 200, answer.body
    return [row["action"] for row in answer.body["data"]]


def test_an_entry_says_who_what_and_how_it_was_before(client: TokenClient, ada: User) -> None:
    [entry] = send(client, "GET", "audit?partner=P1&from=2026-07-15&to=2026-07-16").body["data"]
    assert (entry["at"], entry["actor"], entry["actor_name"]) == ("2026-07-15T09:30:00Z", f"user:{ada.pk}", "ada")
    assert (entry["action"], entry["object_name"]) == ("partners.save_partner", "North Wind")
    assert (entry["before"], entry["after"]) == ({"name": "Northwind"}, {"name": "North Wind"})


def test_filters_hold_together(client: TokenClient, ada: User, program: Program) -> None:
    assert actions(client, f"?actor=user:{ada.pk}") == [
        "offers.publish_listing",
        "partners.save_partners",
        "partners.save_partner",
    ]
    assert actions(client, "?action=offers.save_segment") == ["offers.save_segment"]
    assert actions(client, "?offer=O1") == ["offers.publish_listing"]
    assert actions(client, "?segment=cards&actor=system") == ["offers.save_segment"]
    assert actions(client, f"?segment=cards&actor=user:{ada.pk}") == []
    assert actions(client, "?object=offers.Segment") == ["offers.save_segment"]
    reference = f"partners.Program:{program.pk}"
    assert "partners.create_program" in actions(client, f"?object={reference}")


def test_a_day_is_one_of_the_program(client: TokenClient) -> None:
    """It is the 16th in Berlin from 22:00 UTC on."""
    assert actions(client, "?from=2026-07-16&to=2026-07-17&action=offers.publish_listing") == ["offers.publish_listing"]
    assert actions(client, "?from=2026-07-17&action=offers.publish_listing") == []


def test_pages_are_in_order_and_whole(client: TokenClient, program: Program) -> None:
    expected = list(AuditEvent.objects.filter(program_id=program.pk).order_by("-at", "-id").values_list("id", flat=True))
    seen: list[int] = []
    cursor = ""
    while True:
        body: Any = send(client, "GET", f"audit?limit=2&cursor={cursor}").body
        seen += [row["id"] for row in body["data"]]
        cursor = body["next_cursor"]
        if not body["has_more"]:
            break
    assert seen == expected


def test_nothing_of_another_program(client: TokenClient) -> None:
    rows = send(client, "GET", "audit?limit=500").body["data"]
    assert "P9" not in str(rows)
    for query in ("?partner=P9", "?offer=O404", "?segment=s404"):
        assert send(client, "GET", f"audit{query}").status_code == 404


@pytest.mark.parametrize("query", ["?object=Partner", "?object=partners.Partner:x", "?from=July", "?to=2026-02-30", "?who=ada"])
def test_questions_that_are_none(client: TokenClient, query: str) -> None:
    assert send(client, "GET", f"audit{query}").status_code == 400


def test_a_page_costs_the_same_however_long_it_is(client: TokenClient, program: Program) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            send(client, "GET", "audit?limit=500")
        return len(queries)

    cost()
    before = cost()
    for number in range(10):
        make_partner(program, f"Q{number}")
    assert cost() == before
