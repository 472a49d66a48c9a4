"""The ways back of a replacement, and whom it tells what."""

from datetime import timedelta

import pytest

from offers.models import Offer
from offers.rules import Step
from offers.selectors import list_ranked
from offers.services import change_ranking
from partners.choices import PartnerState
from partners.models import Partner, Program
from partners.services import change_partner_state, save_contact
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import Job, Outbox, User
from reviews.choices import ActionState, ReplacementState
from reviews.models import CorrectiveAction, Replacement
from reviews.services.actions import retry_action, revert_action
from reviews.services.actions.kinds import ChangedSince, UnableToExecute
from reviews.services.replacements.approving import approve_replacement, send_back
from reviews.services.replacements.cutover import cut_over
from reviews.services.replacements.ending import (
    cancel_replacement,
    go_back,
    roll_back_replacement,
)
from reviews.services.replacements.notices import remind_of_replacements
from reviews.services.replacements.opening import UnableToReplace
from reviews.services.replacements.planning import plan_step
from tests.factories.actions import AT
from tests.factories.offers import make_segment
from tests.factories.replacements import (
    CUT_OVER_AT,
    catalog,
    happens,
    lead,
    make_pair,
    make_replaceable_program,
    offer_state,
    open_replacement,
    partner_state,
)

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

S = ReplacementState


@pytest.fixture
def program() -> Program:
    return make_replaceable_program()


@pytest.fixture
def pair(program: Program) -> tuple[User, User]:
    return make_pair(program)


@pytest.fixture
def anna(pair: tuple[User, User]) -> User:
    return pair[0]


@pytest.fixture
def ben(pair: tuple[User, User]) -> User:
    return pair[1]


@pytest.fixture
def opened(program: Program, anna: User, ben: User) -> Replacement:
    return open_replacement(program, anna, ben)


