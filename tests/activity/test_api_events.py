"""POST /api/v1/events: bodies, encodings, outcomes item by item, and what is refused."""

import gzip
import json
from datetime import date
from typing import Any
from unittest import mock

import pytest
import zstandard
from django.db import OperationalError
from django.test import Client

from activity.api.bodies import LARGEST_BODY, LARGEST_EVENT, MOST_EVENTS
from activity.models import Event, EventIdentity, EventSource, IngestBatch
from activity.services.ingest import Receipt
from partners.models import Program
from tests.factories.events import make_event
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
URL = "/api/v1/events"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    make_offer(program)
    return program


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def send(client: Client, body: Any, content_type: str = BATCH, query: str = "", **headers: str) -> Any:
    """Post a body (encoded as JSON unless bytes) and give the answer with its JSON in `.body`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stated = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(raw))}  # the test client leaves them out for an empty body
    answer = client.post(URL + query, raw, content_type=content_type, headers=headers, **stated)
    answer.body = json.loads(answer.content)
    return answer


def only_result(answer: Any) -> dict[str, Any]:
    """The one result of an answer with one event that was not simply accepted."""
    [result] = answer.body["results"]
    return result


def test_batch_is_stored_and_counted(client: TokenClient, program: Program) -> None:
    spend = {"amount": "249.00", "currency": "INR"}
    answer = send(
        client,
        [
            make_event(1),
            make_event(
                2,
                "redeemed",
                spend=spend,
                transaction_ref="ORD-1",
                medium="home",
                position=3,
                time="2026-06-15T10:00:00.123456+02:00",
            ),
        ],
    )
    assert answer.status_code == 200
    assert answer.body == {"received": 2, "accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 0, "results": []}
    event = Event.objects.get(event_key="e2")
    assert (event.spend_minor, event.spend_currency, event.transaction_ref, event.medium, event.position) == (
        24900,
        "INR",
        "ORD-1",
        "home",
        3,
    )
    assert event.occurred_at.isoformat() == "2026-06-15T08:00:00.123456+00:00"
    batch = IngestBatch.objects.get()
    assert (batch.origin, batch.accepted_count, batch.source.code) == ("api", 2, "urn:acme:shop")
    assert batch.token_id is not None


def test_one_bad_item_makes_207_and_leaves_the_others(client: TokenClient) -> None:
    send(client, [make_event(1), make_event(2)])
    answer = send(
        client,
        [
            make_event(1),
            make_event(2, offer="O1", medium="other"),
            make_event(3, offer="nowhere"),
            make_event(4),
            make_event(5, time="yesterday"),
        ],
    )
    assert answer.status_code == 207
    assert {key: answer.body[key] for key in ("received", "accepted", "duplicate", "conflict", "rejected")} == {
        "received": 5,
        "accepted": 1,
        "duplicate": 1,
        "conflict": 1,
        "rejected": 2,
    }
    shown = [(row["index"], row["id"], row["status"], row.get("code"), row.get("pointer")) for row in answer.body["results"]]
    assert shown == [
        (0, "e1", "duplicate", None, None),
        (1, "e2", "conflict", "conflict", "/id"),
        (2, "e3", "rejected", "unknown_offer", "/data/offer"),
        (4, "e5", "rejected", "invalid", "/time"),
    ]


def test_results_all_shows_every_event(client: TokenClient) -> None:
    answer = send(client, [make_event(1), make_event(2)], query="?results=all")
    assert [(row["id"], row["status"]) for row in answer.body["results"]] == [("e1", "accepted"), ("e2", "accepted")]


def test_only_duplicates_are_200(client: TokenClient) -> None:
    send(client, [make_event(1)])
    answer = send(client, [make_event(1)])
    assert answer.status_code == 200
    assert only_result(answer) == {"index": 0, "id": "e1", "status": "duplicate"}


def test_accepted_with_a_warning_is_shown(client: TokenClient, program: Program) -> None:
    make_offer(program, "O2", starts_date=date(2026, 7, 1))
    answer = send(client, [make_event(1, offer="O2")])
    assert answer.status_code == 200
    assert only_result(answer) == {"index": 0, "id": "e1", "status": "accepted", "warning": "outside_offer_dates"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/cloudevents+json", json.dumps(make_event())),
        ("application/json", json.dumps(make_event())),
        ("application/json", " \n" + json.dumps([make_event()])),
        ("application/cloudevents-batch+json; charset=utf-8", json.dumps([make_event()])),
        ("application/x-ndjson", json.dumps(make_event()) + "\r\n\n"),
    ],
)
def test_every_form_of_body(client: TokenClient, content_type: str, body: str) -> None:
    answer = send(client, body.encode(), content_type)
    assert (answer.status_code, answer.body["accepted"]) == (200, 1)


def test_a_broken_line_is_its_own_fault(client: TokenClient) -> None:
    lines = b"\n".join([json.dumps(make_event(1)).encode(), b"{broken", json.dumps(make_event(2)).encode()])
    answer = send(client, lines, "application/x-ndjson")
    assert (answer.status_code, answer.body["accepted"], only_result(answer)["code"]) == (207, 2, "malformed")


def compress_gzip(raw: bytes) -> bytes:
    return gzip.compress(raw)


def compress_zstd(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(raw)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", compress_gzip), ("zstd", compress_zstd), ("identity", bytes)])
class TestEncodings:
    def test_inflated(self, client: TokenClient, encoding: str, compress: Any) -> None:
        body = compress(json.dumps([make_event(number) for number in range(500)]).encode())
        answer = send(client, body, **{"Content-Encoding": encoding})
        assert (answer.status_code, answer.body["accepted"]) == (200, 500)

    def test_bomb_is_413(self, client: TokenClient, encoding: str, compress: Any) -> None:
        answer = send(client, compress(b" " * (LARGEST_BODY + 1)), **{"Content-Encoding": encoding})
        assert (answer.status_code, answer.body["code"], answer.body["limit"]) == (413, "too_large", LARGEST_BODY)

    def test_broken_stream_is_400(self, client: TokenClient, encoding: str, compress: Any) -> None:
        body = compress(json.dumps([make_event()]).encode())
        for broken in (body[:-5], body + body, b"nonsense", b""):
            answer = send(client, broken, **{"Content-Encoding": encoding})
            assert (answer.status_code, answer.body["code"]) == (400, "malformed"), broken
        assert not Event.objects.exists()


@pytest.mark.slow
def test_large_bombs_are_given_up_early(client: TokenClient) -> None:
    for encoding, compress in (("gzip", compress_gzip), ("zstd", compress_zstd)):
        answer = send(client, compress(bytes(256 * 1024 * 1024)), **{"Content-Encoding": encoding})
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status", "code"),
    [
        (b"[]", BATCH, {}, 400, "malformed"),
        (b"", BATCH, {}, 400, "malformed"),
        (b"\n \n", "application/x-ndjson", {}, 400, "malformed"),
        (b"[{}", BATCH, {}, 400, "malformed"),
        (b"{}", BATCH, {}, 400, "malformed"),
        (b"[NaN]", BATCH, {}, 400, "malformed"),
        (b"[" * 100_000, BATCH, {}, 400, "malformed"),
        (b'[{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}]", BATCH, {}, 400, "malformed"),
        (b"\xef\xbb\xbf[{}]", BATCH, {}, 400, "malformed"),
        (b"[{}]", "text/csv", {}, 415, "unsupported_media_type"),
        (b"[{}]", "application/json; charset=latin-1", {}, 415, "unsupported_media_type"),
        (b"[{}]", BATCH, {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
        (b"[" + b"{}," * MOST_EVENTS + b"{}]", BATCH, {}, 413, "too_many_events"),
    ],
)
def test_a_body_that_is_wrong_as_a_whole(
    client: TokenClient, body: bytes, content_type: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = send(client, body, content_type, **headers)
    assert (answer.status_code, answer.body["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == f"urn:plum:problem:{code}"
    assert not IngestBatch.objects.exists()


def without(name: str) -> dict[str, Any]:
    event = make_event()
    del event[name]
    return event


@pytest.mark.parametrize(
    ("event", "code", "pointer"),
    [
        (without("id"), "required", "/id"),
        (without("source"), "required", "/source"),
        (without("time"), "required", "/time"),
        (without("data"), "required", "/data"),
        (without("specversion"), "invalid", "/specversion"),
        (make_event(id=7), "invalid", "/id"),
        (make_event(id="x" * 201), "invalid", "/id"),
        (make_event(id="a\x00b"), "invalid", "/id"),
        (make_event(source="s" * 300), "invalid", "/source"),
        (make_event(type="offer.viewed.v2"), "unknown_type", "/type"),
        (make_event(type="message.read.v1"), "unknown_type", "/type"),
        (make_event(time="2026-06-15T10:00:00"), "invalid", "/time"),
        (make_event(time="2999-01-01T00:00:00Z"), "time_in_future", "/time"),
        (make_event(data=[1]), "required", "/data"),
        (make_event(member="M1"), "required", "/data/member"),
        (make_event(member={"external_id": ""}), "required", "/data/member/external_id"),
        (make_event(member={"external_id": "M1", "name": "Ann"}), "unknown_field", "/data/member/name"),
        (make_event(email="ann@example.org"), "unknown_field", "/data/email"),
        (make_event(**{"a/b~c": 1}), "unknown_field", "/data/a~1b~0c"),
        (make_event(offer=1), "invalid", "/data/offer"),
        (make_event(offer=None), "required", "/data/offer"),
        (make_event(status="done"), "unknown_status", "/data/status"),
        (make_event(status="failed"), "invalid", "/data/status"),
        (make_event(position=0), "invalid", "/data/position"),
        (make_event(position=1.5), "invalid", "/data/position"),
        (make_event(position=True), "invalid", "/data/position"),
        (make_event(position=10**30), "invalid", "/data/position"),
        (make_event(spend=12), "invalid", "/data/spend"),
        (make_event(spend={"amount": 12, "currency": "EUR"}), "invalid", "/data/spend/amount"),
        (make_event(spend={"amount": "12"}), "required", "/data/spend/currency"),
        (make_event(spend={"amount": "", "currency": "EUR"}), "required", "/data/spend/amount"),
        (make_event(spend={"amount": "1.234", "currency": "EUR"}), "too_many_decimals", "/data/spend/amount"),
        (make_event(spend={"amount": "-1", "currency": "EUR"}), "invalid_amount", "/data/spend/amount"),
        (make_event(reward_cost={"amount": "1", "currency": "XXQ"}), "invalid_currency", "/data/reward_cost/currency"),
        (make_event(spend={"amount": "1", "currency": "EUR", "tax": "0"}), "unknown_field", "/data/spend/tax"),
        ({**make_event(), "traceparent": {"deep": 1}}, "invalid", "/traceparent"),
        ({**make_event(), "data_base64": "eA=="}, "required", "/data"),
        (make_event(reason_code="x" * LARGEST_EVENT), "event_too_large", ""),
        ("text", "malformed", ""),
    ],
)
def test_what_is_wrong_with_one_event_is_named(client: TokenClient, event: Any, code: str, pointer: str) -> None:
    answer = send(client, [event, make_event(99)])
    assert (answer.status_code, answer.body["accepted"], answer.body["rejected"]) == (207, 1, 1)
    result = only_result(answer)
    assert (result["index"], result["code"], result["pointer"]) == (0, code, pointer)
    assert result["detail"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"specversion":"1.0","id":"e1","id":"e2"}',
        b'{"specversion":"1.0","id" : "e1","x":{"a":":b","a"\t:2}}',
        b'{"specversion":"1.0","id":"\\"x\\":","data":{"offer":"O1","offer":"O2"}}',
    ],
)
def test_a_key_that_stands_twice_is_malformed(client: TokenClient, text: bytes) -> None:
    assert only_result(send(client, b"[" + text + b"]"))["detail"] == "A key stands twice in one object."


def test_texts_that_look_like_keys_are_no_keys(client: TokenClient) -> None:
    event = {**make_event(1), "subject": '":":'}
    spaced = json.dumps({**make_event(2), "subject": ":"}, indent=1, separators=(" , ", " : ")).encode()
    answer = send(client, b"[" + json.dumps(event).encode() + b"," + spaced + b"]")
    assert (answer.status_code, answer.body["accepted"]) == (200, 2)


@pytest.mark.parametrize("text", [b'{"id":"\\ud800"}', b'{"id":1e999}', b'{"id":"\xff"}', b'{"id":' + b"9" * 5000 + b"}"])
def test_what_json_cannot_say_is_refused_without_a_server_error(client: TokenClient, text: bytes) -> None:
    answer = send(client, b"[" + text + b"]")
    assert answer.status_code in (207, 400)
    line = send(client, text, "application/x-ndjson")
    assert only_result(line)["status"] == "rejected"


def test_optional_attributes_of_the_envelope_are_ignored(client: TokenClient) -> None:
    event = {**make_event(), "subject": "offer/O1", "datacontenttype": "application/json", "traceparent": "00-ab", "sampled": 1}
    assert send(client, [event]).status_code == 200


def test_strict_stores_nothing_unless_all_can_be_taken(client: TokenClient) -> None:
    answer = send(client, [make_event(1), make_event(2, offer="nowhere")], Prefer="respond-async, handling=strict")
    assert (answer.status_code, answer.body["code"]) == (422, "not_all_accepted")
    assert [(row["pointer"], row["code"]) for row in answer.body["errors"]] == [("/1/data/offer", "unknown_offer")]
    assert not EventIdentity.objects.exists()
    answer = send(client, [make_event(1)], Prefer="handling=strict")
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "handling=strict")


def test_a_sandbox_token_is_answered_alike_and_stores_nothing(program: Program, client: TokenClient) -> None:
    send(client, [make_event(1)])
    sandbox = make_client(program, "events:write", is_sandbox=True)
    answer = send(sandbox, [make_event(1), make_event(2), make_event(3, offer="nowhere")])
    assert (answer.status_code, answer.body["duplicate"], answer.body["accepted"], answer.body["rejected"]) == (207, 1, 1, 1)
    assert Event.objects.count() == 1
    assert IngestBatch.objects.count() == 1
    assert send(sandbox, [make_event(4, offer="nowhere")], Prefer="handling=strict").status_code == 422


def test_an_event_without_a_usable_source_is_counted_under_unknown(client: TokenClient) -> None:
    send(client, [make_event(source="s" * 300), without("source")])
    assert list(EventSource.objects.values_list("code", flat=True)) == ["unknown"]
    assert IngestBatch.objects.get().rejected_count == 2


def test_a_busy_database_is_503_with_retry_after(client: TokenClient) -> None:
    with mock.patch("activity.api.views.receive_events", side_effect=OperationalError("database is locked")):
        answer = send(client, [make_event()])
    assert (answer.status_code, answer.body["code"], answer["Retry-After"]) == (503, "unavailable", "2")


def test_an_unforeseen_error_is_500_without_a_trace(client: TokenClient, caplog: pytest.LogCaptureFixture) -> None:
    with mock.patch("activity.api.views.receive_events", side_effect=ZeroDivisionError("secret inner state")):
        answer = send(client, [make_event()])
    assert answer.status_code == 500
    assert b"secret" not in answer.content
    assert b"Zero" not in answer.content
    assert answer.body["instance"] in caplog.text
    assert "secret inner state" in caplog.text


def test_length_must_be_known(client: TokenClient) -> None:
    answer = client.post(URL, b"", content_type=BATCH, headers={"Transfer-Encoding": "chunked"}, CONTENT_TYPE=BATCH)
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_a_body_announced_as_too_large_is_not_read(client: TokenClient) -> None:
    answer = client.post(URL, b"[]", content_type=BATCH, CONTENT_LENGTH=str(LARGEST_BODY + 1))
    assert answer.status_code == 413


def test_receipt_is_what_the_service_says(client: TokenClient) -> None:
    receipt = Receipt(received=1, accepted=1, duplicate=0, conflict=0, rejected=0, notable=[], events=[])
    with mock.patch("activity.api.views.receive_events", return_value=receipt) as record:
        assert send(client, [make_event()]).body["accepted"] == 1
    assert record.call_count == 1
