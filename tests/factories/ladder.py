"""A program whose months are closed with the standings that a test asks for, so that the ladder moves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch

from partners.choices import PartnerState
from partners.models import Partner, Program
from plum_site.lib.models import User
from plum_site.lib.periods import month_text, next_month
from reviews.models import CorrectiveAction, ReviewCycle
from reviews.rules import make_cards
from reviews.rules.ladder import LadderRule, Step
from reviews.services import close_cycle, consolidate_cycle, cycles, decide_by_standing, save_ladder
from tests.factories.flags import make_watched_program
from tests.factories.reviews import record_month

JANUARY, FEBRUARY, MARCH, APRIL, MAY, JUNE = (date(2026, month, 1) for month in range(1, 7))
POOR, WATCH, GOOD = "underperforming", "watch", "on_track"
TWO_EACH = LadderRule(notice=Step(2), plan=Step(2), replacement=Step(2))
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
FEW = {"views": 5, "unlocks": 3, "activations": 2, "redemptions": 1}


def make_ladder_program(rule: LadderRule | None = TWO_EACH, **settings: Any) -> Program:
    """P1 and P2 with some events from January to June; two poor reviews lead to the next rung, unless another rule is given."""
    program = make_watched_program("P1", "P2", **settings)
    for month in (JANUARY, FEBRUARY, MARCH, APRIL, MAY, JUNE):
        record_month(program, month_text(month), {"P1": FEW, "P2": FEW}, tag=program.code)
    if rule is not None:
        save_ladder(program_id=program.pk, rule=rule, actor="system", at=START)
    return program


def closing_of(month: date) -> datetime:
    """When a month is closed: on the fifth day of the next one."""
    after = next_month(month)
    return datetime(after.year, after.month, 5, 9, tzinfo=UTC)


def ready_month(program: Program, month: date, standings: Mapping[str, str], at: datetime) -> ReviewCycle:
    """A month that waits to be closed, its partners with the standings given (else on track) and decided about."""

    def make(given: Any) -> Any:
        return [replace(card, standing=standings.get(card.partner, GOOD)) for card in make_cards(given)]

    with patch.object(cycles, "make_cards", make):
        cycle = consolidate_cycle(program_id=program.pk, month_start_date=month, actor="system", at=at, by_hand=True)
    person, _ = User.objects.get_or_create(username="closer")
    decide_by_standing(cycle_id=cycle.pk, actor=person, at=at)
    return cycle


def close_month(program: Program, month: date, at: datetime | None = None, **standings: str) -> ReviewCycle:
    """A month, closed with the standings given by partner."""
    at = at or closing_of(month)
    cycle = ready_month(program, month, standings, at)
    return close_cycle(cycle_id=cycle.pk, actor=User.objects.get(username="closer"), at=at)


def partner(program: Program, external_id: str = "P1") -> Partner:
    """A partner as it is stored."""
    return Partner.objects.get(program=program, external_id=external_id)


def put_on_notice(program: Program) -> Partner:
    """P1 on notice: January and February were poor."""
    close_month(program, JANUARY, P1=POOR)
    close_month(program, FEBRUARY, P1=POOR)
    found = partner(program)
    assert found.state == PartnerState.ON_NOTICE
    return found


def a_failure(action: CorrectiveAction, verdict: str, at: datetime) -> CorrectiveAction:
    """The action, as if it had been carried out and measured; the person approves what nobody proposed."""
    person, _ = User.objects.get_or_create(username="approver")
    design = action.design or {}
    CorrectiveAction.objects.filter(pk=action.pk).update(
        state="measured",
        needs_two=False,
        approver=person,
        approved_at=at - timedelta(days=20),
        executed_at=at - timedelta(days=20),
        before={},
        after={},
        design=design,
        effect={},
        verdict=verdict,
        measured_at=at,
    )
    action.refresh_from_db()
    return action
