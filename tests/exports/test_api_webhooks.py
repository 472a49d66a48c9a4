"""Webhooks and their messages over the API: without secrets, page by page, one program's alone."""

import ipaddress
from datetime import datetime
from typing import Any

import pytest

from exports.services import remove_endpoint, send_test_message
from plum_site.lib import outbox
from tests.factories.programs import make_program
from tests.factories.tokens import make_client
from tests.factories.webhooks import PUBLIC, make_endpoint, make_endpoint_and_secret
from tests.support.receivers import Reply, listening

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_webhooks_are_listed_without_secrets(at: datetime) -> None:
    program = make_program()
    _, secret = make_endpoint_and_secret(program, url=f"{PUBLIC}?key=k1", name="B")
    make_endpoint(program, name="A", types=["review.finalized"])
    gone = make_endpoint(program, name="Gone", url=f"{PUBLIC}/gone")
    remove_endpoint(endpoint_id=gone.pk, actor="system", at=at)
    make_endpoint(make_program("other"), name="Foreign")

    answer = make_client(program, "webhooks:read").get("/api/v1/webhooks")

    assert [row["name"] for row in answer.json()["data"]] == ["A", "B"]
    first = answer.json()["data"][0]
    assert (first["url"], first["types"], first["state"], first["reason"]) == (PUBLIC, ["review.finalized"], "active", "")
    assert first["first_failed_at"] is None
    assert secret.removeprefix("whsec_")[:8] not in answer.content.decode()
    assert "k1" not in answer.content.decode()


def test_messages_say_how_they_went(at: datetime, settings: Any) -> None:
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, [ipaddress.ip_network("127.0.0.1/32")]
    program = make_program()
    with listening(Reply(200, body=b"fine")) as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        first = send_test_message(endpoint_id=endpoint.pk, actor="system", at=at)
        outbox.send_due(at)
    second = send_test_message(endpoint_id=endpoint.pk, actor="system", at=at)

    client = make_client(program, "webhooks:read")
    path = f"/api/v1/webhooks/{endpoint.uuid}/deliveries"
    newest = client.get(f"{path}?limit=1").json()
    [row] = newest["data"]
    assert (row["id"], row["state"], row["attempts"], row["last_status"]) == (second.message.message_id, "waiting", 0, None)
    assert row["next_attempt_at"].startswith("2026-07-15T09:30:00")
    [row] = client.get(f"{path}?limit=1&cursor={newest['next_cursor']}").json()["data"]
    assert (row["id"], row["type"], row["state"]) == (first.message.message_id, "webhook.test", "sent")
    assert (row["last_status"], row["last_answer"], row["next_attempt_at"]) == ("ok", "HTTP 200 fine", None)


@pytest.mark.parametrize("name", ["not-a-uuid", "00000000-0000-0000-0000-000000000404"])
def test_an_unknown_webhook_is_404(name: str) -> None:
    assert make_client(make_program(), "webhooks:read").get(f"/api/v1/webhooks/{name}/deliveries").status_code == 404
