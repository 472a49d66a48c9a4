"""The console of the ladder: the rule and its versions, who would be where, who moved, and who is held."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.clock import now
from plum_site.lib.models import Outbox, User
from reviews.choices import ReportKind
from reviews.models import LadderHold, LadderVersion, ReviewCycle, Scorecard
from reviews.rules.ladder import STEPS
from reviews.selectors.ladder import read_ladder
from reviews.services import send_report, subscribe
from tests.factories.ladder import FEBRUARY, closing_of, make_ladder_program, partner, put_on_notice
from tests.factories.people import make_member_of_staff
from tests.support.pages import errors_of, list_inline, sign_in, text_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
UNTIL = f"{now() + timedelta(days=9):%Y-%m-%d}"


@pytest.fixture
def program() -> Program:
    made = make_ladder_program()
    put_on_notice(made)
    return made


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def client(anna: User) -> Client:
    return sign_in(anna)


def sent(**changes: Any) -> dict[str, Any]:
    """What the form sends for the rule of the program, with some of it changed."""
    steps = {f"{name}_{part}": value for name in STEPS for part, value in (("months", 2), ("flag_months", 0), ("tried", 0))}
    return {"is_on": "on", "writes": "on", "recovery_months": 2, "number": "1", **steps, **changes}


def test_the_rule_who_is_where_and_who_moved(client: Client) -> None:
    said = text_of(client.get(reverse("admin:ladder")))
    assert "In force: version 1" in said
    assert "Active: after 2 closed reviews in a row of underperforming, the partner is put on notice." in said
    assert "Partner P1 ▲ On notice" in said
    assert "2026-01 underperforming, 2026-02 underperforming" in said
    assert "Contact the partner" in said


def test_a_change_shows_who_would_be_where_before_it_is_saved(client: Client, program: Program) -> None:
    assert "Change the ladder" in text_of(client.get(reverse("admin:write_ladder")))
    asked = client.post(reverse("admin:ask_ladder"), sent(plan_months=1, notice_months=1))
    said = text_of(asked)
    assert "after 1 closed review in a row of underperforming" in said
    assert "Partner P1 ▲ On notice ▲ On notice ▲ Improvement plan ◆ differs" in said
    assert not list_inline(asked.content.decode())
    assert LadderVersion.objects.count() == 1

    saved = client.post(reverse("admin:save_ladder"), sent(plan_months=1, notice_months=1), follow=True)
    assert "Ladder version 2 is in force for reviews that are closed from now on." in text_of(saved)
    assert read_ladder(program.pk).rule.plan.months == 1
    assert partner(program).state == "on_notice"
    late = client.post(reverse("admin:save_ladder"), sent(plan_months=5), follow=True)
    assert "version 2 of the ladder is in force, not 1" in text_of(late)
    again = client.post(reverse("admin:ask_ladder"), sent(plan_months=1, notice_months=1), follow=True)
    assert "That is what is in force already." in text_of(again)


def test_what_cannot_be_stands_beside_its_field(client: Client) -> None:
    assert "plan_months" in errors_of(client.post(reverse("admin:ask_ladder"), sent(plan_months=0)))
    assert LadderVersion.objects.count() == 1


def test_a_partners_page_has_its_rung_and_holds_it(client: Client, program: Program) -> None:
    found = partner(program)
    page = reverse("admin:partners_partner_change", args=[found.pk])
    said = text_of(client.get(page))
    assert "Put on notice" in said
    assert "2 closed reviews in a row" in said
    assert "Start improvement plan" not in said
    assert "Hold it on its rung" in said

    refused = client.post(reverse("admin:save_hold", args=[found.pk]), {"until": "2020-01-01", "reason": "Why."})
    assert "until" in errors_of(refused)
    done = client.post(reverse("admin:save_hold", args=[found.pk]), {"until": UNTIL, "reason": "New people."})
    assert done.status_code == 302
    assert f"Held until {UNTIL} by anna: New people." in text_of(client.get(page))
    assert "New people." in text_of(client.get(reverse("admin:ladder")))
    client.post(reverse("admin:end_hold", args=[found.pk]))
    assert LadderHold.objects.get().ended_at is not None
    assert "Held until" not in text_of(client.get(page))


def test_an_auditor_sees_it_and_holds_nobody(program: Program) -> None:
    auditor = sign_in(make_member_of_staff(program, Role.AUDITOR, "vera"))
    found = partner(program)
    assert "Hold it" not in text_of(auditor.get(reverse("admin:partners_partner_change", args=[found.pk])))
    assert "Change the ladder" not in text_of(auditor.get(reverse("admin:ladder")))
    assert auditor.get(reverse("admin:ask_hold", args=[found.pk])).status_code == 403


def test_review_scorecard_and_report_say_who_moved(client: Client, program: Program) -> None:
    cycle = ReviewCycle.objects.get(month_start_date=FEBRUARY)
    card = Scorecard.objects.get(cycle=cycle, partner=partner(program))
    for url in (
        reverse("admin:reviews_reviewcycle_change", args=[cycle.pk]),
        reverse("admin:reviews_scorecard_change", args=[card.pk]),
    ):
        said = text_of(client.get(url))
        assert "The ladder, when the month was closed" in said
        assert "Put on notice" in said
    other = Scorecard.objects.get(cycle=cycle, partner=partner(program, "P2"))
    assert "The ladder" not in text_of(client.get(reverse("admin:reviews_scorecard_change", args=[other.pk])))

    subscribe(program_id=program.pk, email="boss@example.org", actor="system", at=closing_of(FEBRUARY))
    send_report(cycle_id=cycle.pk, kind=ReportKind.FINAL, at=closing_of(FEBRUARY), actor="system")
    mail = Outbox.objects.get(dedup_key__startswith="report:")
    text = str(mail.payload)
    assert "WHO MOVED ON THE LADDER" in text
    assert "Partner P1: put on notice. 2 closed reviews in a row" in text
