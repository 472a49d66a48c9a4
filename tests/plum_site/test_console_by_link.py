"""Pages by the signed link in a mail: a quota for each link and for each network, and the next minute it is whole again."""

import re
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from partners.services import save_contact
from plum_site.console.by_link import refuse_too_many
from plum_site.lib import limits
from plum_site.lib.choices import Role
from reviews.choices import ActionKind, SubscriptionState
from reviews.models import PartnerAnswer, PartnerLink, PushOptOut, PushRecipient, Subscription
from reviews.services import subscribe, unsubscribe_url
from reviews.services.actions import letter_url, opt_out_url
from tests.factories.actions import AT, carry_out, make_correctable_program, propose
from tests.factories.people import make_member_of_staff
from tests.factories.pushes import begin_push, make_pushable_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.usefixtures("fresh_quotas")]

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def set_quotas(settings: Any, *, link: int = 0, address: int = 0) -> None:
    settings.RATE_LIMITS = {"link": link, "link-address": address}


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def reports(number: int) -> list[str]:
    """The paths of so many links that end a subscription each."""
    program = make_correctable_program()
    admin = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    emails = [f"reader{index}@example.org" for index in range(number)]
    rows = [subscribe(program_id=program.pk, email=email, actor=admin, at=AT) for email in emails]
    return [path_of(unsubscribe_url(subscription=row)) for row in rows]