def code_of(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.code


def test_roll_back_gives_back_what_was_there(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    happens(program, ("unlocked", "M1", "O1"))
    before = catalog(program)
    done = lead(opened, anna, ben, S.VERIFIED)
    roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="They do not answer.")

    done.refresh_from_db()
    assert (done.state, catalog(program)) == (S.ROLLED_BACK, before)
    assert (offer_state("O1"), offer_state("N1"), partner_state("P1")) == ("published", "paused", "replacing")
    assert list(done.holders.values_list("recalled_at", flat=True)) == [CUT_OVER_AT], "told that it stays"
    assert Outbox.objects.filter(channel="holder_notice").count() == 2

    # It goes on from an earlier step, and is cut over again.
    go_back(replacement_id=done.pk, name="back_to_mapping", actor=anna, at=CUT_OVER_AT, comment="Other offers.")
    done.refresh_from_db()
    again = lead(done, anna, ben, S.COMPLETED, at=CUT_OVER_AT, cut_over_at=CUT_OVER_AT + timedelta(days=1))
    assert catalog(program, at=CUT_OVER_AT + timedelta(days=1)) == ["N1", "N2", "O4", "O9"]
    assert again.action.state in (ActionState.EXECUTING, ActionState.MEASURING, ActionState.MEASURED)


def test_a_completed_replacement_is_rolled_back_by_reverting_its_action(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    before = catalog(program)
    done = lead(opened, anna, ben, S.COMPLETED)
    revert_action(action_id=done.action_id, actor=ben, at=CUT_OVER_AT + timedelta(days=2), comment="A mistake.")
    done.refresh_from_db()
    assert (done.state, catalog(program), partner_state("P1")) == (S.ROLLED_BACK, before, PartnerState.ACTIVE)
    assert CorrectiveAction.objects.get(pk=done.action_id).state == ActionState.REVERTED
    with pytest.raises(UnableToReplace):
        go_back(replacement_id=done.pk, name="back_to_mapping", actor=anna, at=CUT_OVER_AT, comment="Again.")
    open_replacement(program, anna, ben)  # another one may begin


def test_roll_back_is_refused_with_three_versions_where_somebody_changed_the_order(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    done = lead(opened, anna, ben, S.CUT_OVER)
    offer = Offer.objects.get(external_id="O9")
    change_ranking(program_id=program.pk, steps=[Step("surface", offer.pk)], on=CUT_OVER_AT.date(), actor=anna, at=CUT_OVER_AT)
    with pytest.raises(ChangedSince) as refused:
        roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="Back.")
    assert set(refused.value.versions) == {"before", "after", "now"}
    done.refresh_from_db()
    assert (done.state, catalog(program)[0]) == (S.CUT_OVER, "O9"), "nothing was changed"


def test_a_cutover_is_rolled_back_within_thirty_days(opened: Replacement, anna: User, ben: User) -> None:
    done = lead(opened, anna, ben, S.CUT_OVER)
    with pytest.raises(UnableToReplace) as refused:
        roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT + timedelta(days=31), comment="Back.")
    assert code_of(refused) == "too_late"


def test_going_back_voids_the_approval_and_the_job_that_was_planned(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    done = lead(opened, anna, ben, S.SCHEDULED)
    [job] = Job.objects.filter(name="reviews.cut_over")
    go_back(replacement_id=done.pk, name="back_to_mapping", actor=anna, at=AT, comment="N2 is not ready.")
    done.refresh_from_db()
    assert (done.state, done.approver, done.scheduled_at) == (S.AGREED, None, None)
    cut_over(**job.arguments, at=CUT_OVER_AT)
    assert catalog(program) == ["O1", "O2", "O3", "O4", "O9"]
    with pytest.raises(DomainError):
        send_back(replacement_id=done.pk, actor=ben, at=AT, comment="Not now.")


def test_calling_it_off_leaves_the_partner_as_it_was(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    lead(opened, anna, ben, S.APPROVED)
    cancel_replacement(replacement_id=opened.pk, actor=anna, at=AT, comment="They do better now.")
    opened.refresh_from_db()
    assert (opened.state, partner_state("P1")) == (S.CANCELLED, PartnerState.ACTIVE)
    action = CorrectiveAction.objects.get(pk=opened.action_id)
    assert (action.state, action.failure) == (ActionState.FAILED, "The replacement was called off: They do better now.")
    open_replacement(program, anna, ben)


def test_partners_are_told_when_it_is_scheduled_and_when_it_happened(
    program: Program, opened: Replacement, anna: User, ben: User
) -> None:
    for name in ("P1", "P2"):
        partner = Partner.objects.get(external_id=name)
        save_contact(
            partner_id=partner.pk,
            name=f"Contact {name}",
            email=f"{name.lower()}@partner.example",
            role="account",
            actor=anna,
            at=AT,
        )
    lead(opened, anna, ben, S.CUT_OVER)
    subjects = list(Outbox.objects.filter(dedup_key__startswith="replacement:").order_by("id").values_list("payload", flat=True))
    told = [(payload["to"][1], payload["headers"]["Subject"]) for payload in subjects]
    assert told == [
        ("p1@partner.example", "Acme: your offers end soon"),
        ("p2@partner.example", "Acme: your offers go live soon"),
        ("p1@partner.example", "Acme: your offers have ended"),
        ("p2@partner.example", "Acme: your offers are live"),
    ]
    assert "O1" in subjects[0]["text"]
    assert "N1" not in subjects[0]["text"], "a partner reads of its own offers alone"


def test_whoever_has_a_step_is_reminded_once_a_day(program: Program, opened: Replacement, anna: User, ben: User) -> None:
    User.objects.filter(pk=anna.pk).update(email="anna@plum.example")
    plan_step(replacement_id=opened.pk, step="compare", owner=anna, due_date=AT.date(), actor=ben, at=AT)
    for _ in range(2):
        assert remind_of_replacements(program_id=program.pk, at=AT) == 1
    assert Outbox.objects.filter(dedup_key__startswith="replacements_due").count() == 1
    lead(opened, anna, ben, S.COMPARED)
    assert remind_of_replacements(program_id=program.pk, at=AT) == 0, "the next step is not due yet"


def test_a_segment_that_is_cut_over_again_keeps_the_new_offers_to_itself(program: Program, anna: User, ben: User) -> None:
    north = make_segment(program, "north", "region", ("north",))
    done = lead(open_replacement(program, anna, ben, segment="north"), anna, ben, S.CUT_OVER)
    roll_back_replacement(replacement_id=done.pk, actor=ben, at=CUT_OVER_AT, comment="Not yet.")
    go_back(replacement_id=done.pk, name="back_to_mapping", actor=anna, at=CUT_OVER_AT, comment="Now.")
    done.refresh_from_db()
    later = CUT_OVER_AT + timedelta(days=1)
    lead(done, anna, ben, S.CUT_OVER, at=CUT_OVER_AT, cut_over_at=later)
    assert catalog(program, north.pk, later)[:2] == ["N1", "N2"]
    south = [one.offer.external_id for one in list_ranked(program.pk, {"region": "south"}, later.date())]
    assert not {"N1", "N2"} & set(south)


def test_an_action_whose_replacement_was_called_off_is_not_tried_again(opened: Replacement, anna: User, ben: User) -> None:
    cancel_replacement(replacement_id=opened.pk, actor=anna, at=AT, comment="They do better now.")
    with pytest.raises(UnableToExecute) as refused:
        retry_action(action_id=opened.action_id, actor=ben, at=AT)
    assert code_of(refused) == "opened_already"


def test_a_successor_that_was_retired_meanwhile_cannot_take_the_place(opened: Replacement, anna: User, ben: User) -> None:
    done = lead(opened, anna, ben, S.MAPPED)
    assert done.successor_id is not None
    change_partner_state(partner_id=done.successor_id, name="retire", actor=anna, at=AT, comment="They closed.")
    with pytest.raises(InvalidInput, match="cannot take the place"):
        approve_replacement(replacement_id=done.pk, actor=ben, at=AT)
