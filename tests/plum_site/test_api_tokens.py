"""API tokens by API: shown once, never stronger than what made them, and gone when revoked."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from partners.models import Program
from plum_site.lib import tokens
from plum_site.lib.models import ApiToken, AuditEvent, KeptAnswer
from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client, make_token
from tests.partners.test_api_writes import faults, send

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
NEW = {"name": "till", "scopes": ["events:write"]}


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    tokens._cache.clear()


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "tokens:manage", "events:write")


def status_of(secret: str) -> int:
    """What a token is worth."""
    return TokenClient(secret).get("/api/v1/me/token").status_code


def test_a_token_is_made_and_works(client: TokenClient) -> None:
    answer = send(client, "POST", "tokens", NEW | {"days": 7})
    assert answer.status_code == 201
    assert (answer.body["name"], answer.body["scopes"], answer.body["sandbox"]) == ("till", ["events:write"], False)
    ends = datetime.fromisoformat(answer.body["expires_at"])
    assert timedelta(days=6) < ends - datetime.now(UTC) <= timedelta(days=7)
    own = TokenClient(answer.body["token"]).get("/api/v1/me/token").json()
    assert (own["name"], own["program"], own["sandbox"]) == ("till", "acme", False)


def test_the_list_shows_no_secret(client: TokenClient, program: Program) -> None:
    secret = send(client, "POST", "tokens", NEW).body["token"]
    make_token(make_program("other"), name="theirs")
    answer = send(client, "GET", "tokens")
    assert [row["name"] for row in answer.body["data"]] == ["till", "test"]
    assert secret.split("_")[2] not in json.dumps(answer.body)


def test_it_is_in_the_audit_with_the_token_that_made_it(program: Program) -> None:
    maker, secret = make_token(program, "tokens:manage")
    send(TokenClient(secret), "POST", "tokens", {"name": "child", "scopes": ["tokens:manage"]})
    child = ApiToken.objects.get(name="child")
    assert AuditEvent.objects.get(object_ref=f"plum.ApiToken:{child.pk}").actor == f"token:{maker.pk}"


def test_whoever_answers_for_a_token_answers_for_its_children(program: Program) -> None:
    ada = make_person("ada")
    _, secret = make_token(program, "tokens:manage", actor=ada)
    child = send(TokenClient(secret), "POST", "tokens", {"name": "child", "scopes": ["tokens:manage"]}).body["token"]
    assert status_of(child) == 200
    ada.is_active = False
    ada.save()
    tokens._cache.clear()
    assert (status_of(secret), status_of(child)) == (401, 401)


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"scopes": ["events:write", "catalog:publish"]}, 403, "/scopes"),
        ({"scopes": []}, 422, "/scopes"),
        ({"scopes": ["fly"]}, 422, "/scopes"),
        ({"name": " "}, 422, "/name"),
        ({"days": 366}, 422, "/days"),
        ({"days": 0}, 422, "/days"),
        ({"is_sandbox": True}, 422, "/is_sandbox"),
    ],
)
def test_refusals(client: TokenClient, change: dict[str, Any], status: int, pointer: str) -> None:
    before = ApiToken.objects.count()
    answer = send(client, "POST", "tokens", NEW | change)
    assert (answer.status_code, list(faults(answer))) == (status, [pointer])
    assert ApiToken.objects.count() == before


def test_a_kept_answer_has_no_secret(client: TokenClient) -> None:
    first = send(client, "POST", "tokens", NEW, Idempotency_Key="k-1")
    again = send(client, "POST", "tokens", NEW, Idempotency_Key="k-1")
    assert again["Idempotent-Replayed"] == "true"
    assert (again.body["prefix"], again.body["token"]) == (first.body["prefix"], None)
    assert first.body["token"].split("_")[2] not in repr(list(KeptAnswer.objects.values()))
    assert ApiToken.objects.filter(name="till").count() == 1


class TestRevoking:
    def test_it_ends_at_once_and_for_ever(self, client: TokenClient, program: Program) -> None:
        token, secret = make_token(program, name="lost")
        assert status_of(secret) == 200
        assert send(client, "DELETE", f"tokens/{token.prefix}").status_code == 204
        assert status_of(secret) == 401
        assert send(client, "DELETE", f"tokens/{token.prefix}").status_code == 204
        [entry] = AuditEvent.objects.filter(action="plum.revoke_token")
        token.refresh_from_db()
        assert (token.revoked_by, f"token:{token.revoked_by_token_id}") == (None, entry.actor)

    def test_a_token_may_end_itself(self, program: Program) -> None:
        token, secret = make_token(program, "tokens:manage")
        assert send(TokenClient(secret), "DELETE", f"tokens/{token.prefix}").status_code == 204
        assert status_of(secret) == 401

    def test_tokens_of_others_are_unknown(self, client: TokenClient) -> None:
        theirs, secret = make_token(make_program("other"))
        assert send(client, "DELETE", f"tokens/{theirs.prefix}").status_code == 404
        assert send(client, "DELETE", "tokens/nothing").status_code == 404
        assert status_of(secret) == 200


class TestSandbox:
    def test_it_makes_and_ends_its_own_kind_alone(self, program: Program) -> None:
        real, _ = make_token(program, name="real")
        client = make_client(program, "tokens:manage", is_sandbox=True)
        refused = send(client, "POST", "tokens", {"name": "x", "scopes": ["tokens:manage"]})
        assert (refused.status_code, refused.body["code"], list(faults(refused))) == (403, "sandbox_only", ["/sandbox"])
        made = send(client, "POST", "tokens", {"name": "x", "scopes": ["tokens:manage"], "sandbox": True})
        assert (made.status_code, made.body["sandbox"], status_of(made.body["token"])) == (201, True, 200)
        assert send(client, "DELETE", f"tokens/{real.prefix}").body["code"] == "sandbox_only"
        assert send(client, "DELETE", f"tokens/{made.body['prefix']}").status_code == 204

    def test_it_says_what_it_is(self, program: Program) -> None:
        answer = send(make_client(program, "events:write", is_sandbox=True), "GET", "me/token")
        assert (answer.body["sandbox"], answer["Plum-Sandbox"]) == (True, "true")