def test_a_link_used_too_often_waits_and_the_others_do_not(settings: Any, clock: Any) -> None:
    set_quotas(settings, link=2)
    mine, theirs = reports(2)
    client = Client()

    assert [client.get(mine).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(theirs).status_code == 200
    clock.return_value += 59
    assert client.get(mine)["Retry-After"] == "1"
    clock.return_value += 1
    assert client.get(mine).status_code == 200


def test_the_page_says_in_words_what_to_do_and_asks_the_database_nothing(settings: Any, clock: Any) -> None:
    set_quotas(settings, link=1)
    [path] = reports(1)
    client = Client()
    client.get(path)
    clock.return_value += 19

    with CaptureQueriesContext(connection) as asked:
        refused = client.get(path)
    text = " ".join(re.sub(r"<[^>]+>", " ", refused.content.decode()).split())

    assert not asked.captured_queries
    assert (refused.status_code, refused["Retry-After"]) == (429, "41")
    assert "This link was used more than 1 time within a minute." in text
    assert "the link still works. Open it again in 41 seconds." in text
    assert (refused["X-Robots-Tag"], refused["Referrer-Policy"]) == ("noindex, nofollow", "no-referrer")
    assert "no-store" in refused["Cache-Control"]


def test_sending_has_a_quota_too_and_what_is_beyond_changes_nothing(settings: Any) -> None:
    program = make_pushable_program()
    recipient = PushRecipient.objects.filter(
        action=begin_push(program, make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna"))
    )[0]
    path = path_of(opt_out_url(recipient=recipient))
    set_quotas(settings, link=1)
    client = Client(enforce_csrf_checks=True)

    assert client.post(path, ONE_CLICK).status_code == 200
    refused = client.post(path, {"again": "1"})

    assert refused.status_code == 429
    assert "Nothing was sent or changed. Go back in your browser" in " ".join(refused.content.decode().split())
    assert PushOptOut.objects.count() == 1


def test_a_scanner_that_opens_every_link_keeps_nobody_from_one_click(settings: Any) -> None:
    """Reading and sending are counted apart, by link and by network."""
    set_quotas(settings, link=2, address=4)
    paths = reports(5)
    scanner, provider = Client(), Client(enforce_csrf_checks=True)

    assert [scanner.get(path).status_code for path in paths] == [200, 200, 200, 200, 429]
    assert "from your network" in scanner.get(paths[0]).content.decode()
    assert [provider.post(path, ONE_CLICK).status_code for path in paths[:4]] == [200] * 4
    assert Subscription.objects.filter(state=SubscriptionState.UNSUBSCRIBED).count() == 4
    assert Client(REMOTE_ADDR="203.0.113.9").get(paths[0]).status_code == 200


def test_a_company_behind_one_address_fits_into_what_is_set_by_default() -> None:
    """The links of one mailing to 2,500 people, each opened and ended within a minute from one address."""
    requests = RequestFactory().get("/"), RequestFactory().post("/")

    assert [refuse_too_many(request, str(link)) for link in range(2500) for request in requests] == [None] * 5000


def test_a_partners_answers_are_counted(settings: Any) -> None:
    program = make_correctable_program()
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    person = {"name": "Ann", "email": "ann@p1.example", "role": "account", "language": "en"}
    save_contact(partner_id=program.partners.get(external_id="P1").pk, **person, actor="system", at=AT)
    params = {"subject": "Your offers", "text": "What happened?"}
    carry_out(propose(program, anna, ActionKind.CONTACT_PARTNER, params=params), anna)
    path = path_of(letter_url(link=PartnerLink.objects.all()[0]))
    set_quotas(settings, link=2)
    client = Client()

    with mock.patch("plum_site.console.partner_card.now", return_value=AT):
        answers = [client.post(path, {"text": f"Answer {number}"}).status_code for number in range(3)]
        assert client.get(path).status_code == 200

    assert answers == [302, 302, 429]
    assert PartnerAnswer.objects.count() == 2


def test_a_word_that_is_neither_reading_nor_sending_is_refused_and_not_counted(settings: Any) -> None:
    set_quotas(settings, link=1)
    [path] = reports(1)

    refused = Client().delete(path)

    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD, POST")
    assert Client().get(path).status_code == 200


class TestNetworks:
    """Behind proxies the network is what they say, never what the client says."""

    def find(self, settings: Any, proxies: int, remote: str, forwarded: str = "") -> str:
        settings.PROXIES = proxies
        more = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
        return limits.find_network(RequestFactory().get("/", REMOTE_ADDR=remote, **more))

    @pytest.mark.parametrize(
        ("proxies", "remote", "forwarded", "network"),
        [
            (0, "203.0.113.9", "", "203.0.113.9"),
            (0, "203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody is asked to trust that header
            (1, "127.0.0.1", "198.51.100.1", "198.51.100.1"),
            (1, "127.0.0.1", "10.9.9.9, 198.51.100.1", "198.51.100.1"),  # the client wrote the first
            (2, "127.0.0.1", "10.9.9.9, 198.51.100.1, 192.0.2.7", "198.51.100.1"),
            (1, "", "198.51.100.1:50123", "198.51.100.1"),
            (1, "", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
            (0, "2001:db8:1:2:ffff::9", "", "2001:db8:1:2::/64"),
            (0, "::ffff:203.0.113.9", "", "203.0.113.9"),
            (0, "", "", ""),  # a socket, and no proxy that says who called it
            (1, "127.0.0.1", "", ""),
            (2, "127.0.0.1", "198.51.100.1", ""),
            (1, "127.0.0.1", "unknown", ""),
        ],
    )
    def test_it_is_read(self, settings: Any, proxies: int, remote: str, forwarded: str, network: str) -> None:
        assert self.find(settings, proxies, remote, forwarded) == network

    def test_who_is_unknown_has_the_quota_of_the_link_alone(self, settings: Any) -> None:
        set_quotas(settings, link=1, address=1)
        [mine, theirs] = reports(2)
        client = Client(REMOTE_ADDR="")
        assert [client.get(path).status_code for path in (mine, theirs, mine)] == [200, 200, 429]


def test_strangers_push_no_token_out_of_memory(settings: Any) -> None:
    settings.RATE_LIMITS = {"requests": 1, "link": 5}
    limits.count("requests", "token")
    with mock.patch.object(limits, "MOST_HOLDERS", 3):
        for holder in "abcdef":
            limits.count("link", holder)
    assert limits.count("requests", "token")[1]
