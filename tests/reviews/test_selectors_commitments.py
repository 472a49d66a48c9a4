"""A review opens with what was decided in the one before, and says which events came late."""

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from reviews.choices import CycleState
from reviews.models import ReviewCycle, Scorecard
from reviews.selectors import list_commitments, list_scorecards, summarise_late
from reviews.services import close_cycle, decide, decide_by_standing
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.reviews import GOOD, IN_JULY, JUNE, MAY, make_reviewable_program, record_month, reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

POOR = {"views": 300, "unlocks": 9}


@pytest.fixture
def program() -> Program:
    """P1 fell in May and stayed low in June; P2 is well; P3 was watched and has ended."""
    program = make_reviewable_program("P1", "P2", "P3")
    record_month(program, "2026-04", {"P1": GOOD, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-05", {"P1": POOR, "P2": GOOD, "P3": GOOD})
    record_month(program, "2026-06", {"P1": POOR, "P2": GOOD, "P3": GOOD})
    may, ada = reviewed(program, MAY), make_person("ada")
    cards = {card.partner.external_id: card for card in Scorecard.objects.filter(cycle=may).select_related("partner")}
    decide(scorecard_id=cards["P3"].pk, kind="monitor", actor=ada, at=IN_JULY, comment="Look again.")
    decide(scorecard_id=cards["P1"].pk, kind="act", actor=ada, at=IN_JULY, comment="Refresh its texts.")
    decide_by_standing(cycle_id=may.pk, actor=ada, at=IN_JULY)
    close_cycle(cycle_id=may.pk, actor=ada, at=IN_JULY)
    return program


def test_those_to_act_upon_come_first_with_then_and_now(program: Program) -> None:
    june = reviewed(program)
    cards = list(list_scorecards(june.pk))
    found = [one for one in list_commitments(june, cards) if one.decision.comment in ("Look again.", "Refresh its texts.")]
    assert [(one.then.partner.external_id, one.decision.kind) for one in found] == [("P1", "act"), ("P3", "monitor")]
    assert [one.now.partner.external_id for one in found if one.now] == ["P1", "P3"]
    assert [one.then.cycle_id for one in found] == [ReviewCycle.objects.get(month_start_date=MAY).pk] * 2
    without = [card for card in cards if card.partner.external_id != "P3"]
    assert [one.now for one in list_commitments(june, without) if one.then.partner.external_id == "P3"] == [None]


def test_what_rules_decided_and_other_months_are_none_of_it(program: Program) -> None:
    assert list_commitments(ReviewCycle.objects.get(month_start_date=MAY), []) == []
    june = reviewed(program)
    assert all(not one.decision.is_by_rule for one in list_commitments(june, list(list_scorecards(june.pk))))


def test_the_page_opens_with_them_and_ends_with_late_events(program: Program) -> None:
    record_month(program, "2026-05", {"P2": {"views": 7}, "P3": {"views": 2}}, tag="late-")
    june = reviewed(program, JUNE, CycleState.READY)
    late = summarise_late(list(list_scorecards(june.pk)))
    assert [(one.month, one.events, one.partners) for one in late] == [("2026-05", 9, 2)]
    client = Client()
    client.force_login(make_member_of_staff(program, "program_admin", "bea"))
    page = client.get(reverse("admin:reviews_reviewcycle_change", args=[june.pk])).content.decode()
    assert page.index("Decided in May 2026") < page.index("decided by rule,")
    assert "Refresh its texts." in page
    assert "Late events" in page
    first = reviewed(program, date(2026, 4, 1))
    assert "what became of it" not in client.get(reverse("admin:reviews_reviewcycle_change", args=[first.pk])).content.decode()
