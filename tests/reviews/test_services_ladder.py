"""The ladder moves partners when a review is closed: once, by rule, with its evidence, and nobody pushes one up by hand."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import IntegrityError, connection, transaction

from partners.choices import PartnerState
from partners.models import PartnerTransition, Program
from partners.services import change_partner_state
from plum_site.lib.audit import reference
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import AuditEvent, User
from reviews.choices import ActionKind, CycleState, LadderName, LadderOutcome
from reviews.models import CorrectiveAction, LadderMove, LadderVersion, ReviewCycle
from reviews.rules.ladder import LadderRule, Step
from reviews.selectors.ladder import preview_rungs, read_ladder, read_rungs
from reviews.services import (
    announcements,
    approve_restatement,
    ask_restatement,
    close_cycle,
    cycles,
    end_hold,
    hold_on_ladder,
    save_ladder,
)
from tests.factories.flags import FELL, the_case
from tests.factories.ladder import (
    APRIL,
    FEBRUARY,
    GOOD,
    JANUARY,
    JUNE,
    MARCH,
    MAY,
    POOR,
    START,
    TWO_EACH,
    WATCH,
    a_failure,
    close_month,
    closing_of,
    make_ladder_program,
    partner,
    put_on_notice,
    ready_month,
)
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.factories.reviews import record_month

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
both_engines = pytest.mark.both_engines
BY_HAND = ("put_on_notice", "start_improvement_plan", "start_replacement")


@pytest.fixture
def program() -> Program:
    return make_ladder_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "anna")


@both_engines
def test_two_poor_reviews_put_a_partner_on_notice_with_their_evidence(program: Program) -> None:
    close_month(program, JANUARY, P1=POOR)
    assert partner(program).state == PartnerState.ACTIVE

    cycle = close_month(program, FEBRUARY, P1=POOR)

    [move] = LadderMove.objects.all()
    assert (move.cycle, move.partner, move.name, move.outcome) == (cycle, partner(program), "put_on_notice", "moved")
    assert (move.from_state, move.to_state, move.version, move.at) == ("active", "on_notice", 1, closing_of(FEBRUARY))
    months = [{"month": f"2026-0{number}", "standing": POOR} for number in (1, 2)]
    assert move.evidence == {"months": months, "flag": "", "flag_months": 0, "tried": []}
    assert (partner(program).state, partner(program, "P2").state) == ("on_notice", "active")
    step = PartnerTransition.objects.get(name="put_on_notice")
    assert (step.actor, step.source_ref, step.at) == ("system", reference(move), move.at)
    assert "2 closed reviews in a row: 2026-01 underperforming, 2026-02 underperforming" in step.comment
    assert AuditEvent.objects.filter(action="partners.change_partner_state", object_ref=reference(step.partner)).exists()


@both_engines
def test_each_rung_begins_anew_and_the_last_one_is_for_people_to_decide(program: Program) -> None:
    put_on_notice(program)
    close_month(program, MARCH, P1=POOR)
    assert partner(program).state == "on_notice"
    close_month(program, APRIL, P1=POOR)
    assert partner(program).state == "improvement_plan"
    close_month(program, MAY, P1=POOR)
    close_month(program, JUNE, P1=POOR)

    newest = LadderMove.objects.order_by("-pk")[0]
    assert (newest.name, newest.outcome, newest.from_state, newest.to_state) == (
        LadderName.REPLACEMENT_DUE,
        LadderOutcome.DUE,
        "improvement_plan",
        "improvement_plan",
    )
    assert partner(program).state == "improvement_plan"
    assert AuditEvent.objects.filter(action="reviews.judge_ladder", object_ref=reference(newest)).count() == 1
    [rung] = read_rungs(program.pk, TWO_EACH, [newest.partner_id])
    assert (rung.since, rung.months) == (newest.at, [])


@both_engines
def test_a_step_up_proposes_a_letter_once_and_leaves_its_words_to_a_person(program: Program) -> None:
    put_on_notice(program)
    [action] = CorrectiveAction.objects.all()
    move = LadderMove.objects.get()

    assert (action.kind, action.state, action.proposer) == (ActionKind.CONTACT_PARTNER, "proposed", None)
    assert set(action.params.values()) == {""}
    assert (move.action, action.cycle, action.owner.username) == (action, move.cycle, "otis")
    assert action.reason.startswith("It was put on notice. 2 closed reviews in a row")

    close_month(program, MARCH, P1=POOR)
    close_month(program, APRIL, P1=POOR)
    assert partner(program).state == "improvement_plan"
    assert LadderMove.objects.order_by("-pk")[0].action is None  # the first letter still waits
    assert CorrectiveAction.objects.count() == 1


def test_no_letter_where_the_rule_says_so() -> None:
    program = make_ladder_program(LadderRule(notice=Step(2), writes=False))
    put_on_notice(program)

    assert not CorrectiveAction.objects.exists()


@both_engines
def test_good_reviews_bring_it_back_from_either_rung(program: Program) -> None:
    put_on_notice(program)
    close_month(program, MARCH, P1=GOOD)
    assert partner(program).state == "on_notice"
    close_month(program, APRIL, P1="excellent")

    assert partner(program).state == "active"
    move = LadderMove.objects.order_by("-pk")[0]
    assert (move.name, move.outcome, move.from_state, move.to_state, move.action) == (
        "restore",
        "moved",
        "on_notice",
        "active",
        None,
    )


def test_a_month_of_watch_begins_the_row_anew(program: Program) -> None:
    close_month(program, JANUARY, P1=POOR)
    close_month(program, FEBRUARY, P1=WATCH)
    close_month(program, MARCH, P1=POOR)

    assert not LadderMove.objects.exists()


@both_engines
def test_closing_again_and_closing_an_older_month_move_nothing(program: Program, anna: User) -> None:
    put_on_notice(program)
    february = ReviewCycle.objects.get(month_start_date=FEBRUARY)
    for _ in range(2):
        close_cycle(cycle_id=february.pk, actor=anna, at=closing_of(FEBRUARY) + timedelta(hours=1))
    ready_month(program, MARCH, {"P1": POOR}, closing_of(APRIL))
    close_month(program, APRIL, P1=POOR)  # March is not closed: no row
    close_month(program, MARCH, at=closing_of(APRIL) + timedelta(hours=1), P1=POOR)

    assert LadderMove.objects.count() == 1
    assert partner(program).state == "on_notice"
    close_month(program, MAY, P1=POOR)
    assert partner(program).state == "improvement_plan"
    assert len(LadderMove.objects.order_by("-pk")[0].evidence["months"]) == 3


@both_engines
def test_judging_twice_is_refused_by_the_database(program: Program) -> None:
    put_on_notice(program)
    move = LadderMove.objects.get()
    move.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        move.save(force_insert=True)


@both_engines
def test_a_closing_that_fails_moves_nobody(program: Program) -> None:
    close_month(program, JANUARY, P1=POOR)
    cycle = ready_month(program, FEBRUARY, {"P1": POOR}, closing_of(FEBRUARY))
    with patch.object(cycles, "plan_final_report", side_effect=RuntimeError("died")), pytest.raises(RuntimeError):
        close_cycle(cycle_id=cycle.pk, actor="system", at=closing_of(FEBRUARY))
    cycle.refresh_from_db()

    assert cycle.state == CycleState.READY
    assert partner(program).state == "active"
    assert not LadderMove.objects.exists()
    close_cycle(cycle_id=cycle.pk, actor="system", at=closing_of(FEBRUARY))
    assert partner(program).state == "on_notice"


@both_engines
def test_a_month_that_ended_long_ago_moves_nobody_and_counts_in_the_row(program: Program) -> None:
    late = closing_of(MARCH) + timedelta(days=7)  # February ended over 40 days ago
    close_month(program, JANUARY, at=late, P1=POOR)
    close_month(program, FEBRUARY, at=late, P1=POOR)
    close_month(program, MARCH, at=late, P1=POOR)

    [move] = LadderMove.objects.all()
    assert (move.cycle.month_start_date, len(move.evidence["months"])) == (MARCH, 3)


@both_engines
def test_a_restatement_moves_nobody_and_its_standings_count_from_then_on(program: Program, anna: User) -> None:
    ben = make_member_of_staff(program, "program_admin", "ben")
    close_month(program, JANUARY, P1=POOR)
    february = close_month(program, FEBRUARY, P1=GOOD)
    row = ask_restatement(cycle_id=february.pk, reason="A file came late.", actor=anna, at=closing_of(FEBRUARY))
    approve_restatement(restatement_id=row.pk, actor=ben, at=closing_of(FEBRUARY))
    again = close_month(program, FEBRUARY, at=closing_of(FEBRUARY) + timedelta(days=1), P1=POOR)
    assert again.revision == 2
    assert not LadderMove.objects.exists()
    assert partner(program).state == "active"

    close_month(program, MARCH, P1=POOR)
    assert [one["standing"] for one in LadderMove.objects.get().evidence["months"]] == [POOR] * 3


@both_engines
def test_a_flag_must_have_stood_and_an_action_must_have_failed_where_the_rule_says_so() -> None:
    program = make_ladder_program(LadderRule(notice=Step(1, flag_months=2, tried=1)))
    record_month(program, "2026-01", {"P1": FELL}, tag="fell")
    record_month(program, "2026-02", {"P1": FELL}, tag="fell")
    record_month(program, "2026-03", {"P1": FELL}, tag="fell")
    close_month(program, JANUARY, P1=POOR)
    assert the_case(program).first_month_date == JANUARY
    close_month(program, FEBRUARY, P1=POOR)
    assert partner(program).state == "active"  # the flag has stood, nothing was tried
    action = CorrectiveAction.objects.filter(partner=partner(program))[0]
    a_failure(action, "no_evidence", closing_of(FEBRUARY) + timedelta(days=9))

    close_month(program, MARCH, P1=POOR)

    evidence = LadderMove.objects.get().evidence
    assert (evidence["flag"], evidence["flag_months"]) == ("Too few activate", 3)
    assert evidence["tried"] == [{"action": action.pk, "kind": action.kind, "verdict": "no_evidence"}]


def test_an_action_that_worked_is_no_reason() -> None:
    program = make_ladder_program(LadderRule(notice=Step(1, tried=1)))
    record_month(program, "2026-01", {"P1": FELL}, tag="fell")
    close_month(program, JANUARY, P1=POOR)
    a_failure(CorrectiveAction.objects.all()[0], "worked", closing_of(JANUARY) + timedelta(days=9))
    close_month(program, FEBRUARY, P1=POOR)

    assert not LadderMove.objects.exists()


@both_engines
def test_a_restored_partner_begins_anew(program: Program, anna: User) -> None:
    found = put_on_notice(program)
    at = closing_of(MARCH) - timedelta(days=3)  # March is over
    change_partner_state(partner_id=found.pk, name="restore", actor=anna, at=at, comment="They moved their shop.")
    close_month(program, MARCH, P1=POOR)
    close_month(program, APRIL, P1=POOR)
    assert partner(program).state == "active"
    close_month(program, MAY, P1=POOR)

    assert partner(program).state == "on_notice"
    assert [one["month"] for one in LadderMove.objects.order_by("-pk")[0].evidence["months"]] == ["2026-04", "2026-05"]


@pytest.mark.parametrize("name", [*BY_HAND, "stop_replacement"])
@both_engines
def test_nobody_pushes_a_partner_by_hand(program: Program, anna: User, name: str) -> None:
    found = partner(program)
    for actor in (anna, "token:7"):
        with pytest.raises(DomainError, match=r"nobody's to take by hand.+Nothing was changed") as refusal:
            change_partner_state(partner_id=found.pk, name=name, actor=actor, at=START, comment="I say so.")
        assert refusal.value.code == "transition_refused"
    with pytest.raises(IntegrityError), transaction.atomic():
        PartnerTransition.objects.create(
            partner=found, name=name, from_state="active", to_state="on_notice", actor=f"user:{anna.pk}", at=START
        )
    assert partner(program).state == "active"


def test_a_replacement_begins_and_ends_by_the_rules_own_hand(program: Program) -> None:
    found = partner(program)
    change_partner_state(partner_id=found.pk, name="start_replacement", actor="system", at=START, comment="Replacement 1.")
    assert partner(program).state == "replacing"
    for month in (JANUARY, FEBRUARY, MARCH):
        close_month(program, month, P1=POOR)
    assert not LadderMove.objects.exists()
    change_partner_state(partner_id=found.pk, name="stop_replacement", actor="system", at=START, comment="No candidate.")
    assert partner(program).state == "active"


def test_off_moves_nobody(program: Program) -> None:
    save_ladder(program_id=program.pk, rule=LadderRule(is_on=False), actor="system", at=START)
    for month in (JANUARY, FEBRUARY, MARCH):
        close_month(program, month, P1=POOR)

    assert not LadderMove.objects.exists()


@both_engines
def test_the_rule_is_versions_and_the_one_in_force_at_the_closing_judges(program: Program, anna: User) -> None:
    strict = LadderRule(notice=Step(1))
    row = save_ladder(program_id=program.pk, rule=strict, actor=anna, at=START, replaces=1)
    assert row.number == 2
    assert save_ladder(program_id=program.pk, rule=strict, actor=anna, at=START).pk == row.pk
    with pytest.raises(DomainError, match="version 2 of the ladder is in force, not 1") as stale:
        save_ladder(program_id=program.pk, rule=TWO_EACH, actor=anna, at=START, replaces=1)
    assert stale.value.code == "changed_since"
    with pytest.raises(InvalidInput, match="version in force stays"):
        save_ladder(program_id=program.pk, rule=LadderRule(notice=Step(0)), actor=anna, at=START)
    assert (LadderVersion.objects.count(), read_ladder(program.pk).rule) == (2, strict)

    close_month(program, JANUARY, P1=POOR)
    assert LadderMove.objects.get().version == 2


def test_a_program_without_a_version_has_the_rule_of_every_new_one() -> None:
    program = make_program()
    in_force = read_ladder(program.pk)
    assert (in_force.rule, in_force.number, in_force.row) == (LadderRule(), 0, None)


def test_a_preview_says_who_would_be_where(program: Program) -> None:
    for month in (JANUARY, FEBRUARY, MARCH):
        close_month(program, month, P1=POOR)
    p1, p2 = partner(program).pk, partner(program, "P2").pk

    assert preview_rungs(program.pk, TWO_EACH) == {p1: ("on_notice", False), p2: ("active", False)}
    fast = LadderRule(notice=Step(1), plan=Step(1), replacement=Step(1))
    assert preview_rungs(program.pk, fast) == {p1: ("improvement_plan", True), p2: ("active", False)}
    assert preview_rungs(program.pk, LadderRule(is_on=False))[p1] == ("active", False)


@both_engines
def test_a_move_is_announced_once_and_a_held_one_never(program: Program, anna: User) -> None:
    told: list[dict[str, object]] = []
    with patch.object(announcements, "announce", lambda **given: told.append(given)):
        put_on_notice(program)
        hold_on_ladder(
            partner_id=partner(program).pk,
            until_date=closing_of(APRIL).date(),
            reason="Wait.",
            actor=anna,
            at=closing_of(FEBRUARY),
        )
        close_month(program, MARCH, P1=POOR)
        close_month(program, APRIL, P1=POOR)

    [one] = [given for given in told if given["type"] == "partner.ladder_moved"]
    data = one["data"]
    assert isinstance(data, dict)
    assert {name: data[name] for name in ("month", "partner", "step", "from", "to")} == {
        "month": "2026-02",
        "partner": "P1",
        "step": "put_on_notice",
        "from": "active",
        "to": "on_notice",
    }
    assert data["url"].endswith("/api/v1/ladder/partners/P1")


@both_engines
def test_moves_versions_and_ended_holds_stay_as_they_are(program: Program, anna: User) -> None:
    found = put_on_notice(program)
    at = closing_of(FEBRUARY)
    hold_on_ladder(partner_id=found.pk, until_date=at.date(), reason="Wait.", actor=anna, at=at)
    end_hold(partner_id=found.pk, actor=anna, at=at)
    for sql in (
        "UPDATE reviews_laddermove SET name = 'restore'",
        "DELETE FROM reviews_laddermove",
        "UPDATE reviews_ladderversion SET number = 7",
        "UPDATE reviews_ladderhold SET reason = 'other'",
        "DELETE FROM reviews_ladderhold",
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_another_programs_partners_stay_where_they_are(program: Program) -> None:
    other = make_ladder_program(code="other")
    close_month(other, JANUARY, P1=POOR)
    put_on_notice(program)

    assert partner(other).state == "active"
    assert [move.partner.program for move in LadderMove.objects.all()] == [program]
