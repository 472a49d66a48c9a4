"""Where two people are required, one is not enough, by whatever door they come."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from offers.choices import OfferState
from offers.models import Offer
from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import Job, RoleGrant, User
from plum_site.lib.people import update_person
from plum_site.lib.tokens import create_token
from reviews.choices import ActionKind, ActionState, Approval
from reviews.models import CorrectiveAction
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import (
    approve_action,
    approve_in_bulk,
    edit_action,
    execute_action,
    save_approvals,
    take_up_action,
)
from tests.factories.actions import AT, lower_approvals, make_correctable_program, propose
from tests.factories.people import make_member_of_staff

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]

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


def two_needed(program: Program) -> None:
    save_approvals(program_id=program.pk, spec=TWO, actor="system", at=AT)


def state_of(external_id: str) -> str:
    return str(Offer.objects.get(external_id=external_id).state)


def approve_as(action: CorrectiveAction, actor: User | str) -> None:
    approve_action(action_id=action.pk, actor=actor, at=AT)


def token_of(program: Program, person: User) -> str:
    scopes = ["actions:approve", "actions:propose"]
    ends_at = AT + timedelta(days=30)
    token, _ = create_token(
        program_id=program.pk,
        name=f"key of {person}",
        scopes=scopes,
        is_sandbox=False,
        expires_at=ends_at,
        actor=person,
        at=AT,
        created_by=person,
    )
    return f"token:{token.pk}"


def refused(action: CorrectiveAction, code: str, actor: User | str) -> None:
    with pytest.raises(DomainError) as error:
        approve_as(action, actor)
    assert error.value.code == code
    action.refresh_from_db()
    assert (action.state, action.approver) == (S.PROPOSED, None)


def test_two_people_are_two_people(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    action = propose(program, anna)
    refused(action, "same_person", anna)
    refused(action, "same_person", User.objects.get(pk=anna.pk))  # a second session
    refused(action, "same_person", token_of(program, anna))  # her own token

    update_person(user_id=anna.pk, changes={"first_name": "Somebody", "last_name": "Else"}, actor="system", at=AT)
    refused(action, "same_person", User.objects.get(pk=anna.pk))  # a renamed account

    User.objects.filter(pk=anna.pk).update(is_superuser=True)
    refused(action, "same_person", User.objects.get(pk=anna.pk))

    approve_as(action, ben)
    action.refresh_from_db()
    assert (action.state, action.approver) == (S.SCHEDULED, ben)


def test_whoever_lost_the_right_approves_nothing(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    action = propose(program, anna)
    token = token_of(program, ben)
    RoleGrant.objects.filter(user=ben).update(role=Role.PARTNER_OPS)
    refused(action, "not_allowed", ben)
    refused(action, "not_allowed", token)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    with pytest.raises(DomainError):
        approve_as(action, User.objects.get(pk=ben.pk))


def test_what_a_token_proposes_is_proposed_by_whoever_made_it(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    action = propose(program, token_of(program, anna))
    assert action.proposer == anna
    refused(action, "same_person", anna)
    approve_as(action, token_of(program, ben))


def test_whoever_edits_cannot_approve_and_an_edit_voids_an_approval(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    carla = make_member_of_staff(program, Role.PROGRAM_ADMIN, "carla")
    action = propose(program, anna)
    edit_action(action_id=action.pk, actor=ben, at=AT, params={"offers": ["O2"]})
    refused(action, "same_person", ben)
    refused(action, "same_person", anna)

    approve_as(action, carla)
    edit_action(action_id=action.pk, actor=anna, at=AT, params={"offers": ["O1", "O2", "O3"]})
    action.refresh_from_db()
    assert (action.state, action.approver, action.revision) == (S.PROPOSED, None, 3)
    refused(action, "same_person", ben)  # an earlier editor
    for job in Job.objects.filter(name="reviews.execute_action"):
        execute_action(**job.arguments, at=AT)
    assert state_of("O2") == OfferState.PUBLISHED, "what was approved before the edit is not carried out"


def test_an_approval_is_of_the_revision_that_was_seen(program: Program, anna: User, ben: User) -> None:
    action = propose(program, anna)
    edit_action(action_id=action.pk, actor=anna, at=AT, params={"offers": ["O2"]})

    with pytest.raises(InvalidInput, match="revision 2 stands, not 1"):
        approve_action(action_id=action.pk, actor=ben, at=AT, replaces=1)
    with pytest.raises(InvalidInput, match="revision 2 stands"):
        edit_action(action_id=action.pk, actor=ben, at=AT, params={"offers": ["O3"]}, replaces=1)


def test_in_bulk_each_is_checked_for_itself(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    mine, his, edited = (
        propose(program, person, params={"offers": [name]}) for person, name in ((ben, "O1"), (anna, "O2"), (anna, "O3"))
    )
    edit_action(action_id=edited.pk, actor=anna, at=AT, params={"offers": ["O1"]})

    done = approve_in_bulk(actions={mine.pk: 1, his.pk: 1, edited.pk: 1, 987: 1}, actor=ben, at=AT)

    assert [bool(one.refused) for one in done] == [True, False, True, True]
    states = dict(CorrectiveAction.objects.values_list("pk", "state"))
    assert states == {mine.pk: S.PROPOSED, his.pk: S.SCHEDULED, edited.pk: S.PROPOSED}


def test_what_a_rule_proposes_is_taken_up_before_another_approves(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    action = propose(program, "system")
    assert action.proposer is None
    refused(action, "not_taken_up", anna)

    take_up_action(action_id=action.pk, actor=anna, at=AT)
    refused(action, "same_person", anna)
    with pytest.raises(InvalidInput, match="stands behind this"):
        take_up_action(action_id=action.pk, actor=ben, at=AT)
    approve_as(action, ben)


@pytest.mark.parametrize(
    "change",
    [
        "state = 'approved', approver_id = {anna}, approved_at = '{at}'",
        "state = 'approved', approver_id = {anna}, approved_at = '{at}', needs_two = {no}",
        "state = 'approved', approver_id = {anna}, approved_at = '{at}', is_solo = {no}, proposer_id = {ben}",
        "state = 'scheduled'",
        "state = 'executed', executed_at = '{at}', before = '{{}}', after = '{{}}'",
    ],
)
def test_raw_sql_is_refused_too(program: Program, anna: User, ben: User, change: str) -> None:
    two_needed(program)
    action = propose(program, anna)
    no = "FALSE" if connection.vendor == "postgresql" else "0"

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE reviews_correctiveaction SET {change.format(anna=anna.pk, ben=ben.pk, at='2026-07-10', no=no)} "
            f"WHERE id = {action.pk}"
        )
    action.refresh_from_db()
    assert action.state == S.PROPOSED


def test_what_was_approved_stays_as_it_was_approved(program: Program, anna: User, ben: User) -> None:
    two_needed(program)
    action = propose(program, anna)
    approve_as(action, ben)
    for values in ({"params": {"offers": ["O2"]}}, {"approver": anna}, {"needs_two": False}, {"proposer": None}):
        with pytest.raises(DatabaseError), transaction.atomic():
            CorrectiveAction.objects.filter(pk=action.pk).update(**values)


def test_in_solo_mode_one_person_waits_a_day(program: Program, anna: User) -> None:
    lower_approvals(program, ApprovalSpec(TWO.approvals, solo_mode=True))
    action = propose(program, anna)

    approve_as(action, anna)

    action.refresh_from_db()
    assert (action.state, action.is_solo, action.scheduled_at) == (S.SCHEDULED, True, AT + timedelta(hours=24))
    assert Job.objects.get(name="reviews.execute_action").due_at == AT + timedelta(hours=24)
