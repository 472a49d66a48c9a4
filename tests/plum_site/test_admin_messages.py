"""Outgoing messages in the console: what was said, how each attempt ended, and another try for what was given up."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib import mail, outbox
from plum_site.lib.choices import OutboxState, Role
from plum_site.lib.models import AuditEvent, Outbox
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused(at: datetime, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """A mail that its recipient's server refused."""
    program = make_program()

    def refuse(message: Outbox) -> outbox.Delivered:
        raise outbox.Refused("550 no <such> mailbox")

    monkeypatch.setitem(outbox.CHANNELS, mail.CHANNEL, outbox.Channel(refuse, ()))
    page = "<html><body>x</body></html>"
    message = mail.send(
        to=("", "ada@example.org"), subject="A report", text="x", html=page, dedup_key="k", program_id=program.pk, at=at
    )
    outbox.send_due(at)
    return message


def client_of(message: Outbox, role: str) -> Client:
    program = Program.objects.get(pk=message.program_id)
    client = Client()
    client.force_login(make_member_of_staff(program, role))
    return client


def test_the_list_and_the_row_say_what_became_of_a_message(refused: Outbox) -> None:
    client = client_of(refused, Role.ANALYST)

    listed = client.get(reverse("admin:plum_outbox_changelist")).content.decode()
    shown = client.get(reverse("admin:plum_outbox_change", args=[refused.pk])).content.decode()

    assert "A report" in listed
    assert "Given up" in listed
    assert "550 no &lt;such&gt; mailbox" in shown
    assert "Refused" in shown
    assert "Try again" not in shown, "an analyst looks on"


def test_a_program_admin_has_it_tried_again(refused: Outbox) -> None:
    client = client_of(refused, Role.PROGRAM_ADMIN)
    page = reverse("admin:plum_outbox_change", args=[refused.pk])
    assert "Try again" in client.get(page).content.decode()

    answer = client.post(reverse("admin:plum_outbox_revive", args=[refused.pk]), follow=True)

    assert "The message is tried again." in answer.content.decode()
    refused.refresh_from_db()
    assert (refused.state, refused.attempts) == (OutboxState.WAITING, 0)
    assert AuditEvent.objects.filter(action="plum.revive_message", program_id=refused.program_id).count() == 1

    again = client.post(reverse("admin:plum_outbox_revive", args=[refused.pk]), follow=True)
    assert "only one that was given up is tried again" in again.content.decode()
