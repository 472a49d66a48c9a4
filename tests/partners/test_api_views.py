"""What the partners API gives to read, and how lists are paged and filtered."""

import json
from typing import Any

import pytest

from partners.choices import PartnerState
from partners.models import Program
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read")


def get(client: TokenClient, path: str) -> Any:
    """The answer with its JSON in `.body`."""
    answer = client.get(f"/api/v1/{path}")
    answer.body = json.loads(answer.content)
    return answer


def test_one_partner(client: TokenClient, program: Program) -> None:
    partner = make_partner(program, "A/1 ü", name="Ännchen", category="food", country="DE")
    answer = get(client, "partners/A/1%20%C3%BC")
    assert answer.body == {
        "external_id": "A/1 ü",
        "name": "Ännchen",
        "category": "food",
        "country": "DE",
        "state": "active",
        "allowed_actions": [],
        "created_at": partner.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert answer["Cache-Control"] == "no-store"


def test_a_partner_that_is_not_there(client: TokenClient) -> None:
    for path in ("partners/P404", "partners/%00", "partners/P1%00"):
        answer = get(client, path)
        assert (answer.status_code, answer.body["code"]) == (404, "not_found")


def test_pages_are_complete_and_without_repetition(client: TokenClient, program: Program) -> None:
    names = sorted(f"P{number:03d}" for number in range(25))
    for name in reversed(names):
        make_partner(program, name)
    seen, cursor, pages = [], "", 0
    while True:
        page = get(client, f"partners?limit=10&cursor={cursor}").body
        seen += [row["external_id"] for row in page["data"]]
        pages += 1
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert (seen, pages) == (names, 3)


def test_rows_that_come_meanwhile_do_not_shift_the_pages(client: TokenClient, program: Program) -> None:
    for name in ("P1", "P3", "P5"):
        make_partner(program, name)
    first = get(client, "partners?limit=2").body
    make_partner(program, "P0")
    make_partner(program, "P4")
    second = get(client, f"partners?limit=2&cursor={first['next_cursor']}").body
    assert [row["external_id"] for row in second["data"]] == ["P4", "P5"]


def test_a_cursor_belongs_to_its_list_program_and_filters(client: TokenClient, program: Program) -> None:
    for number in range(3):
        make_partner(program, f"P{number}")
    other = make_client(make_program("other"), "catalog:read")
    cursor = get(client, "partners?limit=1&state=active").body["next_cursor"]
    assert get(client, f"partners?limit=2&state=active&cursor={cursor}").status_code == 200
    for asker, path in (
        (client, f"partners?limit=1&cursor={cursor}"),
        (client, f"partners?limit=1&state=paused&cursor={cursor}"),
        (client, f"offers?limit=1&state=active&cursor={cursor}"),
        (other, f"partners?limit=1&state=active&cursor={cursor}"),
        (client, f"partners?limit=1&state=active&cursor={cursor[:-2]}xx"),
        (client, "partners?cursor=nonsense"),
    ):
        answer = get(asker, path)
        assert answer.status_code == 400, path
        assert {row["parameter"] for row in answer.body["errors"]} <= {"cursor", "state"}


@pytest.mark.parametrize("limit", ["0", "501", "ten", "-1", "1e2"])
def test_limits(client: TokenClient, limit: str) -> None:
    answer = get(client, f"partners?limit={limit}")
    assert (answer.status_code, answer.body["errors"][0]["parameter"]) == (400, "limit")


def test_filters(client: TokenClient, program: Program) -> None:
    make_partner(program, "P1", country="DE", category="food", name="Good Bread")
    make_partner(program, "P2", country="FR", category="travel", name="Bon Voyage")
    reach_partner_state(program, PartnerState.PAUSED, "P3")
    found = {
        query: [row["external_id"] for row in get(client, f"partners?{query}").body["data"]]
        for query in ("state=paused", "country=fr", "category=food&state=active", "search=bread", "search=P2")
    }
    assert found == {
        "state=paused": ["P3"],
        "country=fr": ["P2"],
        "category=food&state=active": ["P1"],
        "search=bread": ["P1"],
        "search=P2": ["P2"],
    }


@pytest.mark.parametrize(
    ("query", "name"), [("state=gone", "state"), ("owner=ada", "owner"), ("colour=red", "colour"), ("search=%00", "search")]
)
def test_wrong_filters_are_named(client: TokenClient, query: str, name: str) -> None:
    answer = get(client, f"partners?{query}")
    assert (answer.status_code, answer.body["code"], answer.body["errors"][0]["parameter"]) == (400, "invalid_parameter", name)
