"""Corrective actions: proposed, approved by as many people as they need, carried out once, reverted or refused."""

from datetime import timedelta
from typing import Any

import pytest

from offers.choices import OfferState
from offers.models import Offer
from offers.selectors import list_ranked
from offers.services import change_offer_state
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.models import AuditEvent, Job, User
from reviews.choices import ActionKind, ActionState, Approval
from reviews.models import ActionTransition, ApprovalPolicy, CorrectiveAction
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import (
    UnableToDecideAction,
    add_note,
    approve_action,
    cancel_action,
    execute_action,
    propose_action,
    reject_action,
    retry_action,
    revert_action,
    save_approvals,
    take_up_action,
)
from reviews.services.actions.kinds import UnableToExecute
from tests.factories.actions import AT, WORDS, carry_out, make_correctable_program, propose
from tests.factories.people import make_member_of_staff

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

S = ActionState
TWO = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))


@pytest.fixture
def program() -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def ben(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben")


def two_needed(program: Program, **changes: Any) -> None:
    save_approvals(program_id=program.pk, spec=ApprovalSpec(TWO.approvals, **changes), actor="system", at=AT)


def state_of(external_id: str) -> str:
    return str(Offer.objects.get(external_id=external_id).state)


def order_of(program: Program) -> list[str]:
    return [ranked.offer.external_id for ranked in list_ranked(program.pk, None, AT.date())]


def steps(action: CorrectiveAction) -> list[tuple[str, str, str]]:
    rows = ActionTransition.objects.filter(action=action).order_by("id")
    return [(row.name, row.from_state, row.to_state) for row in rows]


def test_one_person_is_enough_for_what_can_be_undone(program: Program, anna: User) -> None:
    action = propose(program, anna, reason="Nobody can redeem it.")
    assert (action.state, action.needs_two, action.proposer) == (S.PROPOSED, False, anna)

    approve_action(action_id=action.pk, actor=anna, at=AT, comment="Go on.")
    action.refresh_from_db()
    assert action.state == S.SCHEDULED
    assert state_of("O1") == OfferState.PUBLISHED, "nothing is done before the job runs"
    [job] = Job.objects.filter(name="reviews.execute_action")
    assert job.arguments == {"action_id": action.pk, "revision": 1}

    execute_action(**job.arguments, at=AT)

    action.refresh_from_db()
    assert state_of("O1") == OfferState.PAUSED
    assert (action.state, action.executed_at) == (S.MEASURED, AT)
    assert (action.verdict, action.design["method"]) == ("cannot_tell", "none"), "a paused offer has no figures"
    assert (action.before, action.after) == ({"offers": {"O1": "published"}}, {"offers": {"O1": "paused"}})
    assert steps(action) == [
        ("propose", "", "proposed"),
        ("approve", "proposed", "approved"),
        ("schedule", "approved", "scheduled"),
        ("begin", "scheduled", "executing"),
        ("finish", "executing", "executed"),
        ("watch", "executed", "measuring"),
        ("measure", "measuring", "measured"),
    ]
    audited = AuditEvent.objects.filter(object_ref=f"reviews.CorrectiveAction:{action.pk}").values_list("action", flat=True)
    assert sorted(audited) == sorted(f"reviews.{name}_action" for name, _, _ in steps(action))
    assert Offer.objects.get(external_id="O1").transitions.latest("id").source_ref == f"reviews.CorrectiveAction:{action.pk}"


def test_what_cannot_be_done_fails_with_a_reason_and_may_be_tried_again(program: Program, anna: User) -> None:
    action = propose(program, anna)
    approve_action(action_id=action.pk, actor=anna, at=AT)
    offer = Offer.objects.get(external_id="O1")
    change_offer_state(offer_id=offer.pk, name="pause", actor="system", at=AT, comment="meanwhile")

    execute_action(action_id=action.pk, revision=1, at=AT)

    action.refresh_from_db()
    assert action.state == S.FAILED
    assert "None of these offers is published" in action.failure
    with pytest.raises(UnableToExecute):
        retry_action(action_id=action.pk, actor=anna, at=AT)
    change_offer_state(offer_id=offer.pk, name="resume", actor="system", at=AT)
    retry_action(action_id=action.pk, actor=anna, at=AT)
    execute_action(action_id=action.pk, revision=1, at=AT)
    action.refresh_from_db()
    assert (action.state, action.failure, state_of("O1")) == (S.MEASURED, "", "paused")


RERANK = {"offers": ["O3"], "how": "top"}


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (ActionKind.PAUSE_OFFER, {"offers": ["O1", "O2"]}),
        (ActionKind.RERANK, RERANK),
        (ActionKind.RERANK, {"offers": ["O1"], "how": "hide"}),
        (ActionKind.REFRESH_LISTING, {"offers": ["O1"], **WORDS}),
    ],
)
def test_a_revert_gives_back_what_was_there(program: Program, anna: User, kind: str, params: dict[str, Any]) -> None:
    def seen() -> Any:
        titles = {offer.external_id: offer.listings.latest("number").title for offer in Offer.objects.all()}
        return order_of(program), titles, [state_of(name) for name in ("O1", "O2", "O3", "O4")]

    before = seen()
    action = carry_out(propose(program, anna, kind, params=params), anna)
    after = seen()
    assert after != before

    revert_action(action_id=action.pk, actor=anna, at=AT + timedelta(days=1), comment="It did not help.")

    action.refresh_from_db()
    assert seen() == before
    assert (action.state, action.reverted_by) == (S.REVERTED, f"user:{anna.pk}")


def test_an_action_is_reverted_within_thirty_days(program: Program, anna: User) -> None:
    action = carry_out(propose(program, anna), anna)

    with pytest.raises(UnableToDecideAction, match="within 30 days"):
        revert_action(action_id=action.pk, actor=anna, at=AT + timedelta(days=30, seconds=1), comment="Back.")
    assert state_of("O1") == OfferState.PAUSED


