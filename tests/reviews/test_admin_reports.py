"""The report and its recipients in the console: looked at before it is sent, sent by hand, seen who got it."""

import pytest
from django.test import Client
from django.urls import reverse

from plum_site.lib import mail, outbox
from plum_site.lib.choices import Role
from plum_site.lib.models import Outbox, User
from reviews.models import ReviewCycle, Subscription
from reviews.services import subscribe
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import GOOD, IN_JULY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def cycle() -> ReviewCycle:
    program = make_reviewable_program("P1", "P2")
    record_month(program, "2026-06", {"P1": GOOD, "P2": {"views": 90}})
    return reviewed(program)


def sign_in(cycle: ReviewCycle, role: str = Role.PROGRAM_ADMIN) -> tuple[Client, User]:
    person = make_member_of_staff(cycle.program, role)
    person.email = "ada@example.org"
    person.save()
    client = Client()
    client.force_login(person)
    return client, person


def page(client: Client, name: str, cycle: ReviewCycle, query: str = "") -> str:
    answer = client.get(reverse(f"admin:reviews_reviewcycle_{name}", args=[cycle.pk]) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_report_is_looked_at_as_each_recipient_gets_it(cycle: ReviewCycle) -> None:
    client, _ = sign_in(cycle)
    assert "Nobody gets it yet" in page(client, "report", cycle)
    cycle.program.partners.filter(external_id="P2").update(country="SE")
    row = subscribe(
        program_id=cycle.program_id, email="se@example.org", scope="country", scope_value="SE", actor="system", at=IN_JULY
    )

    mine, theirs = page(client, "report", cycle), page(client, "report", cycle, f"?for={row.pk}")

    assert "1 recipient, each" in mine
    assert "Partner P1" in mine
    assert "Partner P1" not in theirs.partition("plum-words")[2]
    assert "Partner P2" in theirs.partition("plum-words")[2]
    assert Outbox.objects.count() == 0, "looking sends nothing"


def test_the_frame_of_the_html_part_runs_nothing(cycle: ReviewCycle) -> None:
    client, _ = sign_in(cycle)

    answer = client.get(reverse("admin:reviews_reviewcycle_report_html", args=[cycle.pk]))

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox")
    assert "allow-scripts" not in policy
    assert "style=" in answer.content.decode()
    assert "<script" not in answer.content.decode()


def test_sending_now_goes_to_every_recipient_and_is_seen(cycle: ReviewCycle) -> None:
    client, _ = sign_in(cycle)
    subscribe(program_id=cycle.program_id, email="cfo@example.org", actor="system", at=IN_JULY)

    answer = client.post(reverse("admin:reviews_reviewcycle_send_report", args=[cycle.pk]), follow=True).content.decode()

    assert "1 message on the way." in answer
    assert "PRELIMINARY, by hand" in answer
    assert "cfo@example.org" in answer
    assert "Waiting" in answer
    again = client.post(reverse("admin:reviews_reviewcycle_send_report", args=[cycle.pk]), follow=True).content.decode()
    assert "It was sent a moment ago already." in again


def test_a_mail_that_its_recipient_refused_is_seen(cycle: ReviewCycle, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = sign_in(cycle)

    def refuse(message: Outbox) -> outbox.Delivered:
        raise outbox.Refused("550 no such mailbox")

    monkeypatch.setitem(outbox.CHANNELS, mail.CHANNEL, outbox.Channel(refuse, ()))
    client.post(reverse("admin:reviews_reviewcycle_report_to_me", args=[cycle.pk]))
    outbox.send_due(Outbox.objects.get().due_at)

    shown = page(client, "report", cycle)

    assert "a copy for the sender" in shown
    assert "Given up" in shown


def test_an_analyst_gets_a_copy_and_sends_to_nobody_else(cycle: ReviewCycle) -> None:
    client, person = sign_in(cycle, Role.ANALYST)
    subscribe(program_id=cycle.program_id, email="cfo@example.org", actor="system", at=IN_JULY)

    assert "Send the report now" not in page(client, "report", cycle)
    assert client.post(reverse("admin:reviews_reviewcycle_send_report", args=[cycle.pk])).status_code == 403
    answer = client.post(reverse("admin:reviews_reviewcycle_report_to_me", args=[cycle.pk]), follow=True).content.decode()

    assert "On the way to ada@example.org." in answer
    assert [message.recipient for message in Outbox.objects.all()] == [person.email]


def test_without_recipients_sending_says_what_to_do(cycle: ReviewCycle) -> None:
    client, _ = sign_in(cycle)

    answer = client.post(reverse("admin:reviews_reviewcycle_send_report", args=[cycle.pk]), follow=True).content.decode()

    assert "Nothing was sent. Add a subscription first." in answer


def test_a_subscription_is_added_paused_resumed_and_ended(cycle: ReviewCycle) -> None:
    client, _ = sign_in(cycle)
    add = reverse("admin:reviews_subscription_add")
    data = {"user": "", "email": "cfo@example.org", "name": "Carla", "scope": "whole", "scope_value": ""}

    assert client.post(add, data).status_code == 302
    row = Subscription.objects.get()
    for name, says in (("pause", "Paused:"), ("resume", "Active:"), ("end", "Ended:")):
        answer = client.post(reverse(f"admin:reviews_subscription_{name}", args=[row.pk]), follow=True).content.decode()
        assert says in answer
    assert "Unsubscribed" in client.get(reverse("admin:reviews_subscription_changelist")).content.decode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"email": ""}, "Write an address, or choose a person who has one."),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"scope": "category", "scope_value": "cars"}, "There is no category &#x27;cars&#x27; in this program."),
        ({"scope": "owned"}, "Only a person with a login owns partners: choose one."),
    ],
)
def test_what_is_wrong_with_a_subscription_stands_beside_the_field(cycle: ReviewCycle, data: dict[str, str], says: str) -> None:
    client, _ = sign_in(cycle)
    given = {"user": "", "email": "cfo@example.org", "name": "", "scope": "whole", "scope_value": ""} | data

    answer = client.post(reverse("admin:reviews_subscription_add"), given)

    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert Subscription.objects.count() == 0
