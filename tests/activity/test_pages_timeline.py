"""A member's timeline: nothing is read without a reason, and every reading is in the audit log."""

import pytest
from django.test import Client
from django.urls import reverse

from activity.models import Member
from partners.models import Program
from plum_site.lib.models import AuditEvent
from tests.factories.ledger import event, make_stocked_program, record
from tests.factories.people import make_member_of_staff
from tests.support.pages import errors_of, sign_in, text_of


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
