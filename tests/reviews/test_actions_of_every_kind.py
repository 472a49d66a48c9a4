"""Each kind of corrective action in each situation: carried out twice, dying on the way, reverted, reverted after a change."""

from datetime import timedelta
from typing import Any

import pytest

from offers.models import Offer
from offers.selectors import list_ranked
from partners.models import Partner, Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import ActionState
from reviews.models import ActionTransition, CorrectiveAction
from reviews.services.actions import HANDLINGS, UnableToDecideAction, execute_action, executing, revert_action
from reviews.services.actions.kinds import ChangedSince
from tests.factories.action_kinds import ELSEWHERE, KINDS, approved, make_subject
from tests.factories.actions import AT
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.faults.points import list_points

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

POINTS = [point.name for point in list_points("action")]
REVERTED = [kind for kind, case in KINDS.items() if case.change is not None]


@pytest.fixture
def program() -> Program:
    return make_program(recorded_stages=["viewed", "unlocked", "activated", "redeemed"])


@pytest.fixture
def partner(program: Program) -> Partner:
    make_subject(program, "B")
    return make_subject(program, "A")


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


def run(action: CorrectiveAction) -> CorrectiveAction:
    """What its job does."""
    execute_action(action_id=action.pk, revision=action.revision, at=AT)
    action.refresh_from_db()
    return action


def seen(program: Program) -> Any:
    """What members see: the order, the words, and what is published."""
    order = [ranked.offer.external_id for ranked in list_ranked(program.pk, None, AT.date())]
    offers = Offer.objects.filter(program=program).order_by("external_id")
    return order, [(offer.state, offer.listings.latest("number").title) for offer in offers]


def finished(action: CorrectiveAction) -> int:
    return ActionTransition.objects.filter(action=action, name="finish").count()


def test_no_kind_is_left_out() -> None:
    assert set(HANDLINGS) == set(KINDS) | ELSEWHERE
    assert {kind for kind, handling in HANDLINGS.items() if handling.undo is not None} - ELSEWHERE == set(REVERTED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_does_nothing(partner: Partner, anna: User, kind: str) -> None:
    action = run(approved(partner, kind, anna, AT))
    assert (KINDS[kind].count(action), finished(action)) == (1, 1)
    if change := KINDS[kind].change:
        change(partner.offers.get(), AT)
    changed = seen(partner.program)

    run(action)

    assert seen(partner.program) == changed, "what somebody did afterwards stands"
    assert (KINDS[kind].count(action), finished(action)) == (1, 1)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_death_anywhere_leaves_all_or_nothing(
    partner: Partner, anna: User, kind: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = approved(partner, kind, anna, AT)

    def die(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt(name)

    with monkeypatch.context() as patch:
        patch.setattr(executing, "crashpoint", die)
        with pytest.raises(KeyboardInterrupt, match=point):
            run(action)

    action.refresh_from_db()
    is_done = point == "action.committed"
    assert (KINDS[kind].count(action), finished(action)) == ((1, 1) if is_done else (0, 0))
    assert (action.state == ActionState.SCHEDULED) is not is_done
    run(action)
    assert (KINDS[kind].count(action), finished(action)) == (1, 1)


@pytest.mark.parametrize("kind", REVERTED)
def test_a_revert_gives_back_what_was_there(partner: Partner, anna: User, kind: str) -> None:
    before = seen(partner.program)
    action = run(approved(partner, kind, anna, AT))
    assert seen(partner.program) != before

    revert_action(action_id=action.pk, actor=anna, at=AT + timedelta(days=1), comment="It did not help.")

    action.refresh_from_db()
    assert seen(partner.program) == before
    assert (action.state, action.reverted_by) == (ActionState.REVERTED, f"user:{anna.pk}")


@pytest.mark.parametrize("kind", REVERTED)
def test_a_revert_refuses_to_overwrite_and_shows_three_versions(partner: Partner, anna: User, kind: str) -> None:
    action = run(approved(partner, kind, anna, AT))
    change = KINDS[kind].change
    assert change is not None
    change(partner.offers.get(), AT)
    changed, state = seen(partner.program), action.state

    with pytest.raises(ChangedSince, match="Nothing was changed") as refused:
        revert_action(action_id=action.pk, actor=anna, at=AT, comment="Back.")

    versions = refused.value.versions
    assert set(versions) == {"before", "after", "now"}
    assert versions["now"] != versions["after"]
    assert (versions["before"], versions["after"]) == (action.before, action.after)
    action.refresh_from_db()
    assert seen(partner.program) == changed
    assert (action.state, action.reverted_at) == (state, None)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(REVERTED)))
def test_what_went_out_cannot_be_reverted(partner: Partner, anna: User, kind: str) -> None:
    action = run(approved(partner, kind, anna, AT))

    with pytest.raises(UnableToDecideAction, match="cannot be taken back"):
        revert_action(action_id=action.pk, actor=anna, at=AT, comment="Back.")

    action.refresh_from_db()
    assert (KINDS[kind].count(action), action.reverted_at) == (1, None)
