"""Keeping a partner where it is on the ladder: until a day, with a reason, and never from coming back."""

from datetime import timedelta

import pytest

from partners.models import Program
from plum_site.lib.audit import reference
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import AuditEvent, User
from reviews.models import CorrectiveAction, LadderHold, LadderMove
from reviews.services import end_hold, hold_on_ladder
from tests.factories.ladder import (
    APRIL,
    FEBRUARY,
    GOOD,
    JANUARY,
    JUNE,
    MARCH,
    POOR,
    close_month,
    closing_of,
    make_ladder_program,
    partner,
    put_on_notice,
)
from tests.factories.people import make_member_of_staff

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
both_engines = pytest.mark.both_engines


@pytest.fixture
def program() -> Program:
    return make_ladder_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, "program_admin", "anna")


def test_whoever_is_held_stays_with_what_was_asked_for_on_record(program: Program, anna: User) -> None:
    close_month(program, JANUARY, P1=POOR)
    until = closing_of(FEBRUARY).date()
    hold = hold_on_ladder(
        partner_id=partner(program).pk, until_date=until, reason="New people there.", actor=anna, at=closing_of(JANUARY)
    )
    close_month(program, FEBRUARY, P1=POOR)

    move = LadderMove.objects.get()
    assert (move.outcome, move.from_state, move.to_state, move.action) == ("held", "active", "active", None)
    assert move.evidence["held"] == {"until": until.isoformat(), "reason": "New people there.", "by": f"user:{anna.pk}"}
    assert partner(program).state == "active"
    assert not CorrectiveAction.objects.exists()
    [said] = AuditEvent.objects.filter(action="reviews.hold_on_ladder", object_ref=reference(hold))
    assert (said.actor, said.comment) == (f"user:{anna.pk}", "New people there.")

    close_month(program, MARCH, P1=POOR)  # it is over
    assert partner(program).state == "on_notice"


def test_a_hold_does_not_keep_a_partner_from_coming_back(program: Program, anna: User) -> None:
    found = put_on_notice(program)
    hold_on_ladder(partner_id=found.pk, until_date=closing_of(JUNE).date(), reason="Wait.", actor=anna, at=closing_of(FEBRUARY))
    close_month(program, MARCH, P1=GOOD)
    close_month(program, APRIL, P1=GOOD)

    assert partner(program).state == "active"


def test_a_hold_is_replaced_ended_and_refused_where_it_says_nothing(program: Program, anna: User) -> None:
    at, pk = closing_of(JANUARY), partner(program).pk
    first = hold_on_ladder(partner_id=pk, until_date=at.date(), reason="One.", actor=anna, at=at)
    second = hold_on_ladder(partner_id=pk, until_date=at.date(), reason="Two.", actor=anna, at=at)
    first.refresh_from_db()
    assert (first.ended_at, first.ended_by, second.ended_at) == (at, f"user:{anna.pk}", None)
    assert end_hold(partner_id=pk, actor=anna, at=at).pk == second.pk
    with pytest.raises(NotFound):
        end_hold(partner_id=pk, actor=anna, at=at)
    for until, reason, field in ((at.date(), " ", "reason"), (at.date() - timedelta(days=1), "Why.", "until")):
        with pytest.raises(InvalidInput, match="Nothing was changed") as error:
            hold_on_ladder(partner_id=pk, until_date=until, reason=reason, actor=anna, at=at)
        assert list(error.value.fields) == [field]
    with pytest.raises(NotFound):
        hold_on_ladder(partner_id=0, until_date=at.date(), reason="Why.", actor=anna, at=at)
    assert LadderHold.objects.count() == 2
