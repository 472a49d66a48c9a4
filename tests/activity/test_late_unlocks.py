"""Unlocks that came after an offer was withdrawn: counted by the instant, and shown on its page."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from activity.selectors.late_unlocks import Withdrawal, list_withdrawals
from activity.services import seal_ledger
from offers.choices import OfferState
from offers.models import Offer
from offers.services import change_offer_state
from partners.models import Partner, Program
from partners.services import change_partner_state
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.offers import make_offer
from tests.factories.people import make_member_of_staff
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

PAUSED_AT, RESUMED_AT = datetime(2026, 6, 15, 10, tzinfo=UTC), datetime(2026, 6, 17, 16, tzinfo=UTC)
AFTERWARDS = datetime(2026, 7, 15, 9, 30, tzinfo=UTC)
TITLE = "Unlocks after it was withdrawn"
JUNE = date(2026, 6, 1), date(2026, 7, 1)


@pytest.fixture
def program() -> Program:
    return make_stocked_program()


def the_offer(program: Program, name: str = "O1") -> Offer:
    return Offer.objects.get(program=program, external_id=name)


def change(program: Program, name: str, at: datetime) -> None:
    change_offer_state(offer_id=the_offer(program).pk, name=name, actor="system", at=at, comment="stock is gone")


def counted(program: Program, name: str, starts_date: date, ends_date: date) -> list[int]:
    return [one.late_unlocks for one in list_withdrawals(program, the_offer(program, name), starts_date, ends_date)]


def test_they_are_counted_by_the_instant_sealed_and_unsealed(program: Program) -> None:
    """On the days of the pause and of the return, and between them; other kinds, failures and other offers are none."""
    change(program, "pause", PAUSED_AT)
    change(program, "resume", RESUMED_AT)
    program.refresh_from_db()
    before, after = "2026-06-15T09:59:59Z", "2026-06-15T10:00:00Z"
    moments = [before, after, "2026-06-16T12:00:00Z", "2026-06-17T15:59:59Z", "2026-06-17T16:00:00Z"]
    record(program, [event(number, "unlocked", occurred_at=moment) for number, moment in enumerate(moments)])
    others = [{"kind": "activated"}, {"status": "failed", "reason_code": "declined"}, {"offer": "O2"}]
    record(
        program, [event(10 + number, **({"kind": "unlocked", "occurred_at": after} | own)) for number, own in enumerate(others)]
    )

    for is_sealed in (False, True):
        if is_sealed:
            seal_ledger(program_id=program.pk, at=AFTERWARDS)
        assert list_withdrawals(program, the_offer(program), *JUNE) == [Withdrawal(PAUSED_AT, RESUMED_AT, 3)]
        assert counted(program, "O1", date(2026, 6, 16), date(2026, 6, 17)) == [1]
        assert counted(program, "O1", date(2026, 6, 18), date(2026, 7, 1)) == []
        assert counted(program, "O2", *JUNE) == []


def test_a_partner_that_was_paused_withdraws_its_offers_and_nothing_counts_twice(program: Program) -> None:
    change(program, "pause", PAUSED_AT)
    partner = Partner.objects.get(program=program, external_id="P1")
    later = PAUSED_AT + timedelta(hours=1)
    change_partner_state(partner_id=partner.pk, name="pause", actor="system", at=later, comment="stock is gone")
    program.refresh_from_db()
    moments = ["2026-06-15T10:30:00Z", "2026-06-15T11:30:00Z", "2026-06-16T11:30:00Z"]
    record(program, [event(number, "unlocked", occurred_at=moment) for number, moment in enumerate(moments)])

    assert list_withdrawals(program, the_offer(program), *JUNE) == [Withdrawal(PAUSED_AT, None, 3)]
    record(program, [event(9, "unlocked", offer="O2", occurred_at="2026-06-15T10:30:00Z")])
    assert list_withdrawals(program, the_offer(program, "O2"), *JUNE) == [Withdrawal(later, None, 0)]


def test_each_withdrawal_has_its_own_and_the_ledger_is_read_in_one_statement(
    program: Program, django_assert_num_queries: Any
) -> None:
    pauses = [PAUSED_AT + timedelta(hours=hours) for hours in (0, 2, 24)]
    for at in pauses:
        change(program, "pause", at)
        change(program, "resume", at + timedelta(hours=1))
    program.refresh_from_db()
    moments = [at + timedelta(minutes=minutes) for at, number in zip(pauses, (1, 3, 2), strict=True) for minutes in range(number)]
    moments += [at + timedelta(minutes=minutes) for at in pauses for minutes in (-1, 60)]
    record(program, [event(number, "unlocked", occurred_at=moment.isoformat()) for number, moment in enumerate(moments)])
    seal_ledger(program_id=program.pk, at=AFTERWARDS)

    assert counted(program, "O1", *JUNE) == [1, 3, 2]
    seen: list[str] = []
    with connection.execute_wrapper(lambda execute, sql, *rest: (seen.append(sql), execute(sql, *rest))[1]):
        counted(program, "O1", *JUNE)
    assert sum('FROM "activity_event"' in sql for sql in seen) == 1
    offer = the_offer(program, "O3")
    with django_assert_num_queries(0):
        assert list_withdrawals(program, offer, *JUNE) == [], "what was never withdrawn costs nothing"


def panels(client: Client, program: Program) -> dict[str, Any]:
    answer = client.get(reverse("admin:offers_offer_change", args=[the_offer(program).pk]))
    return {one.title: one.contents for one in answer.context["panels"]}


def test_the_page_of_an_offer_says_how_many_and_leads_to_them(program: Program) -> None:
    at = now() - timedelta(days=2)
    client = sign_in(make_member_of_staff(program, Role.PROGRAM_ADMIN))
    assert TITLE not in panels(client, program)

    change(program, "pause", at)
    record(program, [event(1, "unlocked", occurred_at=(at + timedelta(hours=1)).isoformat())], at=now())
    record(program, [event(2, "unlocked", occurred_at=(at - timedelta(days=1)).isoformat(), offer="O3")], at=now())

    assert TITLE in text_of(client.get(reverse("admin:offers_offer_change", args=[the_offer(program).pk])))
    table = panels(client, program)[TITLE]["table"]
    [[_from, until, number]] = table.rows
    assert (until, str(number)) == ("now", "1")
    assert "refuses" not in table.note
    address = urlsplit(table.more_url)
    found = client.get(address.path, dict(parse_qsl(address.query))).context["cl"].result_list
    assert [row.offer.external_id for row in found] == ["O1"]


def test_a_program_that_refuses_them_says_that_those_are_not_counted(program: Program) -> None:
    at = now() - timedelta(days=2)
    change(program, "pause", at)
    Program.objects.filter(pk=program.pk).update(refuses_withdrawn_unlocks=True)
    client = sign_in(make_member_of_staff(program, Role.PROGRAM_ADMIN))

    table = panels(client, program)[TITLE]["table"]

    assert [str(row[2]) for row in table.rows] == ["0"]
    assert "refuses such by now" in table.note


def test_an_offer_that_was_withdrawn_before_there_was_a_history(program: Program) -> None:
    """Its first state reaches back: there is no instant from which on it was."""
    make_offer(program, "gone", OfferState.RETIRED)
    client = sign_in(make_member_of_staff(program, Role.PROGRAM_ADMIN))
    page = client.get(reverse("admin:offers_offer_change", args=[the_offer(program, "gone").pk]))
    [panel] = [one for one in page.context["panels"] if one.title == TITLE]
    assert panel.contents["table"].rows == [["the beginning", "now", "0"]]


@pytest.mark.parametrize(("role", "leads_on"), [(Role.AUDITOR, True), (Role.PARTNER_OPS, False)])
def test_only_who_may_read_events_is_led_to_them(program: Program, role: str, leads_on: bool) -> None:
    change(program, "pause", now() - timedelta(days=2))
    found = panels(sign_in(make_member_of_staff(program, role)), program)
    assert bool(found[TITLE]["table"].more_url) == leads_on
