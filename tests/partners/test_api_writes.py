"""Writing partners by API: the rules of the console, the same errors, and nothing lost between two writers."""

import json
import threading
from typing import Any

import pytest
from django.db import connection

from partners.choices import PartnerState
from partners.models import Partner, PartnerTransition, Program
from plum_site.lib.models import AuditEvent
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client, make_token

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
NORTHWIND = {"external_id": "P-7", "name": "Northwind", "category": "food", "country": "DE"}


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:write")


def send(client: TokenClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """The answer to one request with a JSON body, its JSON as `body`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    text = "" if body is None else json.dumps(body)
    answer: Any = client.generic(method, f"/api/v1/{path}", text, content_type="application/json", headers=names)
    answer.body = json.loads(answer.content or b"null")
    return answer


def faults(answer: Any) -> dict[str, str]:
    """Pointer to code or detail of every fault."""
    return {row["pointer"]: row.get("code", row["detail"]) for row in answer.body["errors"]}


class TestCreating:
    def test_a_new_partner_is_a_prospect(self, client: TokenClient, program: Program) -> None:
        answer = send(client, "POST", "partners", NORTHWIND)
        assert (answer.status_code, answer["Location"]) == (201, "/api/v1/partners/P-7")
        assert {name: answer.body[name] for name in NORTHWIND} == NORTHWIND
        assert answer.body["state"] == "prospect"
        assert answer["ETag"] == send(client, "GET", "partners/P-7")["ETag"]

    def test_the_audit_names_the_token(self, program: Program) -> None:
        token, secret = make_token(program, "catalog:write")
        send(TokenClient(secret), "POST", "partners", NORTHWIND)
        assert {row.actor for row in AuditEvent.objects.filter(action="partners.save_partners")} == {f"token:{token.pk}"}
        assert PartnerTransition.objects.get().actor == f"token:{token.pk}"

    def test_one_that_exists_is_left_alone(self, client: TokenClient, program: Program) -> None:
        make_partner(program, "P-7", name="First")
        answer = send(client, "POST", "partners", NORTHWIND)
        assert (answer.status_code, answer.body["code"]) == (409, "already_exists")
        assert "PUT or PATCH" in answer.body["detail"]
        assert Partner.objects.get().name == "First"

    @pytest.mark.parametrize(
        ("change", "pointer", "code"),
        [
            ({"name": ""}, "/name", "blank"),
            ({"name": None}, "/name", "null"),
            ({"name": "x" * 301}, "/name", "max_length"),
            ({"external_id": " "}, "/external_id", "blank"),
            ({"name": "a\x00b"}, "/name", "null_characters_not_allowed"),
            ({"country": "DEU"}, "/country", "max_length"),
            ({"name": ["x"]}, "/name", "invalid"),
            ({"state": "active"}, "/state", "unknown_field"),
            ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, client: TokenClient, program: Program, change: dict[str, Any], pointer: str, code: str
    ) -> None:
        answer = send(client, "POST", "partners", NORTHWIND | change)
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/problem+json"
        assert faults(answer)[pointer] == code
        assert "Nothing was changed" in answer.body["detail"]
        assert not Partner.objects.exists()

    def test_rules_of_the_service_are_named_alike(self, client: TokenClient) -> None:
        answer = send(client, "POST", "partners", NORTHWIND | {"country": "de"})
        assert (answer.status_code, answer.body["code"]) == (422, "invalid_country")
        assert list(faults(answer)) == ["/country"]
        assert "Nothing was changed" in answer.body["detail"]

    @pytest.mark.parametrize(
        ("content_type", "text", "status"),
        [
            ("text/plain", "{}", 415),
            ("application/json; charset=latin-1", "{}", 415),
            ("application/json", " ", 400),
            ("application/json", "{", 400),
            ("application/json", '{"name": "\\ud800"}', 400),
            ("application/json", "[" * 100_000, 400),
            ("application/json", '{"a":"\xff"}', 422),
            ("application/json", "[]", 422),
            ("application/json", "1", 422),
            ("application/json", f'{{"name": "{"x" * 1_048_576}"}}', 413),
        ],
    )
    def test_a_body_that_is_none(self, client: TokenClient, content_type: str, text: str, status: int) -> None:
        answer = client.generic("POST", "/api/v1/partners", text, content_type=content_type)
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"] == "application/problem+json"

    def test_a_query_is_not_read(self, client: TokenClient) -> None:
        answer = send(client, "POST", "partners?limit=1", NORTHWIND)
        assert (answer.status_code, answer.body["errors"][0]["parameter"]) == (400, "limit")


class TestChanging:
    def test_put_creates_and_replaces(self, client: TokenClient) -> None:
        created = send(client, "PUT", "partners/P-7", {"name": "Northwind", "category": "food"})
        assert (created.status_code, created["Location"]) == (201, "/api/v1/partners/P-7")
        replaced = send(client, "PUT", "partners/P-7", {"name": "North Wind"})
        assert (replaced.status_code, replaced.body["name"], replaced.body["category"]) == (200, "North Wind", "")

    def test_putting_the_same_again_changes_nothing(self, client: TokenClient) -> None:
        first = send(client, "PUT", "partners/P-7", {"name": "Northwind"})
        entries = AuditEvent.objects.count()
        again = send(client, "PUT", "partners/P-7", {"name": "Northwind"})
        assert (again.status_code, again["ETag"]) == (200, first["ETag"])
        assert AuditEvent.objects.count() == entries

    def test_patch_changes_what_is_named(self, client: TokenClient, program: Program) -> None:
        make_partner(program, "P-7", name="Northwind", category="food", country="DE")
        answer = send(client, "PATCH", "partners/P-7", {"country": "AT"})
        assert (answer.status_code, answer.body["name"], answer.body["category"], answer.body["country"]) == (
            200,
            "Northwind",
            "food",
            "AT",
        )
        entry = AuditEvent.objects.filter(action="partners.save_partner").get()
        assert (entry.before, entry.after) == ({"country": "DE"}, {"country": "AT"})

    def test_patching_one_that_is_not_there(self, client: TokenClient) -> None:
        assert send(client, "PATCH", "partners/P-404", {"name": "x"}).status_code == 404

    def test_the_id_stays(self, client: TokenClient, program: Program) -> None:
        make_partner(program, "P-7")
        answer = send(client, "PATCH", "partners/P-7", {"external_id": "P-8"})
        assert (answer.status_code, faults(answer)) == (422, {"/external_id": "unknown_field"})


class TestPreconditions:
    def test_what_has_changed_since_is_not_overwritten(self, client: TokenClient) -> None:
        seen = send(client, "PUT", "partners/P-7", {"name": "Northwind"})["ETag"]
        assert send(client, "PATCH", "partners/P-7", {"name": "Second"}, If_Match=seen).status_code == 200
        answer = send(client, "PATCH", "partners/P-7", {"name": "Third"}, If_Match=seen)
        assert (answer.status_code, answer.body["code"]) == (412, "precondition_failed")
        assert Partner.objects.get().name == "Second"
        assert send(client, "PATCH", "partners/P-7", {"name": "Third"}, If_Match=f'"x", W/{answer["ETag"]}').status_code == 200

    def test_a_step_of_the_lifecycle_is_a_change_too(self, client: TokenClient, program: Program) -> None:
        seen = send(client, "PUT", "partners/P-7", {"name": "Northwind"})["ETag"]
        send(client, "POST", "partners/P-7/transitions", {"name": "onboard"})
        assert send(client, "PATCH", "partners/P-7", {"name": "Third"}, If_Match=seen).status_code == 412

    def test_any_and_none(self, client: TokenClient) -> None:
        assert send(client, "PUT", "partners/P-7", {"name": "x"}, If_Match="*").status_code == 412
        assert send(client, "PUT", "partners/P-7", {"name": "x"}, If_None_Match="*").status_code == 201
        assert send(client, "PUT", "partners/P-7", {"name": "y"}, If_None_Match="*").status_code == 412
        assert send(client, "PUT", "partners/P-7", {"name": "y"}, If_Match="*").status_code == 200


class TestTransitions:
    def test_allowed_actions_are_those_of_the_table_that_this_token_may(self, program: Program) -> None:
        reach_partner_state(program, PartnerState.ONBOARDING)

        def actions(*scopes: str) -> list[str]:
            body = send(make_client(program, "catalog:read", *scopes), "GET", "partners/P1").body
            return [action["name"] for action in body["allowed_actions"]]

        assert actions() == []
        assert actions("catalog:write") == ["reject"]
        assert actions("catalog:publish") == ["activate"]
        assert actions("catalog:write", "catalog:publish") == ["reject", "activate"]

    def test_a_step_is_taken_and_logged(self, client: TokenClient, program: Program) -> None:
        reach_partner_state(program, PartnerState.ON_NOTICE)
        answer = send(client, "POST", "partners/P1/transitions", {"name": "restore", "comment": "Late."})
        assert (answer.status_code, answer.body["state"]) == (200, "active")
        assert (PartnerTransition.objects.latest("id").comment, Partner.objects.get().state) == ("Late.", "active")

    def test_the_ladder_is_nobodys_to_climb(self, client: TokenClient, program: Program) -> None:
        reach_partner_state(program, PartnerState.ON_NOTICE)
        for name in ("start_improvement_plan", "start_replacement"):
            answer = send(client, "POST", "partners/P1/transitions", {"name": name, "comment": "Late."})
            assert (answer.status_code, answer.body["code"]) == (409, "transition_refused")
            assert "nobody's to take by hand" in answer.body["detail"]
            assert "Possible now: restore" in answer.body["detail"]
        offered = [step["name"] for step in send(client, "GET", "partners/P1").body["allowed_actions"]]
        assert (offered, Partner.objects.get().state) == (["restore"], "on_notice")

    def test_what_takes_offers_away_needs_the_right_to_publish(self, client: TokenClient, program: Program) -> None:
        reach_partner_state(program, PartnerState.ACTIVE)
        answer = send(client, "POST", "partners/P1/transitions", {"name": "pause", "comment": "x"})
        assert answer.status_code == 403
        assert "catalog:publish" in answer.body["detail"]
        assert Partner.objects.get().state == "active"
        publisher = make_client(program, "catalog:publish")
        assert send(publisher, "POST", "partners/P1/transitions", {"name": "pause", "comment": "x"}).status_code == 200

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"name": "onboard"}, 409, "transition_refused"),
            ({"name": "fly"}, 409, "transition_refused"),
            ({"name": "restore"}, 422, "comment_required"),
            ({}, 422, "invalid"),
        ],
    )
    def test_refusals(self, client: TokenClient, program: Program, body: Any, status: int, code: str) -> None:
        reach_partner_state(program, PartnerState.ON_NOTICE)
        answer = send(client, "POST", "partners/P1/transitions", body)
        assert (answer.status_code, answer.body["code"]) == (status, code)


class TestSandbox:
    def test_everything_is_answered_and_nothing_stays(self, program: Program) -> None:
        make_partner(program, "P1", name="Real")
        client = make_client(program, "catalog:read", "catalog:write", is_sandbox=True)
        created = send(client, "POST", "partners", NORTHWIND, Idempotency_Key="k1")
        assert (created.status_code, created["Plum-Sandbox"], created.body["state"]) == (201, "true", "prospect")
        assert send(client, "PATCH", "partners/P1", {"name": "Changed"}).body["name"] == "Changed"
        assert send(client, "POST", "partners", NORTHWIND | {"country": "?"}).status_code == 422
        assert list(Partner.objects.values_list("external_id", "name")) == [("P1", "Real")]
        assert not AuditEvent.objects.filter(actor__startswith="token:").exists()
        assert send(client, "GET", "partners/P1").body["name"] == "Real"

    def test_others_are_not_told(self, client: TokenClient) -> None:
        assert "Plum-Sandbox" not in send(client, "POST", "partners", NORTHWIND)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_of_two_writers_who_saw_the_same_one_is_told(program: Program) -> None:
    """Both change what they read at the same moment: one wins, the other reads 412, and nothing is lost unnoticed."""
    make_partner(program, "P-7", name="Northwind")
    secret = make_token(program, "catalog:read", "catalog:write")[1]
    seen = send(TokenClient(secret), "GET", "partners/P-7")["ETag"]
    start, answers = threading.Barrier(2), {}

    def change(name: str) -> None:
        start.wait()
        try:
            answers[name] = send(TokenClient(secret), "PUT", "partners/P-7", {"name": name}, If_Match=seen).status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(name,)) for name in ("Ann", "Bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 412]
    winner = next(name for name, status in answers.items() if status == 200)
    assert Partner.objects.get().name == winner
    assert AuditEvent.objects.filter(action="partners.save_partner").count() == 1
