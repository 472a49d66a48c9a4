"""Messages to endpoints: queued once with their change, signed, sent, tried again, given up; receivers that misbehave."""

import ipaddress
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from standardwebhooks.webhooks import Webhook

from exports.choices import EndpointState
from exports.models import WebhookDelivery, WebhookEndpoint
from exports.selectors import list_deliveries
from exports.services import disable_endpoint, enable_endpoint, remove_endpoint, send_test_message
from partners.models import Program
from plum_site.lib import egress, jobs, outbox
from plum_site.lib.announcements import announce
from plum_site.lib.choices import OutboxState
from plum_site.lib.errors import NotFound
from plum_site.lib.models import AuditEvent, Outbox, OutboxAttempt
from plum_site.lib.people import grant_role
from reviews.choices import CycleState
from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.reviews import make_reviewable_program, reviewed
from tests.factories.webhooks import make_endpoint, make_endpoint_and_secret
from tests.support.receivers import Reply, listening

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

Send = Callable[[datetime], Outbox]
FLAGGED = {"program": "acme", "month": "2026-06", "partner": "P1", "rules": ["fall"], "severity": "warning", "url": "https://x"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def loopback_receivers(settings: Any) -> None:
    """Receivers of tests listen on this machine."""
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, [ipaddress.ip_network("127.0.0.1/32")]


@pytest.fixture
def program() -> Program:
    return make_program()


def tell(program: Program, at: datetime, key: str = "1", **data: Any) -> None:
    with transaction.atomic():
        announce(type="partner.flagged", program_id=program.pk, key=key, data=FLAGGED | data, at=at)


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Send:
    """One pass of the sender at an instant, which the database agrees with; the newest message."""

    def pass_at(at: datetime) -> Outbox:
        monkeypatch.setattr(jobs, "database_now", lambda: at)
        outbox.send_due(at)
        return Outbox.objects.filter(channel="webhook").latest("pk")

    return pass_at


def test_a_closed_review_reaches_its_receiver_signed() -> None:
    program = make_reviewable_program()
    at = datetime.now(UTC)
    with listening() as receiver:
        _, secret = make_endpoint_and_secret(program, url=receiver.url)
        cycle = reviewed(program, state=CycleState.CLOSED)
        outbox.send_due(at)

    [request] = receiver.requests
    message = Webhook(secret).verify(request.body, request.headers)
    assert message["type"] == "review.finalized"
    assert message["data"]["id"] == f"rev_{cycle.pk}"
    assert request.headers["webhook-id"] == Outbox.objects.get(channel="webhook").message_id
    assert request.headers["content-type"] == "application/json"
    assert WebhookDelivery.objects.get().message.state == OutboxState.SENT


def test_one_message_for_each_endpoint_that_chose_it(program: Program, at: datetime) -> None:
    wants = make_endpoint(program, url="http://127.0.0.1:1/a", types=["partner.flagged"])
    make_endpoint(program, url="http://127.0.0.1:1/b", types=["review.finalized"])
    disabled = make_endpoint(program, url="http://127.0.0.1:1/c")
    disable_endpoint(endpoint_id=disabled.pk, actor="user:1", at=at)
    removed = make_endpoint(program, url="http://127.0.0.1:1/d")
    remove_endpoint(endpoint_id=removed.pk, actor="user:1", at=at)
    make_endpoint(make_program("other"), url="http://127.0.0.1:1/a")
    Outbox.objects.all().delete()

    for _ in range(2):
        tell(program, at)
    tell(program, at, key="2")

    assert [row.endpoint for row in WebhookDelivery.objects.order_by("pk")] == [wants, wants]
    assert Outbox.objects.filter(program_id=program.pk).count() == 2


def test_what_is_rolled_back_is_not_told(program: Program, at: datetime) -> None:
    make_endpoint(program, url="http://127.0.0.1:1/a")
    with transaction.atomic():
        tell(program, at)
        transaction.set_rollback(True)

    assert not Outbox.objects.exists()


def test_id_and_body_stay_over_attempts_and_the_signature_is_of_the_attempt(program: Program, send: Send) -> None:
    at = datetime.now(UTC)
    with listening(Reply(500, body=b"oops"), Reply(302), Reply(200, body=b"thanks")) as receiver:
        _, secret = make_endpoint_and_secret(program, url=receiver.url)
        tell(program, at - timedelta(minutes=4))
        for number in range(3):
            send(at + timedelta(minutes=2 * number))
        message = send(at + DAY)

    assert message.state == OutboxState.SENT
    assert message.attempts == 3
    first, second, third = receiver.requests
    assert first.body == second.body == third.body
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.headers["webhook-signature"] for request in receiver.requests}) == 3
    Webhook(secret).verify(first.body, first.headers)
    details = list(OutboxAttempt.objects.order_by("pk").values_list("status", "detail"))
    assert details == [("later", "HTTP 500 oops"), ("later", "HTTP 302"), ("ok", "HTTP 200 thanks")]


