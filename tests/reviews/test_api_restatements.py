"""The API of restatements: a closed month is asked for anew, once; a person answers elsewhere."""

import json

import pytest

from reviews.choices import CycleState
from reviews.models import Restatement
from tests.factories.reviews import GOOD, make_reviewable_program, record_month, reviewed
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
ASK = {"reason": "A file of the shop came after the closing."}


@pytest.fixture
def client() -> TokenClient:
    program = make_reviewable_program("P1")
    record_month(program, "2026-06", {"P1": GOOD})
    reviewed(program, state=CycleState.CLOSED)
    return make_client(program, "reviews:read", "reviews:write")


def ask(client: TokenClient, **headers: str) -> int:
    path = "/api/v1/reviews/2026-06/restatements"
    return client.post(path, data=json.dumps(ASK), content_type="application/json", headers=headers).status_code


def test_it_is_asked_for_once_and_listed(client: TokenClient) -> None:
    assert ask(client) == 201
    assert ask(client) == 409
    [listed] = json.loads(client.get("/api/v1/restatements").content)["data"]
    assert listed["reason"] == ASK["reason"]


@pytest.mark.parametrize("mark", ["", "*", '"abc"'])
def test_a_precondition_on_what_is_not_there_yet_is_no_fault_of_plums(client: TokenClient, mark: str) -> None:
    assert ask(client, **{"If-Match": mark}) in (201, 412)
    assert Restatement.objects.count() <= 1
