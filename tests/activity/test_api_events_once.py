"""Idempotency-Key with events: the first answer again, kept with what was recorded or not at all."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from activity.models import Event, IngestBatch
from activity.services import Receipt
from activity.services.receiving import receive_events
from partners.models import Program
from plum_site.lib import kept_answers
from plum_site.lib.models import KeptAnswer
from tests.factories.events import make_event
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "events:write")


def send(client: TokenClient, body: Any, key: str | None = '"k1"', query: str = "", **headers: str) -> Any:
    """Post events with a key."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key is not None:
        headers["Idempotency-Key"] = key
    return client.post(f"/api/v1/events{query}", raw, content_type=BATCH, headers=headers)


def test_the_first_answer_comes_again_and_nothing_is_recorded_again(client: TokenClient) -> None:
    body = [make_event(1), make_event(2, offer="nowhere")]
    first, again = send(client, body), send(client, body)
    assert (first.status_code, first.json()["accepted"]) == (207, 1)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
    assert (IngestBatch.objects.count(), Event.objects.count()) == (1, 1)


def test_quotes_around_the_key_are_no_part_of_it(client: TokenClient) -> None:
    send(client, [make_event()], "k1")
    assert send(client, [make_event()], '"k1"')["Idempotent-Replayed"] == "true"


def test_the_same_events_compressed_anew_are_the_same_request(client: TokenClient) -> None:
    raw = json.dumps([make_event()]).encode()
    headers = {"Content-Encoding": "gzip"}
    for mtime in (1, 2):
        answer = send(client, gzip.compress(raw, mtime=mtime), **headers)
    assert answer["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "query", "headers"),
    [
        ([make_event(2)], "", {}),
        ([make_event()], "?results=all", {}),
        ([make_event()], "", {"Prefer": "handling=strict"}),
    ],
)
def test_another_request_with_the_same_key_is_422(client: TokenClient, body: Any, query: str, headers: dict[str, str]) -> None:
    send(client, [make_event()])
    answer = send(client, body, query=query, **headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert Event.objects.count() == 1


def test_while_the_first_is_under_way_others_are_409(client: TokenClient) -> None:
    answers = []

    def meanwhile(**arguments: Any) -> Receipt:
        answers.append(send(client, [make_event()]))
        return receive_events(**arguments)

    with mock.patch("activity.api.views.receive_events", side_effect=meanwhile):
        first = send(client, [make_event()])
    [second] = answers
    assert (first.status_code, first.json()["accepted"]) == (200, 1)
    assert (second.status_code, second.json()["code"]) == (409, "request_under_way")
    assert int(second["Retry-After"]) >= 1
    assert Event.objects.count() == 1


@pytest.mark.parametrize("key", ["", '""', "a b", '"a', "ä", "x" * 256, "a\x7f", 'a"b'])
def test_a_key_that_is_none_is_400(client: TokenClient, key: str) -> None:
    answer = send(client, [make_event()], key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")
    assert not Event.objects.exists()


def test_what_was_refused_is_not_kept(client: TokenClient) -> None:
    refused = send(client, [make_event(1), make_event(2, offer="nowhere")], Prefer="handling=strict")
    assert refused.status_code == 422
    assert send(client, [make_event(1)], Prefer="handling=strict").status_code == 200
    assert send(client, [make_event(1)], Prefer="handling=strict")["Preference-Applied"] == "handling=strict"
    assert send(client, b"[", "k2").status_code == 400
    assert KeptAnswer.objects.count() == 1


def test_answer_and_events_stand_or_fall_together(client: TokenClient) -> None:
    with mock.patch.object(kept_answers, "keep", side_effect=OperationalError("gone")):
        assert send(client, [make_event()]).status_code == 503
    assert (Event.objects.count(), KeptAnswer.objects.count()) == (0, 0)
    again = send(client, [make_event()])
    assert (again.status_code, again.json()["accepted"]) == (200, 1)


def test_a_key_that_another_request_took_over_records_nothing(client: TokenClient) -> None:
    """A request that hung for longer than it may must not record after its key went to another."""
    keep = kept_answers.keep

    def overtaken(**arguments: Any) -> None:
        KeptAnswer.objects.update(fence=7)
        keep(**arguments)

    with mock.patch.object(kept_answers, "keep", side_effect=overtaken):
        assert send(client, [make_event()]).status_code == 409
    assert not Event.objects.exists()


def test_keys_belong_to_the_token_and_are_forgotten_after_a_day(program: Program, client: TokenClient) -> None:
    send(client, [make_event()])
    other = make_client(program, "events:write")
    assert send(other, [make_event(2)]).json()["accepted"] == 1
    KeptAnswer.objects.update(claimed_at=datetime.now(UTC) - timedelta(hours=25))
    assert send(client, [make_event(3)]).json()["accepted"] == 1


def test_a_sandbox_token_keeps_nothing(program: Program) -> None:
    sandbox = make_client(program, "events:write", is_sandbox=True)
    for _ in range(2):
        assert send(sandbox, [make_event()]).json()["accepted"] == 1
    assert not KeptAnswer.objects.exists()


def test_without_a_key_the_table_is_not_asked(client: TokenClient) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert send(client, [make_event()], None).status_code == 200
    assert not [row for row in asked.captured_queries if "keptanswer" in row["sql"]]
