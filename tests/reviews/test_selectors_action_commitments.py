"""A review opens with the corrective actions of the cycle before: done or not by their log, and whether they worked."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import ActionState, Verdict
from reviews.models import CorrectiveAction
from reviews.selectors import list_action_commitments
from reviews.services.actions import cancel_action, revert_action
from tests.factories.actions import AT, carry_out, make_correctable_program, propose
from tests.factories.people import make_member_of_staff
from tests.factories.reviews import JULY, JUNE, reviewed
from tests.support.pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]
FAR, PAST = date(2099, 12, 31), date(2026, 7, 12)
IN_AUGUST = datetime(2026, 8, 3, 9, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


def test_each_action_of_the_last_cycle_gives_exactly_its_line(program: Program, anna: User) -> None:
    june, july = reviewed(program, JUNE), reviewed(program, JULY, at=IN_AUGUST)
    of_june = {"cycle": june, "reason": ""}
    done = carry_out(propose(program, anna, params={"offers": ["O1"]}, due_date=PAST, **of_june), anna)
    undone = propose(program, anna, params={"offers": ["O2"]}, due_date=FAR, **of_june)
    overdue = propose(program, anna, params={"offers": ["O2"]}, due_date=PAST, **of_june)
    late = carry_out(propose(program, anna, params={"offers": ["O2"]}, due_date=PAST, **of_june), anna, AT + timedelta(days=6))
    ineffective = carry_out(propose(program, anna, params={"offers": ["O3"]}, **of_june), anna)
    CorrectiveAction.objects.filter(pk=ineffective.pk).update(
        state=ActionState.MEASURED, verdict=Verdict.NO_EVIDENCE, measured_at=IN_AUGUST, effect={"sentence": "Nothing moved."}
    )
    cancelled = propose(program, anna, params={"offers": ["O3"]}, **of_june)
    cancel_action(action_id=cancelled.pk, actor=anna, at=AT, comment="They left.")

    lines = [
        (one.action.pk, one.outcome, one.done_at is not None, one.action.verdict, one.said)
        for one in list_action_commitments(july, IN_AUGUST)
    ]

    assert lines == [
        (overdue.pk, "overdue", False, "", ""),
        (undone.pk, "undone", False, "", ""),
        (late.pk, "done_late", True, "cannot_tell", ""),
        (done.pk, "done", True, "cannot_tell", ""),
        (ineffective.pk, "done", True, "no_evidence", ""),
        (cancelled.pk, "cancelled", False, "", "They left."),
    ]
    page = text_of(sign_in(anna).get(reverse("admin:reviews_reviewcycle_change", args=[july.pk])))
    assert "Actions after the review of June 2026" in page
    for words in ("Overdue", "Not done yet", "Done late", "No evidence", "They left."):
        assert words in page, words


def test_what_was_taken_back_counts_as_that(program: Program, anna: User) -> None:
    june, july = reviewed(program, JUNE), reviewed(program, JULY, at=IN_AUGUST)
    action = carry_out(propose(program, anna, cycle=june, due_date=PAST), anna)
    revert_action(action_id=action.pk, actor=anna, at=AT, comment="It harmed.")
    [line] = list_action_commitments(july, IN_AUGUST)
    assert (line.outcome, line.said) == ("reverted", "It harmed.")
    assert line.done_at == AT


def test_other_cycles_are_none_of_it_and_what_answers_none_belongs_to_the_month_in_which_it_was_proposed(
    program: Program, anna: User
) -> None:
    june, july = reviewed(program, JUNE), reviewed(program, JULY, at=IN_AUGUST)
    propose(program, anna, cycle=july)
    propose(program, anna, at=IN_AUGUST)
    of_none = propose(program, anna)
    assert [one.action.pk for one in list_action_commitments(july, IN_AUGUST)] == [of_none.pk]
    assert list_action_commitments(june, IN_AUGUST) == []
    empty = text_of(sign_in(anna).get(reverse("admin:reviews_reviewcycle_change", args=[june.pk])))
    assert "What became of it" not in empty