@pytest.mark.parametrize(
    ("reply", "pause"),
    [
        (Reply(503, {"Retry-After": "7200"}), timedelta(hours=2)),
        (Reply(429, {"Retry-After": "60"}), timedelta(minutes=1)),
        (Reply(429, {"Retry-After": "1"}), timedelta(seconds=5)),
        (Reply(502, {"Retry-After": "9999999"}), timedelta(hours=24)),
        (Reply(500, {"Retry-After": "7200"}), timedelta(seconds=5)),
        (Reply(404), timedelta(seconds=5)),
        (Reply(301, {"Location": "http://127.0.0.1/"}), timedelta(seconds=5)),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_failures_are_tried_again_when_the_receiver_wants(
    reply: Reply, pause: timedelta, program: Program, send: Send, at: datetime
) -> None:
    with listening(reply, Reply(204)) as receiver:
        make_endpoint(program, url=receiver.url)
        tell(program, at)
        message = send(at)

        assert message.state == OutboxState.WAITING
        assert 0.9 * pause <= message.due_at - at <= 1.1 * pause
        assert send(message.due_at - timedelta(seconds=0.1)).attempts == 1
        assert send(message.due_at).state == OutboxState.SENT
        assert len(receiver.requests) == 2


def test_a_message_is_given_up_after_its_last_attempt(program: Program, send: Send, at: datetime) -> None:
    make_endpoint(program, url="http://127.0.0.1:1/nobody")
    tell(program, at)
    message = send(at)
    while message.state == OutboxState.WAITING:
        message = send(message.due_at)

    assert (message.state, message.attempts) == (OutboxState.DEAD, 10)
    assert timedelta(hours=68) < message.due_at - at < timedelta(hours=84)
    assert "could not be reached" in message.error
    assert WebhookEndpoint.objects.get().state == EndpointState.ACTIVE, "three days are not five"


def test_410_disables_at_once_and_nothing_more_is_sent(program: Program, send: Send, at: datetime) -> None:
    with listening(Reply(410)) as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        tell(program, at)
        tell(program, at, key="2")
        send(at)
        tell(program, at, key="3")
        send(at + HOUR)

        assert len(receiver.requests) == 1
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.changed_by) == (EndpointState.DISABLED, "system")
    assert "410" in endpoint.reason
    first, second = Outbox.objects.filter(channel="webhook").order_by("pk")
    assert (first.state, second.state) == (OutboxState.DEAD, OutboxState.WAITING)
    assert "disabled" in second.error
    assert AuditEvent.objects.get(action="exports.disable_endpoint").after["reason"] == endpoint.reason


def test_what_waits_goes_out_if_the_endpoint_is_enabled_in_time(program: Program, send: Send, at: datetime) -> None:
    with listening() as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        tell(program, at)
        disable_endpoint(endpoint_id=endpoint.pk, actor="user:1", at=at)
        message = send(at)
        enable_endpoint(endpoint_id=endpoint.pk, actor="user:1", at=at)

        assert send(message.due_at).state == OutboxState.SENT
        assert len(receiver.requests) == 1


def test_what_waits_for_a_removed_endpoint_is_given_up_unsent(program: Program, send: Send, at: datetime) -> None:
    with listening() as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        tell(program, at)
        remove_endpoint(endpoint_id=endpoint.pk, actor="user:1", at=at)

        assert send(at).state == OutboxState.DEAD
        assert receiver.requests == []


def test_five_days_of_only_failures_disable_and_the_others_are_told(program: Program, send: Send, at: datetime) -> None:
    with listening(Reply(500)) as receiver, listening() as other:
        endpoint = make_endpoint(program, url=receiver.url)
        watcher = make_endpoint(program, name="Watcher", url=other.url, types=["endpoint.disabled"])
        tell(program, at)
        send(at)
        tell(program, at, key="2")
        send(at + 5 * DAY - HOUR)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.first_failed_at) == (EndpointState.ACTIVE, at)

        tell(program, at, key="3")
        send(at + 5 * DAY)
        send(at + 5 * DAY)

    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.DISABLED
    assert endpoint.reason == "Every attempt has failed since 2026-07-15 09:30 UTC."
    [told] = [json.loads(request.body) for request in other.requests]
    assert told["type"] == "endpoint.disabled"
    assert told["data"]["endpoint"] == str(endpoint.uuid)
    assert told["data"]["url"].endswith(f"/console/exports/webhookendpoint/{endpoint.pk}/change/")
    assert watcher.deliveries.count() == 1


