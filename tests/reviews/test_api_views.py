"""What the reviews API gives to read: reviews and scorecards."""

import json
from datetime import date
from typing import Any

import pytest

from partners.models import Program
from reviews.selectors import get_review
from tests.factories.tokens import TokenClient, make_client
from tests.factories.worlds import make_world

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    return make_world("own", "1", date(2026, 6, 1))


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "reviews:read")


def get(client: TokenClient, path: str) -> Any:
    """The answer's JSON."""
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def test_a_review_is_what_the_command_prints(client: TokenClient, program: Program) -> None:
    body = get(client, "reviews/2026-06")
    assert body.pop("allowed_actions") == []  # no scope runs or closes a review
    assert body == json.loads(json.dumps(get_review(program, date(2026, 6, 1))))
    assert [row["partner"] for row in body["partners"]] == ["P1"]


def test_the_list_has_every_month(client: TokenClient) -> None:
    [row] = get(client, "reviews")["data"]
    assert (row["month"], row["revision"]) == ("2026-06", 1)
    assert row["digest"] == get(client, "reviews/2026-06")["digest"]


def test_a_scorecard_in_the_standard_form(client: TokenClient) -> None:
    body = get(client, "reviews/2026-06/scorecards/P1")
    assert (body["month"], body["partner"], body["metrics"]["views"]) == ("2026-06", "P1", 1)
    assert {"previous", "settled", "expected", "peers", "trend", "standing", "flags", "decision", "allowed_actions"} <= set(body)


@pytest.mark.parametrize("month", ["2026-13", "June", "2026-6"])
def test_a_month_that_is_none(client: TokenClient, month: str) -> None:
    answer = client.get(f"/api/v1/reviews/{month}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_month")
