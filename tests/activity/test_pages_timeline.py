"""A member's timeline: nothing is read without a reason, and every reading is in the audit log."""

import pytest
from django.test import Client
from django.urls import reverse

from activity.models import Member
from partners.models import Program
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.people import make_member_of_staff
from tests.support.figures import read_page
from tests.support.pages import errors_of, sign_in, text_of

pytestmark = pytest.mark.slow


@pytest.fixture
def program(db: None) -> Program:
    program = make_stocked_program()
    record(
        program,
        [
            event(1, occurred_at="2026-06-01T10:00:00Z"),
            event(2, kind="unlocked", occurred_at="2026-06-02T10:00:00Z"),
            event(3, kind="redeemed", spend_amount="12.50", spend_currency="EUR", transaction_ref="T-77"),
        ],
    )
    return program


@pytest.fixture
def client(program: Program) -> Client:
    return sign_in(make_member_of_staff(program, "analyst"))


def readings() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="activity.read_timeline"))


def test_a_member_is_found_by_outside_id_with_a_reason(client: Client) -> None:
    answer = client.post(reverse("admin:show_found_member"), {"external_id": "M1", "reason": "asked by the member"})
    said = text_of(answer)
    assert "12.50 EUR" in said
    assert "T-77" in said
    [reading] = readings()
    assert reading.comment == "asked by the member"
    assert reading.actor.startswith("user:")


def test_an_unknown_member_finds_nothing_and_logs_nothing(client: Client) -> None:
    answer = client.post(reverse("admin:show_found_member"), {"external_id": "M404", "reason": "asked by the member"})
    assert "external_id" in errors_of(answer)
    assert not readings()


def test_without_a_reason_nothing_is_read(client: Client, program: Program) -> None:
    member = Member.objects.filter(program=program).first()
    assert member is not None
    for reason in ("", "  ", "x"):
        answer = client.post(reverse("admin:show_timeline", args=[member.pk]), {"reason": reason})
        assert "reason" in errors_of(answer)
    assert not readings()


def test_opening_the_address_reads_nothing(client: Client, program: Program) -> None:
    member = Member.objects.filter(program=program).first()
    assert member is not None
    assert client.get(reverse("admin:show_timeline", args=[member.pk])).status_code == 405
    assert client.get(reverse("admin:ask_timeline", args=[member.pk])).status_code == 200
    assert not readings()


def test_members_of_others_are_unknown(client: Client) -> None:
    foreign = Member.objects.filter(program=make_stocked_program("other")).first()
    assert foreign is not None
    answer = client.post(reverse("admin:show_timeline", args=[foreign.pk]), {"reason": "asked by the member"})
    assert answer.status_code == 404
    assert not readings()


def test_lists_and_pages_never_show_the_outside_id(program: Program) -> None:
    client = sign_in(make_member_of_staff(program, "program_admin"))
    member = Member.objects.filter(program=program).first()
    assert member is not None
    for url in (reverse("admin:activity_member_changelist"), reverse("admin:activity_member_change", args=[member.pk])):
        assert "M1" not in text_of(client.get(url)).split()


class TestJourney:
    """A member with gaps, failures, a reversal, and things in the wrong order."""

    @pytest.fixture
    def said(self, db: None) -> str:
        program = make_stocked_program(recorded_stages=["viewed", "unlocked", "activated", "redeemed"])
        money = {"spend_amount": "20.00", "spend_currency": "EUR"}
        failed = {"status": "failed", "reason_code": "no_stock"}
        record(
            program,
            [
                event(1, occurred_at="2026-06-01T10:00:00Z"),
                event(2, occurred_at="2026-06-01T11:00:00Z"),
                event(3, "activated", occurred_at="2026-06-03T10:00:00Z"),
                event(4, "redeemed", occurred_at="2026-06-03T11:00:00Z", **failed),
                event(5, "redeemed", occurred_at="2026-06-03T12:00:00Z", **failed),
                event(6, "redeemed", occurred_at="2026-06-03T13:00:00Z", transaction_ref="T-1", **money),
                event(7, "redeemed", status="reversed", occurred_at="2026-06-09T10:00:00Z", reverses="e6", **money),
                event(8, "unlocked", offer="O3", occurred_at="2026-06-02T10:00:00Z"),
                event(9, offer="O3", occurred_at="2026-06-02T10:05:00Z"),
            ],
        )
        self.client = sign_in(make_member_of_staff(program, "analyst"))
        self.answer = self.client.post(reverse("admin:show_found_member"), {"external_id": "M1", "reason": "a complaint"})
        return text_of(self.answer)

    def test_stages_with_gaps_and_times_between_them(self, said: str) -> None:
        assert "Viewed 1 Jun 2026, 12:00 2 times, last 1 Jun 2026, 13:00" in said
        assert "Unlocked not recorded for this offer" in said
        assert "Activated without a recorded unlock." in said
        assert "Activated 3 Jun 2026, 12:00 2 d later" in said
        assert "Unlocked before it was viewed." in said
        assert "5 min before" in said

    def test_failures_say_why_and_reversals_what_they_take_back(self, said: str) -> None:
        assert "Redeemed failed 2 times: no_stock" in said
        assert "1 redemption taken back" in said
        text = self.answer.content.decode()
        assert '<tr id="event-9">' in text
        assert '<a href="#event-8">takes this one back</a>' in text
        assert '<a href="#event-9">taken back</a>' in text

    def test_summary_and_the_way_to_the_figures(self, said: str) -> None:
        assert "First seen 1 Jun 2026, 12:00 Last seen 9 Jun 2026, 12:00" in said
        assert "2, of 2 partners, in 9 events" in said
        assert "20.00 EUR of which taken back: 20.00 EUR" in said
        assert "2 failed, 1 reversed" in said
        buttons = {button.label: button.url for button in self.answer.context["buttons"]}
        page = self.client.get(buttons["Dashboard of this member"])
        assert page.status_code == 200
        assert read_page(page.content.decode()).totals["redemptions"] == 1
        events = self.client.get(buttons["Single events"])
        assert len(events.context["cl"].result_list) == 9

    def test_everything_is_in_the_order_of_time(self, said: str) -> None:
        times = [entry.event["occurred_at"] for entry in self.answer.context["entries"]]
        assert times == sorted(times)
        assert len(times) == 9


def test_a_member_who_did_nothing_is_told_as_such(program: Program, client: Client) -> None:
    said = text_of(client.post(reverse("admin:show_found_member"), {"external_id": "M2", "reason": "asked by the member"}))
    assert "has done nothing yet" in said
