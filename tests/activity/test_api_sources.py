"""The API of senders: messages by the door of events, outcomes day by day, and how far a source is complete."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from activity.api.descriptions import message_schema_document
from activity.api.messages import IN_DATA
from activity.models import Event, EventSource, MemberMessage, QuarantinedEvent
from partners.models import Program
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent
from plum_site.lib.periods import local_date
from tests.activity.test_api_events import only_result, send
from tests.factories.events import make_event
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
SOURCE = "/api/v1/sources/urn:acme:shop"


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def make_message(number: int = 1, kind: str = "sent", **changes: Any) -> dict[str, Any]:
    """A CloudEvent of the push "spring" to M1 about O1; names of `changes` that are no attribute go into data."""
    message = make_event(number, id=f"m{number}", type=f"message.{kind}.v1")
    message["data"] = {"member": {"external_id": "M1"}, "offers": ["O1"], "push_ref": "spring"}
    for name, value in changes.items():
        place = message if name in message else message["data"]
        place[name] = value
    return message


def put(client: TokenClient, body: Any, url: str = SOURCE, **headers: str) -> Any:
    answer = client.put(url, json.dumps(body), content_type="application/json", headers=headers)
    answer.body = json.loads(answer.content)
    return answer


def days(query: str = "") -> str:
    today = local_date(now(), "Europe/Berlin")
    return f"/api/v1/outcomes?from={today - timedelta(days=1)}&to={today + timedelta(days=2)}{query}"


class TestMessages:
    def test_they_come_with_events_in_one_request(self, client: TokenClient) -> None:
        answer = send(client, [make_event(1), make_message(1), make_message(2, "bounced", reason_code="full"), make_message(1)])

        assert answer.status_code == 200
        assert (answer.body["accepted"], answer.body["duplicate"]) == (3, 1)
        assert answer.body["results"] == [{"index": 3, "id": "m1", "status": "duplicate"}]
        assert (Event.objects.count(), MemberMessage.objects.count()) == (1, 2)

    @pytest.mark.parametrize(
        ("message", "code", "pointer"),
        [
            (make_message(type="message.read.v1"), "unknown_type", "/type"),
            (make_message(offers=["nowhere"]), "unknown_offer", "/data/offers"),
            (make_message(offers=[]), "required", "/data/offers"),
            (make_message(offers={"O1": 1}), "required", "/data/offers"),
            (make_message(push_ref=""), "required", "/data/push_ref"),
            (make_message(push_ref=7), "invalid", "/data/push_ref"),
            (make_message(reason_code="full"), "invalid", "/data/reason_code"),
            (make_message(subject_line="Hello"), "unknown_field", "/data/subject_line"),
            (make_message(member={"external_id": "M1", "email": "a@example.org"}), "unknown_field", "/data/member/email"),
            (make_message(member="M1"), "required", "/data/member/external_id"),
            (make_message(member={"external_id": 7}), "required", "/data/member/external_id"),
            (make_message(data=None), "required", "/data"),
            ({**make_message(), "data_base64": "eA=="}, "required", "/data"),
            (make_message(time="yesterday"), "invalid", "/time"),
            (make_message(time="2999-01-01T00:00:00Z"), "time_in_future", "/time"),
            (make_message(source="a\nb"), "invalid", "/source"),
        ],
    )
    def test_what_is_wrong_with_one_is_named(self, client: TokenClient, message: Any, code: str, pointer: str) -> None:
        answer = send(client, [message, make_event(99)])

        assert (answer.status_code, answer.body["accepted"], answer.body["rejected"]) == (207, 1, 1)
        result = only_result(answer)
        assert (result["index"], result["code"], result["pointer"]) == (0, code, pointer)
        assert not MemberMessage.objects.exists()

    def test_strict_handling_names_what_cannot_be_taken(self, client: TokenClient) -> None:
        answer = send(client, [make_event(1), make_message(1, offers=["nowhere"])], Prefer="handling=strict")

        assert answer.status_code == 422
        assert answer.body["errors"][0]["pointer"] == "/1/data/offers"
        assert not Event.objects.exists()

    def test_the_schema_has_the_fields_that_are_read_and_takes_what_is_taken(self, checkout: Path) -> None:
        schema = json.loads((checkout / "docs/message.schema.json").read_text(encoding="utf-8"))
        check = jsonschema.Draft202012Validator(schema)

        assert set(message_schema_document()["properties"]["data"]["properties"]) == set(IN_DATA)
        assert check.is_valid(make_message(kind="bounced", reason_code="full"))
        for wrong in (make_message(offers=[]), make_message(type="offer.viewed.v1"), make_message(email="a@example.org")):
            assert not check.is_valid(wrong)


class TestQuarantine:
    @pytest.fixture
    def program(self) -> Program:
        return make_stocked_program(creates_unknown_members=False)

    def test_the_answer_says_until_when_it_is_kept(self, client: TokenClient) -> None:
        result = only_result(send(client, [make_event(1, member={"external_id": "M9"})]))

        assert (result["status"], result["code"], result["pointer"]) == (
            "rejected",
            "unknown_member",
            "/data/member/external_id",
        )
        until = now() + timedelta(days=30)
        assert f"is kept in quarantine until {until:%Y-%m-%d}" in result["detail"]
        assert QuarantinedEvent.objects.get().token_id is not None

    def test_a_sandbox_token_s_are_not_kept(self, program: Program) -> None:
        sandbox = make_client(program, "events:write", is_sandbox=True)

        result = only_result(send(sandbox, [make_event(1, member={"external_id": "M9"})]))

        assert (result["code"], "quarantine" in result["detail"]) == ("unknown_member", False)
        assert not QuarantinedEvent.objects.exists()


class TestOutcomes:
    def test_a_token_sees_the_sums_of_its_own(self, client: TokenClient, program: Program) -> None:
        send(make_client(program, "events:write"), [make_event(50)])
        send(client, [make_event(1), make_event(1), make_event(2, offer="nowhere")])
        send(client, [make_event(3), make_message(1), make_event(1, medium="other")])

        [row] = client.get(days()).json()["data"]

        assert row == {
            "day": str(local_date(now(), "Europe/Berlin")),
            "source": "urn:acme:shop",
            "received": 6,
            "accepted": 3,
            "duplicate": 1,
            "conflict": 1,
            "rejected": 1,
            "warnings": 0,
        }
        assert client.get(days("&source=urn:acme:till")).json()["data"] == []

    @pytest.mark.parametrize("query", ["", "?from=2026-01-01", "?from=2026-01-01&to=2027-06-01", "?from=x&to=2026-01-01"])
    def test_wrong_questions(self, client: TokenClient, query: str) -> None:
        answer = client.get(f"/api/v1/outcomes{query}")

        assert answer.status_code == 400
        assert answer.json()["errors"]


class TestSources:
    def test_a_sender_states_how_far_it_is_complete(self, client: TokenClient) -> None:
        send(client, [make_event(1)])
        before = client.get(SOURCE).json()
        assert (before["complete_through"], before["stated"]) == ("2026-06-15T10:00:00Z", False)

        answer = put(client, {"complete_through": "2026-06-16T02:00:00+02:00"})

        assert answer.status_code == 200
        assert answer.body == {
            "source": "urn:acme:shop",
            "complete_through": "2026-06-16T00:00:00Z",
            "stated": True,
            "last_event_at": "2026-06-15T10:00:00Z",
            "rhythm": "none",
            "silent_since": None,
        }
        assert AuditEvent.objects.get(action="activity.state_complete_through").actor.startswith("token:")
        assert put(client, {"complete_through": None}).body["stated"] is False

    def test_names_with_slashes_are_names(self, client: TokenClient) -> None:
        answer = put(client, {"complete_through": None}, url="/api/v1/sources/https://shop.example.org/till")

        assert answer.body["source"] == "https://shop.example.org/till"

    @pytest.mark.parametrize(
        "body", [{}, {"complete_through": "yesterday"}, {"complete_through": "2999-01-01T00:00:00Z"}, {"complete": None}]
    )
    def test_nonsense_is_refused_and_changes_nothing(self, client: TokenClient, body: Any) -> None:
        answer = put(client, body)

        assert answer.status_code == 422
        assert "Nothing was changed" in answer.body["detail"]
        assert not EventSource.objects.exists()

    def test_a_precondition_holds(self, client: TokenClient) -> None:
        first = put(client, {"complete_through": "2026-06-16T00:00:00Z"})
        put(client, {"complete_through": "2026-06-17T00:00:00Z"})

        refused = put(client, {"complete_through": "2026-06-18T00:00:00Z"}, **{"If-Match": first["ETag"]})

        assert refused.status_code == 412
        assert client.get(SOURCE).json()["complete_through"] == "2026-06-17T00:00:00Z"

    def test_a_sandbox_token_states_nothing(self, program: Program) -> None:
        answer = put(make_client(program, "events:write", is_sandbox=True), {"complete_through": "2026-06-16T00:00:00Z"})

        assert answer.body["stated"] is True
        assert not EventSource.objects.exists()

    def test_an_unknown_source_is_not_found(self, client: TokenClient) -> None:
        assert client.get("/api/v1/sources/nobody").status_code == 404
