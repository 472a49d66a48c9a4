"""An event is answered alike however it comes: alone, among others or as a line, read the quick way or the careful one."""

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.api import cloudevents
from activity.api.plain_events import read_plain
from activity.rules import Rejection
from activity.rules.events import KINDS, STATUSES
from partners.models import Program
from plum_site.lib.clock import now
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = pytest.mark.slow

BATCH, LINES, SINGLE = "application/cloudevents-batch+json", "application/x-ndjson", "application/cloudevents+json"
GOOD = {"specversion": "1.0", "source": "s", "type": "offer.viewed.v1", "time": "2026-06-15T10:00:00Z"}
BEFORE, AFTER = (GOOD | {"id": name, "data": {"member": {"external_id": "M2"}, "offer": "O2"}} for name in ("before", "after"))

odd_text = st.text(max_size=12) | st.sampled_from(
    ["", " ", "O1", "x" * 200, "x" * 201, "é", "\x00", "\x7f", ":", '":', "\\", "😀", "null"]
)
odd_value = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | odd_text
odd = odd_value | st.lists(odd_value, max_size=2) | st.dictionaries(odd_text, odd_value, max_size=2)


def mostly(good: Any) -> Any:
    """A right value as a rule, anything at all now and then."""
    return st.one_of(good, good, good, good, good, good, odd)


money = st.fixed_dictionaries(
    {
        "amount": mostly(st.sampled_from(["0", "1", "1.5", "12.50", "1.234", "-1", "1e2"])),
        "currency": mostly(st.sampled_from(["EUR", "JPY", "KWD", "XXQ"])),
    },
    optional={"tax": odd_value},
)
data = st.fixed_dictionaries(
    {
        "member": mostly(st.fixed_dictionaries({"external_id": mostly(st.sampled_from(["M1", "M2"]))})),
        "offer": mostly(st.sampled_from(["O1", "O3"])),
    },
    optional={
        "status": mostly(st.sampled_from([*STATUSES, None])),
        "reason_code": mostly(st.sampled_from(["refund", "", None])),
        "spend": mostly(money),
        "reward_cost": mostly(money),
        "transaction_ref": mostly(odd_text),
        "reverses": mostly(odd_text),
        "medium": mostly(odd_text),
        "position": mostly(st.integers(min_value=0, max_value=1_000_001)),
        "note": odd_value,
    },
)
envelope = st.fixed_dictionaries(
    {
        "specversion": mostly(st.just("1.0")),
        "id": mostly(odd_text),
        "source": mostly(st.sampled_from(["s", "urn:acme"])),
        "type": mostly(st.sampled_from([f"offer.{kind}.v1" for kind in KINDS])),
        "time": mostly(
            st.sampled_from(["2026-06-15T10:00:00Z", "2026-06-15T10:00:00+02:00", "2026-06-15", "2999-01-01T00:00:00Z"])
        ),
        "data": mostly(data),
    },
    optional={"subject": mostly(odd_text), "datacontenttype": st.just("application/json"), "sampled": odd},
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """One event as text: some fields left out, a key twice now and then, spaced or not, in escapes or not."""
    event = draw(envelope)
    for name in draw(st.lists(st.sampled_from(sorted(event)), max_size=1)) if draw(st.integers(0, 9)) == 0 else []:
        del event[name]
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]))
    text = json.dumps(event, ensure_ascii=draw(st.booleans()), separators=separators)
    if draw(st.integers(0, 9)) == 0:
        text = text[:-1] + draw(st.sampled_from([',"id":"x"', ',"i\\u0064":"x"', ',"data":{}', ',"sub":1,"sub":1'])) + "}"
    return text.encode("utf-8", "surrogatepass")


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def send(client: TokenClient, body: bytes, content_type: str) -> dict[str, Any]:
    """The answer; nothing of it stays."""
    with transaction.atomic():
        answer = client.post("/api/v1/events?results=all", body, content_type=content_type)
        transaction.set_rollback(True)
    assert answer.status_code in (200, 207), answer.content
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.django_db
@pytest.mark.both_engines
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=texts())
def test_alone_among_others_and_as_a_line(client: TokenClient, text: bytes) -> None:
    before, after = (json.dumps(event).encode() for event in (BEFORE, AFTER))
    alone = send(client, text, SINGLE)["results"][0]
    batch = send(client, b"[" + before + b"," + text + b"," + after + b"]", BATCH)
    lines = send(client, before + b"\n" + text + b"\n" + after, LINES)
    for answer in (batch, lines):
        assert [row["status"] for row in (answer["results"][0], answer["results"][2])] == ["accepted", "accepted"]
        assert {**answer["results"][1], "index": 0} == alone


@settings(max_examples=400)
@given(text=texts())
def test_the_quick_way_takes_nothing_that_the_careful_way_refuses(text: bytes) -> None:
    """Where it says something at all, it says the same, to the last field."""
    at = now()
    for media_type, body in ((SINGLE, text), (BATCH, b"[" + text + b"]"), (LINES, text)):
        quick = read_plain(media_type, body, at)
        if quick is not None:
            careful = cloudevents.read_event(text, at)
            assert not isinstance(careful, Rejection)
            assert quick == [careful]
