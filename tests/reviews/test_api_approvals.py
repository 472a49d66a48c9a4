"""Where two people are required, one is not enough through the API either; approvals and the playbook are versions."""

from collections.abc import Callable
from typing import Any

import pytest

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.models import ApiToken, Job, RoleGrant, User
from plum_site.lib.people import grant_role, update_person
from reviews.choices import ActionKind, Approval
from reviews.models import ApprovalPolicy, CorrectiveAction, Playbook
from reviews.rules.actions import ApprovalSpec, PlacingSpec, default_approvals
from reviews.services.actions import edit_action, save_approvals
from tests.factories.action_clients import client_of, get, proposed, send, step
from tests.factories.actions import AT, lower_approvals, make_correctable_program, propose
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

TWO = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))
CHANGED = {"params": {"offers": ["O2"]}}
CONFIRM = {"name": "confirm"}


@pytest.fixture
def program() -> Program:
    """One in which everything needs two people."""
    made = make_correctable_program()
    save_approvals(program_id=made.pk, spec=TWO, actor="system", at=AT)
    return made


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def ben(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben")


@pytest.fixture
def client(program: Program, anna: User) -> TokenClient:
    return client_of(program, anna)


def in_bulk(client: TokenClient, pk: int, revision: int = 1) -> Any:
    answer = send(client, "POST", "actions/approve", {"actions": [{"id": pk, "revision": revision}]})
    [result] = answer.json()["results"]
    assert not result["is_approved"]
    return result["code"]


def alone(client: TokenClient, pk: int) -> Any:
    return step(client, pk, "approve").json()["code"]  # type: ignore[attr-defined]


def same_token(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, anna)
    mine = proposed(client)
    return [alone(client, mine), in_bulk(client, mine)]


def second_token(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    other = client_of(program, anna, "actions:approve", "reviews:read")
    return [alone(other, pk), in_bulk(other, pk)]


def token_of_her_token(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    maker = client_of(program, anna, "tokens:manage", "actions:approve", "reviews:read")
    body = {"name": "another", "scopes": ["actions:approve", "reviews:read"]}
    secret = send(maker, "POST", "tokens", body).json()["token"]
    return [alone(TokenClient(secret), pk)]


def renamed_account(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    update_person(user_id=anna.pk, changes={"first_name": "Somebody", "last_name": "Else"}, actor="system", at=AT)
    return [alone(client_of(program, anna), pk)]


def operator(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    User.objects.filter(pk=anna.pk).update(is_superuser=True)
    return [alone(client_of(program, User.objects.get(pk=anna.pk)), pk)]


def whoever_edited(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, ben)
    send(client, "PATCH", f"actions/{pk}", CHANGED)
    return [alone(client, pk), in_bulk(client, pk, 2)]


def whoever_edited_before_the_last(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, ben)
    send(client, "PATCH", f"actions/{pk}", CHANGED)
    edit_action(action_id=pk, actor=anna, at=AT, params={"offers": ["O3"]})
    return [alone(client, pk), in_bulk(client, pk, 3)]


def edited_after_it_was_seen(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, ben)
    etag = client.get(f"/api/v1/actions/{pk}")["ETag"]
    edit_action(action_id=pk, actor=anna, at=AT, params={"offers": ["O3"]})
    late: Any = step(client, pk, "approve", etag=etag)
    return [late.json()["code"], in_bulk(client, pk, 1)]


def role_lost(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, ben)
    RoleGrant.objects.filter(user=ben).update(role=Role.PARTNER_OPS)
    return [alone(client, pk), in_bulk(client, pk)]


def nobody_behind_the_token(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = make_client(program)
    return [alone(client, pk), in_bulk(client, pk)]


def only_proposing(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, ben, "actions:propose", "reviews:read")
    bulk = send(client, "POST", "actions/approve", {"actions": [{"id": pk, "revision": 1}]})
    return [alone(client, pk), bulk.json()["code"]]


def foreign_program(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    other = make_program("other")
    grant_role(program_id=other.pk, user_id=ben.pk, role=Role.PROGRAM_ADMIN, actor="system", at=AT)
    client = client_of(other, ben)
    return [alone(client, pk), in_bulk(client, pk)]


def lowered_first(program: Program, anna: User, ben: User, pk: int) -> list[str]:
    client = client_of(program, anna, "rules:write", "actions:approve", "actions:propose", "reviews:read")
    asked = send(client, "PUT", "approvals", as_body(default_approvals()))
    assert asked.status_code == 202
    request = asked.json()["request"]
    assert [one["name"] for one in request["allowed_actions"]] == ["withdraw"]
    own = send(client_of(program, anna, "rules:write"), "POST", f"approvals/requests/{request['id']}/transitions", CONFIRM)
    mine = proposed(client)
    return [own.json()["code"], alone(client, pk), alone(client, mine), in_bulk(client, mine)]


WAYS: dict[Callable[[Program, User, User, int], list[str]], set[str]] = {
    same_token: {"same_person"},
    second_token: {"same_person"},
    token_of_her_token: {"same_person"},
    renamed_account: {"same_person"},
    operator: {"same_person"},
    whoever_edited: {"same_person"},
    whoever_edited_before_the_last: {"same_person"},
    edited_after_it_was_seen: {"precondition_failed", "changed_since"},
    role_lost: {"not_allowed"},
    nobody_behind_the_token: {"nobody_behind"},
    only_proposing: {"not_allowed"},
    foreign_program: {"not_found"},
    lowered_first: {"same_person"},
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_way_round_the_second_person_is_refused(
    program: Program, anna: User, ben: User, way: Callable[[Program, User, User, int], list[str]]
) -> None:
    pk = propose(program, anna).pk

    assert set(way(program, anna, ben, pk)) == WAYS[way]

    assert set(CorrectiveAction.objects.values_list("state", "approver")) == {("proposed", None)}
    assert not Job.objects.filter(name="reviews.execute_action").exists()


def test_there_are_thirteen_of_them() -> None:
    assert len(WAYS) == 13


def test_a_sandbox_token_of_the_proposer_does_not_even_rehearse_it(program: Program, anna: User) -> None:
    pk = propose(program, anna).pk
    assert alone(client_of(program, anna, is_sandbox=True), pk) == "same_person"


def test_somebody_else_approves_and_is_offered_to(program: Program, anna: User, ben: User, client: TokenClient) -> None:
    pk = proposed(client)
    other = client_of(program, ben)
    assert "approve" not in [one["name"] for one in get(client, f"actions/{pk}")["allowed_actions"]]
    assert "approve" in [one["name"] for one in get(other, f"actions/{pk}")["allowed_actions"]]

    assert step(other, pk, "approve").status_code == 200
    assert get(client, f"actions/{pk}")["approver"] == "ben"


def test_an_edit_voids_an_approval(program: Program, anna: User, ben: User, client: TokenClient) -> None:
    pk = proposed(client)
    step(client_of(program, ben), pk, "approve")

    body = send(client, "PATCH", f"actions/{pk}", CHANGED).json()

    assert (body["state"], body["approver"], body["revision"]) == ("proposed", None, 2)


def test_what_a_rule_proposed_needs_somebody_to_take_it_up(program: Program, anna: User, ben: User) -> None:
    pk = propose(program, "system").pk
    assert alone(client_of(program, ben), pk) == "not_taken_up"
    assert step(client_of(program, anna), pk, "take_up").status_code == 200
    assert step(client_of(program, ben), pk, "approve").status_code == 200


def test_solo_mode_shows_for_ever(program: Program, client: TokenClient) -> None:
    lower_approvals(program, ApprovalSpec(TWO.approvals, solo_mode=True))
    pk = proposed(client)
    assert "approve" in [one["name"] for one in get(client, f"actions/{pk}")["allowed_actions"]]

    body: Any = step(client, pk, "approve")

    assert (body.json()["is_solo"], body.json()["state"]) == (True, "scheduled")
    assert body.json()["scheduled_at"] > body.json()["approved_at"]


def test_a_locked_person_stands_behind_nothing(program: Program, anna: User, ben: User) -> None:
    pk = propose(program, anna).pk
    client = client_of(program, ben)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    assert step(client, pk, "approve").status_code in (401, 403)
    assert ApiToken.objects.get(created_by=ben).created_by == ben


def as_body(spec: ApprovalSpec) -> dict[str, Any]:
    return {"approvals": dict(spec.approvals), "push_limit": spec.push_limit, "solo_mode": spec.solo_mode}


def test_approvals_are_read_and_written_whole(program: Program) -> None:
    client = make_client(program, "reviews:read", "rules:write")
    first = client.get("/api/v1/approvals")
    assert (first.json()["number"], first.json()["approvals"]["pause_offer"]) == (1, "two")

    higher = ApprovalSpec(TWO.approvals, push_limit=10)
    changed = send(client, "PUT", "approvals", as_body(higher), If_Match=first["ETag"])
    again = send(client, "PUT", "approvals", as_body(higher))
    late = send(client, "PUT", "approvals", as_body(TWO), If_Match=first["ETag"])

    assert (changed.status_code, changed.json()["number"], again.json()["number"]) == (200, 2, 2)
    assert late.status_code == 412
    assert ApprovalPolicy.objects.count() == 2


def test_what_was_proposed_never_needs_fewer_people_than_it_did(program: Program, anna: User, client: TokenClient) -> None:
    pk = proposed(client)
    lower_approvals(program, default_approvals())
    assert alone(client, pk) == "same_person"


def test_lower_approvals_are_asked_for_and_confirmed_by_somebody_else(program: Program, anna: User, ben: User) -> None:
    mine, his = (client_of(program, person, "rules:write", "reviews:read") for person in (anna, ben))
    asked = send(mine, "PUT", "approvals", as_body(default_approvals()))

    assert (asked.status_code, asked.json()["number"], asked.json()["approvals"]["pause_offer"]) == (202, 1, "two")
    request = get(his, "approvals")["request"]
    assert (request["asked_by"], request["replaces"], request["answered_by"]) == ("anna", 1, None)
    assert (request["approvals"]["pause_offer"], request["state"]) == ("one", "asked")
    assert [one["name"] for one in request["allowed_actions"]] == ["confirm", "refuse"]
    assert get(make_client(program, "reviews:read", "rules:write"), "approvals")["request"]["allowed_actions"] == []
    again = send(mine, "PUT", "approvals", as_body(default_approvals()))
    assert (again.status_code, again.json()["request"]["id"]) == (202, request["id"])

    address = f"approvals/requests/{request['id']}/transitions"
    assert send(his, "POST", address, {"name": "refuse"}).json()["code"] == "comment_required"
    assert send(his, "POST", address, {"name": "withdraw", "comment": "No."}).json()["code"] == "another_person"
    done = send(his, "POST", address, CONFIRM)

    assert (done.status_code, done.json()["state"], done.json()["answered_by"]) == (200, "in_force", "ben")
    now_ = get(mine, "approvals")
    assert (now_["number"], now_["approvals"]["pause_offer"], now_["request"]) == (2, "one", None)
    assert [row["state"] for row in get(mine, "approvals/requests")["data"]] == ["in_force"]
    late = send(his, "POST", address, {"name": "refuse", "comment": "No."})
    assert (late.status_code, late.json()["code"]) == (409, "transition_refused")


def test_a_token_that_nobody_made_lowers_nothing(program: Program) -> None:
    answer = send(make_client(program, "rules:write"), "PUT", "approvals", as_body(default_approvals()))
    assert (answer.status_code, answer.json()["code"]) == (409, "nobody_behind")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"approvals": {}}, "/approvals/rerank"),
        ({"approvals": {**TWO.approvals, "dance": "one"}}, "/approvals/dance"),
        ({"approvals": {**TWO.approvals, "rerank": "three"}}, "/approvals/rerank"),
        ({"push_limit": -1}, "/push_limit"),
    ],
)
def test_approvals_that_are_wrong_say_where(program: Program, change: dict[str, Any], pointer: str) -> None:
    answer = send(make_client(program, "rules:write"), "PUT", "approvals", as_body(TWO) | change)
    assert answer.status_code == 422, answer.content
    assert pointer in [row["pointer"] for row in answer.json()["errors"]]
    assert ApprovalPolicy.objects.count() == 1


def test_the_playbook_is_read_and_written_whole(program: Program) -> None:
    client = make_client(program, "reviews:read", "rules:write")
    first = client.get("/api/v1/playbook")
    lines = first.json()["lines"]
    assert (first.json()["number"], first.json()["made_at"], len(lines)) == (0, None, 10)

    changed = send(client, "PUT", "playbook", {"lines": lines[:2]}, If_Match=first["ETag"])
    again = send(client, "PUT", "playbook", {"lines": lines[:2]})
    late = send(client, "PUT", "playbook", {"lines": lines}, If_Match=first["ETag"])

    assert (changed.status_code, changed.json()["number"], changed.json()["lines"]) == (200, 1, lines[:2])
    assert (again.json()["number"], late.status_code, Playbook.objects.count()) == (1, 412, 1)


@pytest.mark.parametrize(
    "line", [{"cause": "market_wide", "kind": "rerank"}, {"cause": "awareness", "kind": "rerank", "params": {"how": "sideways"}}]
)
def test_a_playbook_that_is_wrong_names_the_line(program: Program, line: dict[str, Any]) -> None:
    good = {"cause": "relevance", "kind": "refresh_listing"}
    answer = send(make_client(program, "rules:write"), "PUT", "playbook", {"lines": [good, line]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/lines/1")
    assert not Playbook.objects.exists()


def test_lines_for_segments_stay_where_a_playbook_does_not_name_them(program: Program) -> None:
    rules = make_client(program, "rules:write", "reviews:read")
    assert get(rules, "playbook")["placing"] == PlacingSpec().as_json()
    wanted = {"lines": [], "placing": {"share": 50, "lowers": False}}
    assert send(rules, "PUT", "playbook", wanted).json()["placing"] == PlacingSpec(share=50, lowers=False).as_json()
    lines = [{"cause": "", "kind": "contact_partner"}]
    assert send(rules, "PUT", "playbook", {"lines": lines}).json()["placing"]["share"] == 50
    answer = send(rules, "PUT", "playbook", {"lines": [], "placing": {"share": 100}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/placing/share")