def test_a_proposal_of_the_same_finding_is_one(program: Program) -> None:
    first = propose(program, "system", proposal_key="7:1:pause_offer:")
    again = propose(program, "system", proposal_key="7:1:pause_offer:", params={"offers": ["O2"]})

    assert again.pk == first.pk
    assert CorrectiveAction.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "params", "field"),
    [
        (ActionKind.PAUSE_OFFER, {"offers": []}, "offers"),
        (ActionKind.PAUSE_OFFER, {"offers": ["O1", "O1"]}, "offers"),
        (ActionKind.PAUSE_OFFER, {"offers": ["O1"], "how": "top"}, "how"),
        (ActionKind.RERANK, {"offers": ["O1"], "how": "place"}, "place"),
        (ActionKind.RERANK, {"offers": ["O1"], "how": "place", "place": True}, "place"),
        (ActionKind.RERANK, {"offers": ["O1"], "how": "sideways"}, "how"),
        (ActionKind.REFRESH_LISTING, {"offers": ["O1"], "title": " "}, "title"),
        (ActionKind.REFRESH_LISTING, {"offers": ["O1"], **WORDS, "text": "x" * 20_001}, "text"),
    ],
)
def test_what_is_not_complete_is_refused_field_by_field(
    program: Program, anna: User, kind: str, params: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput, match="Nothing was saved") as error:
        propose(program, anna, kind, params=params)
    assert field in error.value.fields
    assert not CorrectiveAction.objects.exists()


def test_offers_are_the_partners_own(program: Program, anna: User) -> None:
    with pytest.raises(UnableToExecute, match="another partner's"):
        propose(program, anna, params={"offers": ["O4"]})
    with pytest.raises(UnableToExecute, match="no offer 'O9'"):
        propose(program, anna, params={"offers": ["O9"]})


def test_a_segment_is_for_kinds_that_have_one(program: Program, anna: User) -> None:
    with pytest.raises(InvalidInput) as error:
        propose(program, anna, segment="north")
    assert error.value.fields == {"segment": "Leave this empty."}
    with pytest.raises(InvalidInput) as error:
        propose(program, anna, ActionKind.RERANK, params=RERANK, segment="north")
    assert error.value.fields == {"segment": "There is no segment 'north'."}


def test_only_those_who_may_propose_and_decide_do(program: Program) -> None:
    analyst = make_member_of_staff(program, Role.ANALYST)
    ops = make_member_of_staff(program, Role.PARTNER_OPS)
    with pytest.raises(NotAllowed):
        propose(program, analyst)
    action = propose(program, ops)
    for decide in (approve_action, reject_action):
        with pytest.raises(NotAllowed):
            decide(action_id=action.pk, actor=ops, at=AT, comment="no")
    cancel_action(action_id=action.pk, actor=ops, at=AT, comment="A slip.")
    action.refresh_from_db()
    assert action.state == S.CANCELLED


def test_a_rejection_needs_a_reason_and_ends_it(program: Program, anna: User) -> None:
    action = propose(program, anna)
    with pytest.raises(InvalidInput, match="says why"):
        reject_action(action_id=action.pk, actor=anna, at=AT, comment=" ")
    reject_action(action_id=action.pk, actor=anna, at=AT, comment="Not now.")
    with pytest.raises(DomainError, match="Nothing was changed"):
        approve_action(action_id=action.pk, actor=anna, at=AT)


def test_what_waits_for_its_day_can_be_cancelled(program: Program, anna: User) -> None:
    action = propose(program, anna, scheduled_at=AT + timedelta(days=3))
    approve_action(action_id=action.pk, actor=anna, at=AT)
    cancel_action(action_id=action.pk, actor=anna, at=AT, comment="Not needed any more.")
    execute_action(action_id=action.pk, revision=1, at=AT + timedelta(days=3))
    assert state_of("O1") == OfferState.PUBLISHED


def test_notes_are_kept_with_their_links(program: Program, anna: User) -> None:
    action = propose(program, anna)
    note = add_note(action_id=action.pk, text="See the ticket.", url="https://example.org/1", actor=anna, at=AT)
    assert (note.made_by, note.url) == (f"user:{anna.pk}", "https://example.org/1")
    with pytest.raises(InvalidInput) as error:
        add_note(action_id=action.pk, text=" ", url="javascript:1", actor=anna, at=AT)
    assert set(error.value.fields) == {"text", "url"}


def test_approvals_are_versions_and_complete(program: Program, anna: User) -> None:
    row = save_approvals(program_id=program.pk, spec=TWO, actor=anna, at=AT)
    assert save_approvals(program_id=program.pk, spec=TWO, actor=anna, at=AT) == row
    spec = ApprovalSpec({"pause_offer": "three", "dance": "one"}, push_limit=-1)
    with pytest.raises(InvalidInput) as error:
        save_approvals(program_id=program.pk, spec=spec, actor=anna, at=AT)
    assert {"pause_offer", "dance", "push_limit", "rerank"} <= set(error.value.fields)
    higher = ApprovalSpec(TWO.approvals, push_limit=0)
    assert save_approvals(program_id=program.pk, spec=higher, actor=anna, at=AT) == ApprovalPolicy.objects.get(number=2)


def test_what_is_not_there_is_not_found(program: Program, anna: User) -> None:
    for act in (approve_action, take_up_action):
        with pytest.raises(NotFound):
            act(action_id=987, actor=anna, at=AT)
    with pytest.raises(NotFound):
        propose_action(partner_id=987, kind=ActionKind.PAUSE_OFFER, params={}, actor=anna, at=AT)
