"""Pushes seen from outside: the organisation's own messenger, and the page of a push in the console."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from activity.models import VaultEntry
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.models import AuditEvent, Outbox, User
from reviews.choices import ActionState
from reviews.models import PushRecipient
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import begin_push, make_pushable_program, propose_push, send_all, the_member
from tests.factories.tokens import make_token
from tests.factories.webhooks import make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.fixture
def program() -> Program:
    return make_pushable_program(10)


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


def announced() -> list[dict[str, object]]:
    bodies = [json.loads(row.payload["body"]) for row in Outbox.objects.filter(channel="webhook").order_by("id")]
    return [body["data"] for body in bodies if body["type"] == "push.requested"]


def test_the_own_messenger_is_told_pseudonyms_and_may_ask_who_they_are(program: Program, anna: User) -> None:
    """Those with an address get a mail; the others are named to the messenger, once, by references that only a token resolves."""
    make_endpoint(program, types=["push.requested"])
    VaultEntry.objects.filter(member=the_member(program, "M3")).update(email_sealed=None)
    action = send_all(begin_push(program, anna, channels=["mail", "webhook"]))
    send_all(action)

    [told] = announced()
    assert set(told) == {"id", "program", "push", "references", "url"}
    assert told["push"] == f"push_{action.pk}"
    [reference] = told["references"]
    assert len(reference) == 32
    assert Outbox.objects.filter(channel="push").count() == 9

    _, secret = make_token(program, "timelines:read")
    path = reverse("api:push_recipients", args=[action.pk])
    answer = Client().get(path, headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["data"] == [{"reference": reference, "member": "M3"}]
    entry = AuditEvent.objects.get(action="reviews.read_push_recipients")
    assert (entry.after, entry.actor.startswith("token:")) == ({"members": 1}, True)
    assert Client().get(path).status_code == 401


def test_the_page_of_a_push_shows_it_and_stops_it(program: Program, anna: User, client: Client) -> None:
    client.force_login(anna)
    proposed = propose_push(program, anna)
    page = client.get(reverse("admin:reviews_correctiveaction_push", args=[proposed.pk])).content.decode()
    assert "To be written to" in page
    assert "Stop this push" not in page
    html = client.get(reverse("admin:reviews_correctiveaction_push_html", args=[proposed.pk]))
    assert "Only now in Acme: Offer O1." in html.content.decode()
    assert "sandbox" in html.headers["Content-Security-Policy"]

    action = begin_push(program, anna)
    page = client.get(reverse("admin:reviews_correctiveaction_push", args=[action.pk])).content.decode()
    assert "What became of it" in page
    assert "Stop this push" in page
    assert "Why" in client.get(reverse("admin:reviews_correctiveaction_ask_stop", args=[action.pk])).content.decode()
    stop = reverse("admin:reviews_correctiveaction_stop", args=[action.pk])
    assert "required" in client.post(stop, {"reason": ""}).content.decode()
    page = client.post(stop, {"reason": "Wrong price."}, follow=True).content.decode()
    assert "Wrong price." in page
    action.refresh_from_db()
    assert action.state != ActionState.EXECUTING
    assert PushRecipient.objects.filter(action=action, state="stopped").count() == 10
    assert (
        "The message, and what became of it"
        in client.get(reverse("admin:reviews_correctiveaction_change", args=[action.pk])).content.decode()
    )
