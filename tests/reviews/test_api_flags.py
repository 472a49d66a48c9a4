"""The API of flags: read with evidence, history and what may be done; steps taken with a reason."""

import json
from typing import Any

import pytest

from partners.models import Program
from reviews.services import change_flag_state
from tests.factories.flags import FELL, make_watched_program, the_case
from tests.factories.reviews import GOOD, IN_JULY, record_month, reviewed
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    """P1 and P2 are flagged in June."""
    made = make_watched_program("P1", "P2", "P3")
    record_month(made, "2026-06", {"P1": FELL, "P2": FELL, "P3": GOOD})
    reviewed(made)
    return made


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "reviews:read", "reviews:write")


def get(client: TokenClient, path: str) -> Any:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def post(client: TokenClient, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", data=json.dumps(body), content_type="application/json")


def ids(client: TokenClient, query: str = "") -> list[str]:
    return sorted(row["partner"] for row in get(client, f"flags{query}")["data"])


def test_the_list_says_what_was_seen_and_what_may_be_done(client: TokenClient, program: Program) -> None:
    newest, other = get(client, "flags")["data"]
    case = the_case(program, newest["partner"])
    assert newest["id"] == case.pk > other["id"]
    assert (newest["state"], newest["month"], newest["first_month"], newest["owner"]) == ("open", "2026-06", "2026-06", "otis")
    assert newest["sentence"].startswith("Too few activate: activation rate 8.9")
    assert [one["name"] for one in newest["allowed_actions"]] == ["acknowledge", "resolve", "dismiss"]


def test_a_token_that_only_reads_is_offered_nothing(program: Program) -> None:
    reader = make_client(program, "reviews:read")
    assert get(reader, "flags")["data"][0]["allowed_actions"] == []
    answer = post(reader, f"flags/{the_case(program).pk}/transitions", name="acknowledge")
    assert answer.status_code == 403
    assert the_case(program).state == "open"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["P1", "P2"]),
        ("?state=acknowledged", ["P1"]),
        ("?state=open", ["P2"]),
        ("?state=resolved", []),
        ("?active=true", ["P1", "P2"]),
        ("?active=false", []),
        ("?partner=P2", ["P2"]),
        ("?rule=activation_floor", ["P1", "P2"]),
        ("?rule=other", []),
        ("?month=2026-06", ["P1", "P2"]),
        ("?month=2026-05", []),
        ("?owner=otis", ["P1", "P2"]),
        ("?severity=critical", []),
    ],
)
def test_filters(client: TokenClient, program: Program, query: str, found: list[str]) -> None:
    change_flag_state(case_id=the_case(program).pk, name="acknowledge", actor="system", at=IN_JULY)

    assert ids(client, query) == found


@pytest.mark.parametrize("query", ["?month=June", "?month=2026-13", "?month=0000-01", "?state=gone", "?colour=red"])
def test_a_filter_that_is_none_is_refused(client: TokenClient, query: str) -> None:
    assert client.get(f"/api/v1/flags{query}").status_code == 400


def test_pages(client: TokenClient) -> None:
    first = get(client, "flags?limit=1")
    second = get(client, f"flags?limit=1&cursor={first['next_cursor']}")
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert {row["partner"] for page in (first, second) for row in page["data"]} == {"P1", "P2"}


def test_one_flag_with_evidence_history_and_months(client: TokenClient, program: Program) -> None:
    body = get(client, f"flags/{the_case(program).pk}")
    assert (body["evidence"]["numerator"], body["evidence"]["denominator"]) == (8, 90)
    assert [(step["name"], step["to_state"], step["actor"]) for step in body["history"]] == [("open", "open", "system")]
    assert [(one["month"], one["revision"]) for one in body["months"]] == [("2026-06", 1)]


@pytest.mark.parametrize("number", [999_999, 10**30])
def test_a_flag_that_is_not_there(client: TokenClient, number: int) -> None:
    assert client.get(f"/api/v1/flags/{number}").status_code == 404
    assert post(client, f"flags/{number}/transitions", name="acknowledge").status_code == 404


def test_a_step_is_taken_and_logged_with_the_token(client: TokenClient, program: Program) -> None:
    case = the_case(program)
    answer = post(client, f"flags/{case.pk}/transitions", name="dismiss", comment="A test partner.")
    body = json.loads(answer.content)
    assert (answer.status_code, body["state"], body["reason"]) == (200, "dismissed", "A test partner.")
    assert body["history"][-1]["actor"].startswith("token:")
    assert [one["name"] for one in body["allowed_actions"]] == ["reopen"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "dismiss"}, 422, "comment_required"),
        ({"name": "reopen", "comment": "why"}, 409, "transition_refused"),
        ({"name": "resolve_by_data", "comment": "why"}, 409, "transition_refused"),
        ({}, 422, "invalid"),
    ],
)
def test_a_step_that_is_refused_changes_nothing(
    client: TokenClient, program: Program, body: dict[str, str], status: int, code: str
) -> None:
    answer = post(client, f"flags/{the_case(program).pk}/transitions", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert the_case(program).state == "open"


def test_a_flag_of_another_program_is_not_there(client: TokenClient) -> None:
    other = make_watched_program("P1", code="other")
    record_month(other, "2026-06", {"P1": FELL})
    reviewed(other)
    pk = the_case(other).pk
    assert client.get(f"/api/v1/flags/{pk}").status_code == 404
    assert post(client, f"flags/{pk}/transitions", name="acknowledge").status_code == 404
    assert the_case(other).state == "open"
