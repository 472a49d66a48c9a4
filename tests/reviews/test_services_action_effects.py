"""What an action did is measured once its window is over, by the design that was frozen when it began."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from activity.services import seal_ledger
from partners.models import Program
from plum_site import schedule
from plum_site.lib.choices import Role
from plum_site.lib.models import Job, User
from reviews.choices import ActionKind, ActionState
from reviews.models import ActionTransition, CorrectiveAction
from reviews.services.actions import measure_due_actions
from tests.factories.actions import carry_out, propose
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

EXECUTED_AT = datetime(2026, 7, 10, 9, tzinfo=UTC)
FIRST = date(2026, 7, 11)  # of the window
PERIODS, DAYS = range(-6, 1), 28
OVER_AT = datetime(2026, 8, 8, 9, tzinfo=UTC)
OFFERS = [f"O{number}" for number in range(1, 9)]


def make_measurable_program(lift: float) -> Program:
    """
    Eight partners of one category, each with an offer that has about 60 views in each 28 days; in those after FIRST, O1 has
    `lift` times as many. So few views cannot tell a small effect from none.
    """
    program = make_program(recorded_stages=["viewed"], at=datetime(2026, 1, 1, tzinfo=UTC), time_zone="UTC")
    for number, offer in enumerate(OFFERS, 1):
        make_partner(program, f"P{number}")
        make_offer(program, offer, partner_external_id=f"P{number}")
    events = []
    for period in PERIODS:
        for number, offer in enumerate(OFFERS):
            wobble = (number * 7 + period * 5) % 9 - 4  # a little of everything, the same in every run
            count = 60 + wobble
            if period == 0 and offer == "O1":
                count = round(count * lift)
            day = FIRST + timedelta(days=DAYS * period)
            events += [
                event(
                    f"{period}-{offer}-{view}",
                    occurred_at=f"{day + timedelta(days=view % DAYS)}T10:00:00Z",
                    offer=offer,
                    member=f"M{view % 50}",
                )
                for view in range(count)
            ]
    record(program, events, at=OVER_AT)
    seal_ledger(program_id=program.pk, at=OVER_AT)
    return program


def rerank(program: Program, anna: User) -> CorrectiveAction:
    params = {"offers": ["O1"], "how": "pin", "place": 8}
    action = carry_out(propose(program, anna, ActionKind.RERANK, params=params), anna, at=EXECUTED_AT)
    action.refresh_from_db()
    return action


@pytest.mark.parametrize(("lift", "verdict"), [(2.0, "worked"), (1.0, "cannot_tell"), (0.4, "harmed")])
def test_an_action_is_measured_against_offers_left_alone(lift: float, verdict: str) -> None:
    program = make_measurable_program(lift)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)
    assert action.state == ActionState.MEASURING
    design = dict(action.design)
    assert (design["method"], design["metric"], design["treated"]) == ("matched", "views", ["O1"])
    assert len(design["controls"]) >= 4

    assert measure_due_actions(program_id=program.pk, at=OVER_AT - timedelta(days=1)) == 0, "its last day is not over"
    assert measure_due_actions(program_id=program.pk, at=OVER_AT) == 1
    assert measure_due_actions(program_id=program.pk, at=OVER_AT) == 0

    action.refresh_from_db()
    assert (action.state, action.verdict, action.design) == (ActionState.MEASURED, verdict, design)
    assert action.effect["low"] <= lift - 1 <= action.effect["high"]
    assert action.effect["cutoff"] == 1
    assert ActionTransition.objects.get(action=action, name="measure").comment == action.effect["sentence"]


def test_measuring_is_planned_once_the_window_is_over() -> None:
    program = make_measurable_program(1.0)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    rerank(program, anna)

    schedule.plan_due(OVER_AT - timedelta(days=1))
    assert not Job.objects.filter(name="reviews.measure_actions").exists()
    for _ in range(2):
        schedule.plan_due(OVER_AT)
    [job] = Job.objects.filter(name="reviews.measure_actions")
    assert job.arguments == {"program_id": program.pk}


def test_a_design_is_frozen_once_the_action_has_begun() -> None:
    program = make_measurable_program(1.0)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)

    with pytest.raises(DatabaseError), transaction.atomic():
        CorrectiveAction.objects.filter(pk=action.pk).update(design={**action.design, "metric": "unlocks"})
