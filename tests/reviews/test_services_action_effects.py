"""What an action did is measured once its window is over, by the design that was frozen when it began."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from activity.choices import Rhythm
from activity.models import EventSource
from activity.selectors import head_of
from activity.services import seal_ledger
from activity.services.statements import set_rhythm
from partners.models import Program
from plum_site import schedule
from plum_site.lib.choices import Role
from plum_site.lib.models import Job, User
from reviews.choices import ActionKind, ActionState
from reviews.models import ActionTransition, CorrectiveAction
from reviews.rules.effects import EffectDesign
from reviews.selectors.effects import read_effect
from reviews.services.actions import approve_action, measure_due_actions, propose_action, revert_action
from tests.factories.actions import carry_out
from tests.factories.ledger import event, record
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

EXECUTED_AT = datetime(2026, 7, 10, 9, tzinfo=UTC)
FIRST = date(2026, 7, 11)  # of the window
PERIODS, DAYS = range(-6, 1), 28
OVER_AT = datetime(2026, 8, 8, 12, tzinfo=UTC)
WEEKS = [["2026-07-11", "2026-07-17"], ["2026-07-18", "2026-07-24"], ["2026-07-25", "2026-07-31"]]  # of the window
OFFERS = [f"O{number}" for number in range(1, 9)]


def make_measurable_program(lift: float, silent: frozenset[date] = frozenset(), per_period: int = 60) -> Program:
    """
    Eight partners of one category, each with an offer that has about 60 views in each 28 days; in those after FIRST, O1 has
    `lift` times as many. So few views cannot tell a small effect from none. O1 has a till of its own; where some
    days are `silent`, it should have sent every day.
    """
    program = make_program(recorded_stages=["viewed"], at=datetime(2026, 1, 1, tzinfo=UTC), time_zone="UTC")
    for number, offer in enumerate(OFFERS, 1):
        make_partner(program, f"P{number}")
        make_offer(program, offer, partner_external_id=f"P{number}")
    events: dict[str, list[dict[str, Any]]] = {"till": [], "shop": []}
    for period in PERIODS:
        for number, offer in enumerate(OFFERS):
            wobble = (number * 7 + period * 5) % 9 - 4  # a little of everything, the same in every run
            count = per_period + wobble
            if period == 0 and offer == "O1":
                count = round(count * lift)
            day = FIRST + timedelta(days=DAYS * period)
            events["till" if offer == "O1" else "shop"] += [
                event(
                    f"{period}-{offer}-{view}",
                    occurred_at=f"{day + timedelta(days=view % DAYS)}T10:00:00Z",
                    offer=offer,
                    member=f"M{view % 50}",
                )
                for view in range(count)
                if offer != "O1" or day + timedelta(days=view % DAYS) not in silent
            ]
    for source, rows in events.items():
        record(program, rows, source=source, at=OVER_AT)
        if silent:
            set_rhythm(source_id=EventSource.objects.get(code=source).pk, rhythm=Rhythm.DAILY, actor="system", at=OVER_AT)
    seal_ledger(program_id=program.pk, at=OVER_AT)
    return program


def rerank(program: Program, anna: User, number: int = 1, at: datetime = EXECUTED_AT, how: str = "hide") -> CorrectiveAction:
    """The offer of one partner is hidden in the ranking, or shown again."""
    partner = program.partners.get(external_id=f"P{number}")
    params = {"offers": [f"O{number}"], "how": how}
    kind = ActionKind.RERANK
    action = carry_out(propose_action(partner_id=partner.pk, kind=kind, params=params, actor=anna, at=at), anna, at=at)
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
    head = head_of(program.pk)
    assert head
    assert (action.state, action.verdict, action.design) == (ActionState.MEASURED, verdict, design)
    assert action.effect["low"] <= lift - 1 <= action.effect["high"]
    assert action.effect["cutoff"] == head.number
    assert action.effect["numbers"]["days_left_out"] == []
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


def days(first: int, last: int) -> frozenset[date]:
    """Days of the window, or before it where they are negative."""
    return frozenset(FIRST + timedelta(days=number) for number in range(first, last + 1))


@pytest.mark.parametrize(
    ("lift", "silent", "verdict", "left_out"),
    [
        (1.0, days(0, 14), "cannot_tell", WEEKS),
        (1.0, days(1, 12), "cannot_tell", WEEKS[:2]),
        (2.0, days(1, 12), "worked", WEEKS[:2]),
        (0.4, days(1, 12), "harmed", WEEKS[:2]),
    ],
    ids=["most", "nothing", "rise", "fall"],
)
def test_a_silent_source_in_the_window_is_neither_praised_nor_blamed(
    lift: float, silent: frozenset[date], verdict: str, left_out: list[list[str]]
) -> None:
    program = make_measurable_program(lift, silent, per_period=150)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)
    design = EffectDesign.from_json(action.design)
    if lift == 1.0:
        blamed = read_effect(program=program, design=design, starts_date=FIRST)
        assert blamed.verdict == "harmed", "what the missing days alone would say"

    assert measure_due_actions(program_id=program.pk, at=OVER_AT) == 1

    action.refresh_from_db()
    assert (action.verdict, action.effect["numbers"]["days_left_out"]) == (verdict, left_out)
    assert f"the source till was silent from {min(silent)} to {max(silent)}" in action.effect["sentence"]
    if left_out == WEEKS:
        assert "less than half of the window is left" in action.effect["sentence"]
        assert action.effect["estimate"] is None
    else:
        assert "Left out of everything compared: 2 weeks, because" in action.effect["sentence"]
        assert action.effect["low"] <= lift - 1 <= action.effect["high"]


def test_a_source_silent_at_the_end_of_the_window_is_waited_for() -> None:
    """A day shows as silent 12 hours after its end: nothing is measured before."""
    program = make_measurable_program(1.0, days(21, 27), per_period=150)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)

    assert measure_due_actions(program_id=program.pk, at=OVER_AT - timedelta(seconds=1)) == 0
    assert measure_due_actions(program_id=program.pk, at=OVER_AT) == 1

    action.refresh_from_db()
    assert action.verdict == "cannot_tell"
    assert action.effect["low"] < 0 < action.effect["high"]
    assert "the source till is silent since 2026-08-01" in action.effect["sentence"]


def test_a_silent_source_in_the_baseline_is_left_out_of_design_and_effect() -> None:
    program = make_measurable_program(1.0, days(-28 * 3, -28 * 2 - 1), per_period=150)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")

    action = rerank(program, anna)

    assert action.design["method"] == "matched", "with the silent weeks in it, nothing would have moved alike"
    assert "over the 5 periods of 28 days before" in action.design["sentence"]
    assert "the source till was silent from 2026-04-18 to 2026-05-15" in action.design["sentence"]
    measure_due_actions(program_id=program.pk, at=OVER_AT)
    action.refresh_from_db()
    assert action.effect["low"] < 0 < action.effect["high"]
    assert [len(unit["periods"]) for unit in action.effect["numbers"]["treated"]] == [6]


def test_what_another_action_works_on_is_no_control() -> None:
    program = make_measurable_program(1.0)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    rerank(program, anna, 2, EXECUTED_AT - timedelta(days=10))
    rerank(program, anna, 3, EXECUTED_AT - timedelta(days=30))
    planned = program.partners.get(external_id="P4")
    coming = propose_action(
        partner_id=planned.pk,
        kind=ActionKind.PAUSE_OFFER,
        params={"offers": ["O4"]},
        actor=anna,
        at=EXECUTED_AT,
        scheduled_at=EXECUTED_AT + timedelta(days=5),
    )
    approve_action(action_id=coming.pk, actor=anna, at=EXECUTED_AT)

    action = rerank(program, anna)

    assert "O3" in action.design["controls"], "its own window was over"
    assert not {"O2", "O4"} & set(action.design["controls"])
    assert measure_due_actions(program_id=program.pk, at=OVER_AT) == 3


def test_a_control_that_another_action_works_on_since_is_left_out() -> None:
    program = make_measurable_program(1.0)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)
    first, second, *_rest = (int(name[1:]) for name in action.design["controls"])
    rerank(program, anna, first, EXECUTED_AT + timedelta(days=9))
    taken_back = rerank(program, anna, second, EXECUTED_AT + timedelta(days=10))
    revert_action(action_id=taken_back.pk, actor=anna, at=EXECUTED_AT + timedelta(days=11), comment="It was a mistake.")

    measure_due_actions(program_id=program.pk, at=OVER_AT)

    action.refresh_from_db()
    assert action.effect["numbers"]["left_out"] == [f"O{first}", f"O{second}"]
    assert f"because another action worked on them: O{first} and O{second}." in action.effect["sentence"]
    assert action.effect["estimate"] is not None


def test_nothing_is_told_where_too_few_controls_were_left_alone() -> None:
    program = make_measurable_program(2.0)
    anna = make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")
    action = rerank(program, anna)
    for name in action.design["controls"][1:]:
        rerank(program, anna, int(name[1:]), EXECUTED_AT + timedelta(days=9))
    rerank(program, anna, 1, EXECUTED_AT + timedelta(days=12), "show")

    measure_due_actions(program_id=program.pk, at=OVER_AT)

    action.refresh_from_db()
    assert (action.verdict, action.effect["estimate"]) == ("cannot_tell", None)
    assert "1 of those it was to be compared with stayed as they were." in action.effect["sentence"]
    assert "what either did cannot be told apart" in action.effect["sentence"]
