"""Requests with events that are wrong as a whole, or huge: refused as problems, in flat memory and short time."""

import gzip
import json
import time
import tracemalloc

import pytest
import zstandard

from activity.api.bodies import LARGEST_BODY, MOST_EVENTS
from activity.models import IngestBatch
from partners.models import Program
from tests.factories.events import make_event
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
BATCH, LINES, SINGLE = "application/cloudevents-batch+json", "application/x-ndjson", "application/cloudevents+json"
MEMORY = 50 * 1024 * 1024  # beside the body itself
SECONDS = 3  # of processor time


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def fill(unit: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """As many units as a body may hold."""
    return start + unit * ((LARGEST_BODY - len(start) - len(end)) // len(unit)) + end


EVENT = json.dumps(make_event()).encode()
HUGE = {
    "a million numbers": (b"[" + b"0," * 999_999 + b"0]", BATCH, 413, "too_many_events"),
    "numbers to the limit": (fill(b"0,", b"[", b"0]"), BATCH, 413, "too_many_events"),
    "empty objects to the limit": (fill(b"{},", b"[", b"{}]"), BATCH, 413, "too_many_events"),
    "lines to the limit": (fill(b"0\n"), LINES, 413, "too_many_events"),
    "blank lines to the limit": (fill(b"\n"), LINES, 400, "malformed"),
    "blanks to the limit": (fill(b" "), BATCH, 400, "malformed"),
    "blanks around one event": (fill(b" ", EVENT), SINGLE, 200, ""),
    "brackets to the limit": (fill(b"["), BATCH, 400, "malformed"),
    "commas to the limit": (fill(b",", b"["), BATCH, 413, "too_many_events"),
    "commas in a list in a list": (fill(b",", b"[["), BATCH, 400, "malformed"),
    "quotes in a string without an end": (fill(b'\\"', b"[[" + b"," * 200_001 + b'"'), BATCH, 400, "malformed"),
    "an object that is no list": (fill(b'"a":0,', b"{", b'"b":0}'), BATCH, 400, "malformed"),
    "one huge event": (fill(b"x", b'[{"id":"', b'"}]'), BATCH, 207, "event_too_large"),
    "one event of a million keys": (fill(b'"k":0,', b"[{", b'"k":0}]'), BATCH, 207, "event_too_large"),
    "a digit to the limit": (fill(b"9", b"[", b"]"), BATCH, 207, "event_too_large"),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_bodies_cost_little(client: TokenClient, name: str) -> None:
    body, content_type, status, code = HUGE[name]
    client.get("/api/v1/me/token")
    began = time.process_time()
    answer = client.post("/api/v1/events", body, content_type=content_type)
    assert time.process_time() - began < SECONDS
    tracemalloc.start()
    try:
        client.post("/api/v1/events", body, content_type=content_type)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = answer.json()
    assert (answer.status_code, code in json.dumps(said)) == (status, True), said
    assert peak < 3 * len(body) + MEMORY  # the test client's own copies of the body included


def bomb(encoding: str, size: int) -> bytes:
    """Zeros in a small space."""
    raw = bytes(size)
    return gzip.compress(raw) if encoding == "gzip" else zstandard.ZstdCompressor(level=19).compress(raw)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_bombs_are_given_up_at_the_limit(client: TokenClient, encoding: str) -> None:
    body = bomb(encoding, 256 * 1024 * 1024)
    tracemalloc.start()
    try:
        answer = client.post("/api/v1/events", body, content_type=BATCH, headers={"Content-Encoding": encoding})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert peak < MEMORY


@pytest.mark.parametrize("length", ["abc", "-1", "1.5", "0x10", "٣", "9" * 30, "1 2", "+5"])
@pytest.mark.parametrize("address", ["/api/v1/events", "/api/v1/partners"])
def test_a_length_that_is_no_number_is_400(program: Program, address: str, length: str) -> None:
    client = make_client(program)
    answer = client.post(address, b"[]", content_type="application/json", CONTENT_LENGTH=length)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("address", ["/api/v1/events", "/api/v1/partners"])
def test_chunks_without_a_length_are_411(program: Program, address: str) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    stated = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": ""}  # the test client leaves them out for an empty body
    answer = make_client(program).post(address, b"", "application/json", headers=headers, **stated)
    assert answer.status_code == 411


def test_exactly_as_many_events_as_one_request_may_hold(client: TokenClient) -> None:
    events = [make_event(number, member={"external_id": f"M{number % 2 + 1}"}) for number in range(MOST_EVENTS)]
    answer = client.post("/api/v1/events", json.dumps(events), content_type=BATCH)
    assert (answer.status_code, answer.json()["accepted"]) == (200, MOST_EVENTS)
    over = client.post("/api/v1/events", json.dumps([*events, make_event(MOST_EVENTS)]), content_type=BATCH)
    assert (over.status_code, over.json()["limit"]) == (413, MOST_EVENTS)
    lines = "\n".join(map(json.dumps, [*events, make_event(MOST_EVENTS)]))
    assert client.post("/api/v1/events", lines, content_type=LINES).status_code == 413
    assert IngestBatch.objects.count() == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_other_methods_change_nothing(client: TokenClient, method: str) -> None:
    answer = client.generic(method, "/api/v1/events", json.dumps([make_event()]), content_type=BATCH)
    assert (answer.status_code, answer["Allow"], answer["Content-Type"]) == (405, "GET, HEAD, POST", "application/problem+json")
    assert not IngestBatch.objects.exists()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/cloudevents-batch+json; charset=utf-16",
    ],
)
def test_other_types_are_415(client: TokenClient, content_type: str) -> None:
    answer = client.post("/api/v1/events", b"[]", content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd,gzip", "gzip;q=1", "x" * 2000])
def test_other_encodings_are_415(client: TokenClient, encoding: str) -> None:
    answer = client.post("/api/v1/events", b"[]", content_type=BATCH, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
