"""The ladder through the API: its rule as versions, where a partner stands and why, and keeping one from being moved up."""

from datetime import timedelta

import pytest

from partners.models import Program
from plum_site.lib import clock
from plum_site.lib.models import AuditEvent
from reviews.models import LadderHold, LadderVersion
from reviews.rules.ladder import LadderRule, Step, say_ladder
from reviews.selectors.ladder import read_ladder
from tests.factories.action_clients import get, send
from tests.factories.ladder import make_ladder_program, put_on_notice
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    return make_ladder_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "reviews:read", "reviews:write", "rules:write")


def test_the_rule_is_read_and_replaced_whole(client: TokenClient, program: Program) -> None:
    found = get(client, "ladder")
    assert (found["number"], found["notice"]) == (1, {"months": 2, "flag_months": 0, "tried": 0})
    wanted = LadderRule(notice=Step(3, 2, 1), counts_watch=True)
    answer = send(client, "PUT", "ladder", wanted.as_json())
    assert answer.status_code == 200
    assert (answer.json()["number"], answer.json()["said"]) == (2, say_ladder(wanted))
    assert send(client, "PUT", "ladder", wanted.as_json()).json()["number"] == 2
    assert (read_ladder(program.pk).rule, LadderVersion.objects.count()) == (wanted, 2)


def test_what_cannot_be_is_refused_at_its_place(client: TokenClient) -> None:
    answer = send(client, "PUT", "ladder", LadderRule(plan=Step(0)).as_json())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/plan/months")
    answer = send(client, "PUT", "ladder", {"notice": {"months": 1}})
    assert answer.status_code == 422
    assert LadderVersion.objects.count() == 1


def test_a_partners_rung_comes_with_what_brought_it_there(client: TokenClient, program: Program) -> None:
    put_on_notice(program)
    found = get(client, "ladder/partners/P1")
    assert (found["partner"], found["state"], found["months"], found["next"], found["hold"]) == (
        "P1",
        "on_notice",
        [],
        None,
        None,
    )
    [move] = found["moves"]
    assert (move["month"], move["step"], move["outcome"], move["from_state"], move["to_state"]) == (
        "2026-02",
        "put_on_notice",
        "moved",
        "active",
        "on_notice",
    )
    assert [one["standing"] for one in move["evidence"]["months"]] == ["underperforming"] * 2
    assert move["said"].startswith("2 closed reviews in a row")
    assert get(client, "ladder/partners/P2")["moves"] == []


def test_a_partner_is_held_and_let_go(client: TokenClient) -> None:
    until = f"{clock.now() + timedelta(days=20):%Y-%m-%d}"
    answer = send(client, "PUT", "ladder/holds/P1", {"until": until, "reason": "New people."})
    assert answer.status_code == 200
    assert (answer.json()["hold"]["until"], answer.json()["hold"]["reason"]) == (until, "New people.")
    assert get(client, "ladder/partners/P1")["hold"]["until"] == until
    assert AuditEvent.objects.filter(action="reviews.hold_on_ladder", actor__startswith="token:").exists()
    assert send(client, "DELETE", "ladder/holds/P1", None).json()["hold"] is None
    assert send(client, "DELETE", "ladder/holds/P1", None).status_code == 404
    assert LadderHold.objects.get().ended_at is not None


@pytest.mark.parametrize(("until", "reason", "pointer"), [("2020-01-01", "Why.", "/until"), ("2099-01-01", "Why.", "/until")])
def test_a_hold_that_cannot_be_is_refused_at_its_field(client: TokenClient, until: str, reason: str, pointer: str) -> None:
    answer = send(client, "PUT", "ladder/holds/P1", {"until": until, "reason": reason})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not LadderHold.objects.exists()
