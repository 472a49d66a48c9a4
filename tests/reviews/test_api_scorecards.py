"""What the API says of scorecards over all months, and the coverage certificate."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from partners.models import Program
from reviews.choices import CycleState, DecisionKind
from reviews.models import Decision, Scorecard
from reviews.selectors import describe_scorecard
from reviews.services import decide
from reviews.workflow import DECISIONS
from tests.factories.people import make_person
from tests.factories.reviews import GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
BAD = {**GOOD, "unlocks": 20, "reversals": 15}


@pytest.fixture
def program() -> Program:
    """Two reviewed months of three partners; P3 did nothing in June."""
    program = make_reviewable_program("P1", "P2", "P3")
    record_month(program, "2026-05", {"P1": GOOD, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-06", {"P1": GOOD, "P2": BAD})
    reviewed(program, MAY, CycleState.CLOSED)
    reviewed(program, JUNE)
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "reviews:read")


def get(client: TokenClient, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def keys(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["month"], row["partner"]) for row in rows]


def test_every_month_newest_first(client: TokenClient, program: Program) -> None:
    rows = get(client, "scorecards")["data"]

    assert keys(rows) == [(month, partner) for month in ("2026-06", "2026-05") for partner in ("P1", "P2", "P3")]
    card = Scorecard.objects.get(cycle__month_start_date=JUNE, partner__external_id="P2")
    described = json.loads(json.dumps(describe_scorecard(card, card.cycle.config)))
    assert {name: rows[1][name] for name in ("standing", "score", "rank", "flags", "diagnosis", "decision")} == {
        name: described[name] for name in ("standing", "score", "rank", "flags", "diagnosis", "decision")
    }
    assert "metrics" not in rows[1]


def test_filters(client: TokenClient) -> None:
    assert keys(get(client, "scorecards?month=2026-05&partner=P2")["data"]) == [("2026-05", "P2")]
    assert keys(get(client, "scorecards?standing=no_activity")["data"]) == [("2026-06", "P3")]
    assert keys(get(client, "scorecards?month=2026-06&flagged=true")["data"]) == [
        (row["month"], row["partner"]) for row in get(client, "scorecards?month=2026-06")["data"] if row["flags"]
    ]
    assert keys(get(client, "scorecards?category=nothing")["data"]) == []
    assert get(client, "scorecards?standing=superb", 400)["code"] == "invalid_parameter"
    assert get(client, "scorecards?month=June", 422)["code"] == "invalid_month"


def test_pages(client: TokenClient) -> None:
    seen, cursor = [], ""
    for _page in range(6):
        body = get(client, f"scorecards?limit=1&cursor={cursor}")
        seen += keys(body["data"])
        cursor = body["next_cursor"] or ""
        if not body["has_more"]:
            break
    assert seen == keys(get(client, "scorecards")["data"])


def test_a_list_costs_the_same_with_more_rows(client: TokenClient) -> None:
    count_statements(client, 2)
    assert count_statements(client, 6) == count_statements(client, 2)


def count_statements(client: TokenClient, limit: int) -> int:
    """How many statements a page of so many rows takes."""
    with CaptureQueriesContext(connection) as captured:
        get(client, f"scorecards?limit={limit}")
    return len(captured)


def test_what_may_be_done_follows_the_tables() -> None:
    """No scope decides, so that a token is offered nothing; the table is what the console's buttons obey."""
    assert list(DECISIONS) == list(DecisionKind.values)
    assert DECISIONS["exempt"].needs_comment
    assert all(one.sources == {CycleState.READY} for one in DECISIONS.values())


def test_allowed_actions_stand_everywhere(client: TokenClient) -> None:
    assert get(client, "reviews")["data"][0]["allowed_actions"] == []
    assert get(client, "reviews/2026-06")["allowed_actions"] == []
    assert get(client, "reviews/2026-06/scorecards/P1")["allowed_actions"] == []
    assert get(client, "scorecards")["data"][0]["allowed_actions"] == []
    assert get(client, "coverage")["allowed_actions"] == []


def test_the_certificate_of_a_month(client: TokenClient, program: Program) -> None:
    body = get(client, "coverage?month=2026-05")

    assert (body["month"], body["state"], body["complete"], body["required"], body["gaps"]) == ("2026-05", "closed", True, 3, [])
    assert body["partners"][0]["reasons"] == ["live", "events"]
    assert {row["decision"]["kind"] for row in body["partners"]} <= set(DecisionKind.values)
    newest = get(client, "coverage")
    assert (newest["month"], newest["partners"][2]["partner"], newest["partners"][2]["reasons"]) == ("2026-06", "P3", ["live"])


def test_a_missing_scorecard_is_a_gap(client: TokenClient, program: Program) -> None:
    card = Scorecard.objects.get(cycle__month_start_date=JUNE, partner__external_id="P1")
    Decision.objects.filter(scorecard=card).delete()
    card.flags.all().delete()
    card.delete()

    body = get(client, "coverage?month=2026-06")

    assert not body["complete"]
    assert body["gaps"] == ["2026-06: partner P1 had a live offer and had events, and has no scorecard"]
    [row] = [row for row in body["partners"] if row["gap"]]
    assert (row["partner"], row["standing"], row["decision"]) == ("P1", None, None)


def test_a_month_without_a_review_is_unknown(client: TokenClient) -> None:
    assert get(client, "coverage?month=2026-01", 404)["code"] == "not_found"
    assert get(client, "coverage?month=2026-1", 422)["code"] == "invalid_month"
    empty = make_client(make_reviewable_program("P1", code="empty"), "reviews:read")
    assert get(empty, "coverage", 404)["code"] == "not_found"
    assert get(empty, "scorecards")["data"] == []


def test_a_decision_shows(client: TokenClient, program: Program) -> None:
    card = Scorecard.objects.get(cycle__month_start_date=JUNE, partner__external_id="P2")
    decide(scorecard_id=card.pk, kind="monitor", actor=make_person("ann"), at=IN_JULY)

    [row] = get(client, "scorecards?month=2026-06&partner=P2")["data"]

    assert row["decision"] == {"kind": "monitor", "by_rule": False}