def test_admins_are_told_by_mail_that_a_webhook_was_disabled(program: Program, send: Send, at: datetime) -> None:
    for name, role, email in (
        ("ada", "program_admin", "ada@example.org"),
        ("ann", "analyst", "ann@example.org"),
        ("abe", "program_admin", ""),
    ):
        person = make_person(name, email=email, first_name=name.title())
        grant_role(program_id=program.pk, user_id=person.pk, role=role, actor="system", at=at)
    with listening(Reply(410)) as receiver:
        endpoint = make_endpoint(program, name="Lager & Söhne <1>", url=f"{receiver.url}?key=k1")
        tell(program, at)
        send(at)

    mail = Outbox.objects.get(channel="mail")
    assert mail.recipient == "ada@example.org"
    text, html = mail.payload["text"], mail.payload["html"]
    assert mail.payload["headers"]["Subject"] == "Acme: the webhook Lager & Söhne <1> was disabled"
    assert "The webhook Lager & Söhne <1> of Acme was disabled." in text
    assert "410 Gone" in text
    assert "Lager &amp; Söhne &lt;1&gt;" in html
    for part in (text, html):
        assert f"/console/exports/webhookendpoint/{endpoint.pk}/change/" in part
        assert "k1" not in part


def test_one_success_in_five_days_is_enough(program: Program, send: Send, at: datetime) -> None:
    with listening(Reply(500), Reply(200), Reply(500)) as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        for days in (0, 3, 6):
            tell(program, at + days * DAY, key=str(days))
            Outbox.objects.filter(attempts=1).update(state=OutboxState.DEAD)
            send(at + days * DAY)

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.first_failed_at) == (EndpointState.ACTIVE, at + 6 * DAY)


def test_an_address_that_has_turned_inwards_is_not_called(program: Program, send: Send, at: datetime, settings: Any) -> None:
    """Checked when it is saved and at each attempt."""
    with listening() as receiver:
        make_endpoint(program, url=receiver.url)
        tell(program, at)
        settings.EGRESS_NETWORKS = []

        message = send(at)

        assert message.state == OutboxState.WAITING
        assert "private or special network" in message.error
        assert receiver.requests == []


@pytest.mark.parametrize(("reply", "state"), [(Reply(200, body=b"hello"), "sent"), (Reply(500), "dead"), (Reply(302), "dead")])
def test_a_test_message_is_tried_once_and_shows_the_answer(
    reply: Reply, state: str, program: Program, send: Send, at: datetime
) -> None:
    with listening(reply) as receiver:
        endpoint, secret = make_endpoint_and_secret(program, url=receiver.url, types=["review.finalized"])
        delivery = send_test_message(endpoint_id=endpoint.pk, actor="user:1", at=at)
        message = send(datetime.now(UTC))

    assert message.state == state
    [request] = receiver.requests
    verified = Webhook(secret).verify(request.body, request.headers)
    assert (verified["type"], verified["data"]["program"]) == ("webhook.test", "acme")
    [row] = list_deliveries(endpoint.deliveries.all())
    assert (row, row.last_status, row.last_detail.split()[:2]) == (
        delivery,
        "ok" if state == "sent" else "refused",
        ["HTTP", str(reply.status)],
    )
    assert AuditEvent.objects.get(action="exports.send_test_message").after == {"message": message.message_id}


def test_a_disabled_endpoint_can_be_tested_and_a_removed_one_not(program: Program, send: Send, at: datetime) -> None:
    with listening() as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        disable_endpoint(endpoint_id=endpoint.pk, actor="user:1", at=at)
        send_test_message(endpoint_id=endpoint.pk, actor="user:1", at=at)
        assert send(at).state == OutboxState.SENT
        assert len(receiver.requests) == 1
    remove_endpoint(endpoint_id=endpoint.pk, actor="user:1", at=at)
    with pytest.raises(NotFound):
        send_test_message(endpoint_id=endpoint.pk, actor="user:1", at=at)


def test_answers_are_kept_to_their_first_four_thousand_characters(program: Program, send: Send, at: datetime) -> None:
    with listening(Reply(500, body=b"\xff\x00" + b"x" * 100_000)) as receiver:
        make_endpoint(program, url=receiver.url)
        tell(program, at)
        send(at)

    detail = OutboxAttempt.objects.get().detail
    assert detail.startswith("HTTP 500 ")
    assert 3_000 < len(detail) <= 4_000


def test_messages_carry_no_more_than_codes_and_addresses(at: datetime) -> None:
    """Whatever a review knows of members stays out of what is told."""
    program = make_reviewable_program()
    make_endpoint(program, url="http://127.0.0.1:1/")
    reviewed(program, state=CycleState.CLOSED)

    bodies = [json.loads(message.payload["body"]) for message in Outbox.objects.filter(channel="webhook")]
    assert bodies != []
    assert {key for body in bodies for key in body} == {"type", "timestamp", "data"}
    assert {key for body in bodies for key in body["data"]} <= {"id", "program", "month", "revision", "url"}
    assert all(len(json.dumps(body)) < egress.READ_LIMIT for body in bodies)
