"""Webhooks in the console: added with a secret that is shown once, tested, edited, disabled, removed; the log of messages."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from standardwebhooks.webhooks import Webhook

from exports.choices import EndpointState
from exports.models import WebhookDelivery, WebhookEndpoint
from exports.services import disable_endpoint
from partners.models import Program
from plum_site.lib import egress, outbox
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.webhooks import PUBLIC, make_endpoint
from tests.support.pages import errors_of, list_inline, sign_in, text_of
from tests.support.receivers import Reply, listening

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LIST = "admin:exports_webhookendpoint_changelist"
ADD = "admin:exports_webhookendpoint_add"
ONE = "admin:exports_webhookendpoint_change"
MESSAGE = "admin:exports_webhookdelivery_change"


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "program_admin"))


@pytest.fixture
def with_loopback(settings: Any) -> None:
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, [ipaddress.ip_network("127.0.0.1/32")]


def press(client: Client, endpoint: WebhookEndpoint, button: str) -> Any:
    return client.post(reverse(f"admin:exports_webhookendpoint_{button}", args=[endpoint.pk]), follow=True)


def test_a_webhook_is_added_and_its_secret_shown_once(client: Client, program: Program) -> None:
    given = {"name": "Warehouse", "url": f"{PUBLIC}?key=k1", "types": ["review.finalized", "partner.flagged"]}
    made = client.post(reverse(ADD), given)

    assert made.status_code == 200
    assert not list_inline(made.content.decode())
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/]{43}=", text_of(made))
    Webhook(secret)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.name, endpoint.url, endpoint.types) == tuple(given.values())
    for page in (client.get(reverse(ONE, args=[endpoint.pk])), client.get(reverse(LIST)), client.get(reverse(ADD))):
        assert secret not in page.content.decode()
    assert "k1" not in text_of(client.get(reverse(LIST))), "keys in the query are not shown in lists"


def test_what_cannot_work_is_said_beside_its_field(client: Client) -> None:
    given = {"name": "Inner", "url": "https://169.254.169.254/latest/", "types": ["review.finalized"]}
    refused = client.post(reverse(ADD), given)

    assert "private or special network" in errors_of(refused)["url"][0]
    assert "This field is required" in str(errors_of(client.post(reverse(ADD), {**given, "types": []}))["types"])
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_while_a_name_is_looked_up(client: Client, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server may take seconds; on SQLite an open transaction would stop every other writer for so long."""
    was_open = []

    def look_up(target: egress.Target, until: float) -> list[egress.Address]:
        was_open.append(connection.in_atomic_block)
        return [ipaddress.ip_address("8.8.8.8")]

    monkeypatch.setattr(egress, "_resolve_within", look_up)  # in this thread, where the connection is
    given = {"name": "Lake", "url": "https://hooks.example.org/", "types": ["export.ready"]}

    assert client.post(reverse(ADD), given).status_code == 200
    endpoint = WebhookEndpoint.objects.get()
    client.post(reverse(ONE, args=[endpoint.pk]), {**given, "name": "Renamed"})
    client.post(reverse(ONE, args=[endpoint.pk]), {**given, "url": "https://hooks.example.org/2"})

    endpoint.refresh_from_db()
    assert endpoint.url.endswith("/2")
    assert was_open == [False, False], "and an address that stays is not looked up again"


def test_editing_keeps_what_is_not_changed(client: Client, program: Program) -> None:
    endpoint = make_endpoint(program)
    client.post(reverse(ONE, args=[endpoint.pk]), {"name": "Lake", "url": endpoint.url, "types": ["export.ready"]})

    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.url, endpoint.types, endpoint.state) == ("Lake", PUBLIC, ["export.ready"], "active")


def test_a_test_message_leads_to_its_page_which_shows_the_answer(client: Client, program: Program, with_loopback: None) -> None:
    with listening(Reply(418, body=b"<b>I am a teapot</b>")) as receiver:
        endpoint = make_endpoint(program, url=receiver.url)
        page = press(client, endpoint, "test")
        delivery = WebhookDelivery.objects.get()
        assert page.redirect_chain[0][0] == reverse(MESSAGE, args=[delivery.pk])
        assert 'data-live="1"' in page.content.decode()
        progress = reverse("admin:exports_webhookdelivery_progress", args=[delivery.pk])
        assert client.get(progress).json()["ended"] is False
        outbox.send_due(datetime.now(UTC))

    assert client.get(progress).json()["ended"] is True
    page = client.get(reverse(MESSAGE, args=[delivery.pk]))
    assert "HTTP 418 <b>I am a teapot</b>" in text_of(page)
    assert "<b>I am" not in page.content.decode(), "an answer is text"
    assert "data-live" not in page.content.decode()
    assert not list_inline(page.content.decode())
    assert "webhook.test" in text_of(client.get(reverse(ONE, args=[endpoint.pk])))


def test_buttons_disable_enable_and_remove(client: Client, program: Program) -> None:
    endpoint = make_endpoint(program)

    page = press(client, endpoint, "disable")
    assert "Disabled by hand." in text_of(page)
    assert "Enable" in text_of(page)
    assert "told again" in text_of(press(client, endpoint, "enable"))
    assert "was removed" in text_of(press(client, endpoint, "remove"))

    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.REMOVED
    assert client.get(reverse(ONE, args=[endpoint.pk])).status_code == 404
    assert press(client, endpoint, "test").status_code == 404


def test_pages_say_since_when_and_why(client: Client, program: Program, at: datetime) -> None:
    endpoint = make_endpoint(program)
    assert "Why it is disabled" not in text_of(client.get(reverse(ONE, args=[endpoint.pk])))
    WebhookEndpoint.objects.update(first_failed_at=at - timedelta(days=2))
    assert "Active, but failing" in text_of(client.get(reverse(LIST)))
    assert "Failing since" in text_of(client.get(reverse(ONE, args=[endpoint.pk])))
    disable_endpoint(endpoint_id=endpoint.pk, reason="Moved away", actor="user:1", at=at)
    assert "Moved away" in text_of(client.get(reverse(ONE, args=[endpoint.pk])))


def test_an_auditor_reads_and_has_no_buttons(program: Program) -> None:
    endpoint = make_endpoint(program)
    client = sign_in(make_member_of_staff(program, "auditor"))

    page = client.get(reverse(ONE, args=[endpoint.pk]))
    assert "A monthly review was closed" in text_of(page)
    assert "Send a test message" not in text_of(page).replace("Send a test message to see", "")
    assert press(client, endpoint, "disable").status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.ACTIVE
