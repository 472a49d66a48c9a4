"""Approvals that ask for less need a second person, or a day in which everybody who may can stop them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.models import AuditEvent, Job, Outbox, RoleGrant, User
from plum_site.lib.tokens import create_token
from reviews.choices import ActionKind, ActionState, Approval, ApprovalRequestState
from reviews.models import ApprovalPolicy, ApprovalRequest
from reviews.rules.actions import ApprovalSpec, default_approvals, default_playbook, is_theirs, lowers, say_changes
from reviews.selectors.actions import read_approvals
from reviews.services.actions import (
    answer_approval_request,
    approve_action,
    lower_by_time,
    save_approvals,
    save_playbook,
)
from reviews.workflow import APPROVAL_REQUEST_SYSTEM_TRANSITIONS, APPROVAL_REQUEST_TRANSITIONS
from tests.factories.actions import AT, make_correctable_program, propose
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff
from tests.factories.programs import make_program
from tests.support.source import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

R = ApprovalRequestState
TWO = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))
ONE = replace(TWO, approvals={**TWO.approvals, str(ActionKind.PAUSE_OFFER): str(Approval.ONE)})
DAY = timedelta(hours=24)
EARLY = DAY - timedelta(seconds=1)


@pytest.fixture
def program() -> Program:
    """One in which everything needs two people."""
    made = make_correctable_program()
    save_approvals(program_id=made.pk, spec=TWO, actor="system", at=AT)
    return made


def admin(program: Program, name: str) -> User:
    person = make_member_of_staff(program, Role.PROGRAM_ADMIN, name)
    person.email = f"{name}@example.org"
    person.save()
    return person


@pytest.fixture
def anna(program: Program) -> User:
    return admin(program, "anna")


@pytest.fixture
def ben(program: Program) -> User:
    return admin(program, "ben")


def ask(program: Program, actor: User | str, spec: ApprovalSpec = ONE, at: datetime = AT) -> ApprovalRequest:
    made = save_approvals(program_id=program.pk, spec=spec, actor=actor, at=at)
    assert isinstance(made, ApprovalRequest)
    return made


def token_of(program: Program, person: User) -> str:
    token, _ = create_token(
        program_id=program.pk,
        name=f"key of {person}",
        scopes=["rules:write"],
        is_sandbox=False,
        expires_at=AT + timedelta(days=30),
        actor=person,
        at=AT,
        created_by=person,
    )
    return f"token:{token.pk}"


def answer(row: ApprovalRequest, name: str, actor: User | str, comment: str = "") -> ApprovalRequest:
    return answer_approval_request(request_id=row.pk, name=name, actor=actor, at=AT, comment=comment)


def refused(row: ApprovalRequest, code: str, name: str, actor: User | str, comment: str = "Because.") -> None:
    with pytest.raises(DomainError) as error:
        answer(row, name, actor, comment)
    assert error.value.code == code
    row.refresh_from_db()
    assert (row.state, row.answerer) == (R.ASKED, None)
    assert read_approvals(row.program_id).spec == TWO


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (TWO, False),
        (ONE, True),
        (replace(TWO, push_limit=TWO.push_limit + 1), True),
        (replace(TWO, push_limit=TWO.push_limit - 1), False),
        (replace(TWO, solo_mode=True), True),
        (replace(ONE, push_limit=0), True),  # raises something too
    ],
)
def test_what_asks_for_less_in_anything_is_lower(after: ApprovalSpec, expected: bool) -> None:
    assert lowers(TWO, after) == expected
    assert lowers(replace(TWO, solo_mode=True), replace(TWO, solo_mode=True)) is False
    assert bool(say_changes(TWO, after)) == (after != TWO)


def test_a_kind_that_nobody_named_needs_two() -> None:
    assert lowers(ApprovalSpec({}), default_approvals())
    assert not lowers(ApprovalSpec({}), TWO)
    assert lowers(TWO, ApprovalSpec({**TWO.approvals, "pause_offer": "one"}))


def test_a_step_is_the_askers_or_somebody_elses() -> None:
    assert [is_theirs(step, 1, 1) for step in ("withdraw", "confirm", "refuse")] == [True, False, False]
    assert [is_theirs(step, 1, 2) for step in ("withdraw", "confirm", "refuse")] == [False, True, True]
    assert not any(is_theirs(step, 1, None) for step in ("withdraw", "confirm", "refuse"))


def test_lower_approvals_wait_and_every_admin_is_told(program: Program, anna: User, ben: User) -> None:
    row = ask(program, anna)

    assert read_approvals(program.pk).spec == TWO
    assert (row.state, row.replaces, row.asker, row.due_at) == (R.ASKED, 1, anna, AT + DAY)
    mails = Outbox.objects.filter(dedup_key__startswith="approvals_asked:").order_by("pk")
    assert [mail.recipient for mail in mails] == ["anna@example.org", "ben@example.org"]
    for mail, who in zip(mails, ("you asked", "anna asked"), strict=True):
        text = mail.payload["text"]
        assert who in text
        assert "Pause the offer: two different people → one person" in text
        assert "11 July 2026, 11:00 (Europe/Berlin)" in text
        assert "/console/approvals/" in mail.payload["html"]
    assert Job.objects.get(name="reviews.lower_approvals").due_at == AT + DAY
    assert ask(program, anna, at=AT + EARLY) == row, "the same again neither begins the day anew nor tells anybody"
    assert ask(program, ben) == row
    assert Outbox.objects.filter(dedup_key__startswith="approvals_asked:").count() == 2


def test_a_second_person_puts_them_in_force(program: Program, anna: User, ben: User) -> None:
    row = answer(ask(program, anna), "confirm", ben, "As agreed.")

    in_force = read_approvals(program.pk)
    assert (in_force.spec, in_force.number) == (ONE, 2)
    assert in_force.row is not None
    assert (in_force.row.request, in_force.row.made_by) == (row, f"user:{anna.pk}")
    assert (row.state, row.answerer, row.answer) == (R.IN_FORCE, ben, "As agreed.")
    log = list(AuditEvent.objects.filter(action__endswith="_approvals").order_by("pk").values_list("action", "actor"))
    assert log[-3:] == [
        ("reviews.ask_approvals", f"user:{anna.pk}"),
        ("reviews.confirm_approvals", f"user:{ben.pk}"),
        ("reviews.save_approvals", f"user:{ben.pk}"),
    ]
    lower_by_time(request_id=row.pk, at=AT + DAY)
    assert ApprovalPolicy.objects.count() == 2


def test_nobody_confirms_their_own_by_whatever_door(program: Program, anna: User, ben: User) -> None:
    row = ask(program, token_of(program, anna))
    assert row.asker == anna
    for name in ("confirm", "refuse"):
        refused(row, "same_person", name, anna)
        refused(row, "same_person", name, User.objects.get(pk=anna.pk))  # a second session
        refused(row, "same_person", name, token_of(program, anna))
    User.objects.filter(pk=anna.pk).update(is_superuser=True, first_name="Somebody")
    refused(row, "same_person", "confirm", User.objects.get(pk=anna.pk))
    refused(row, "another_person", "withdraw", ben)
    with pytest.raises(DatabaseError), transaction.atomic():
        ApprovalRequest.objects.filter(pk=row.pk).update(state=R.IN_FORCE, answerer=anna, answered_at=AT + DAY)
    answer(row, "confirm", token_of(program, ben))
    assert read_approvals(program.pk).spec == ONE


def test_who_may_not_change_them_neither_asks_nor_answers(program: Program, anna: User, ben: User) -> None:
    otis = make_member_of_staff(program, Role.PARTNER_OPS, "otis")
    with pytest.raises(NotAllowed):
        ask(program, otis)
    for nobody in ("system", "token:999"):
        with pytest.raises(DomainError, match="person"):
            ask(program, nobody)
    row = ask(program, anna)
    for actor, code in ((otis, "not_allowed"), (token_of(program, otis), "not_allowed"), ("system", "nobody_behind")):
        refused(row, code, "confirm", actor)
    RoleGrant.objects.filter(user=ben).delete()
    with pytest.raises(NotFound):
        answer(row, "confirm", ben)
    with pytest.raises(NotFound):
        answer_approval_request(request_id=9999, name="confirm", actor=anna, at=AT)


def test_it_can_be_refused_and_withdrawn_with_a_reason(program: Program, anna: User, ben: User) -> None:
    row = ask(program, anna)
    refused(row, "comment_required", "refuse", ben, " ")
    refused(row, "comment_required", "withdraw", anna, "")
    refused(row, "transition_refused", "forget", anna)
    assert answer(row, "refuse", ben, "Two of us are here.").state == R.REFUSED
    for name in ("confirm", "refuse", "withdraw"):
        with pytest.raises(DomainError, match="is not possible"):
            answer(row, name, ben, "Again.")

    mine = ask(program, anna)
    assert answer(mine, "withdraw", anna, "A mistake.").state == R.WITHDRAWN
    states = [lower_by_time(request_id=old.pk, at=AT + DAY).state for old in (row, mine)]
    assert states == [R.REFUSED, R.WITHDRAWN]
    assert read_approvals(program.pk).spec == TWO


def test_after_a_day_they_take_force_once(program: Program, anna: User, ben: User) -> None:
    row = ask(program, anna)
    assert lower_by_time(request_id=row.pk, at=AT + EARLY).state == R.ASKED
    assert run_due(AT + EARLY, name="reviews.lower_approvals") == []

    assert run_due(AT + DAY, name="reviews.lower_approvals") == ["done"]
    assert lower_by_time(request_id=row.pk, at=AT + 2 * DAY).answered_at == AT + DAY

    row.refresh_from_db()
    assert (row.state, row.answerer) == (R.IN_FORCE, None)
    assert (read_approvals(program.pk).spec, ApprovalPolicy.objects.count()) == (ONE, 2)
    assert ApprovalPolicy.objects.get(number=2).request == row


def test_whoever_lost_the_right_meanwhile_asked_for_nothing(program: Program, anna: User, ben: User) -> None:
    row = ask(program, anna)
    RoleGrant.objects.filter(user=anna).update(role=Role.ANALYST)
    assert lower_by_time(request_id=row.pk, at=AT + DAY).state == R.WITHDRAWN
    row.refresh_from_db()
    assert row.answer == "Whoever asked for this may not change the approvals any more."
    assert read_approvals(program.pk).spec == TWO


def test_one_is_open_at_a_time_and_the_newest_counts(program: Program, anna: User, ben: User) -> None:
    first = ask(program, anna)
    other = replace(TWO, push_limit=5000)
    second = ask(program, ben, other, AT + EARLY)

    first.refresh_from_db()
    assert (first.state, first.answerer) == (R.WITHDRAWN, ben)
    assert AuditEvent.objects.filter(action="reviews.replace_approvals", actor=f"user:{ben.pk}").count() == 1
    assert run_due(AT + DAY, name="reviews.lower_approvals") == ["done"]
    assert read_approvals(program.pk).spec == TWO, "the day began anew"
    lower_by_time(request_id=second.pk, at=AT + EARLY + DAY)
    assert read_approvals(program.pk).spec == other


def test_saving_what_asks_for_no_less_ends_the_request(program: Program, anna: User, ben: User) -> None:
    row = ask(program, anna)
    higher = replace(TWO, push_limit=10)
    assert isinstance(save_approvals(program_id=program.pk, spec=higher, actor=ben, at=AT), ApprovalPolicy)

    row.refresh_from_db()
    assert (row.state, row.answer) == (R.WITHDRAWN, "Version 2 of the approvals was saved meanwhile.")
    lower_by_time(request_id=row.pk, at=AT + DAY)
    assert read_approvals(program.pk).spec == higher


def test_a_change_of_both_kinds_waits_whole(program: Program, anna: User, ben: User) -> None:
    both = replace(ONE, push_limit=10)
    row = ask(program, anna, both)
    assert read_approvals(program.pk).spec == TWO
    answer(row, "confirm", ben)
    assert read_approvals(program.pk).spec == both


def test_the_only_admin_waits_a_day_for_solo_mode(program: Program, anna: User) -> None:
    row = ask(program, anna, replace(TWO, solo_mode=True))
    assert Outbox.objects.get(dedup_key__startswith="approvals_asked:").recipient == "anna@example.org"
    action = propose(program, anna)
    with pytest.raises(DomainError, match="somebody else has to approve"):
        approve_action(action_id=action.pk, actor=anna, at=AT + EARLY)

    lower_by_time(request_id=row.pk, at=AT + DAY)
    done = approve_action(action_id=action.pk, actor=anna, at=AT + DAY)
    assert (done.is_solo, done.scheduled_at) == (True, AT + 2 * DAY)


def lower(program: Program, anna: User, ben: User) -> ApprovalRequest:
    return ask(program, anna)


def confirm_by_her_token(program: Program, anna: User, ben: User) -> ApprovalRequest:
    row = ask(program, anna)
    refused(row, "same_person", "confirm", token_of(program, anna))
    return row


def ask_by_token_and_confirm(program: Program, anna: User, ben: User) -> ApprovalRequest:
    row = ask(program, token_of(program, anna))
    refused(row, "same_person", "confirm", anna)
    return row


def ask_again(program: Program, anna: User, ben: User) -> ApprovalRequest:
    ask(program, anna, replace(ONE, push_limit=2000))
    return ask(program, anna)


@pytest.mark.parametrize("way", [lower, confirm_by_her_token, ask_by_token_and_confirm, ask_again])
def test_lowering_first_is_no_way_round_the_second_person(
    program: Program, anna: User, ben: User, way: Callable[[Program, User, User], ApprovalRequest]
) -> None:
    before = propose(program, anna)
    row = way(program, anna, ben)
    action = propose(program, anna, params={"offers": ["O2"]})
    for at in (AT, AT + EARLY):
        lower_by_time(request_id=row.pk, at=at)
        with pytest.raises(DomainError) as error:
            approve_action(action_id=action.pk, actor=anna, at=at)
        assert error.value.code == "same_person"

    lower_by_time(request_id=row.pk, at=AT + DAY)
    later = propose(program, anna, params={"offers": ["O3"]}, at=AT + DAY)
    assert approve_action(action_id=later.pk, actor=anna, at=AT + DAY).state == ActionState.SCHEDULED
    for asked_before in (before, action):  # what was proposed before never needs fewer people than it did
        with pytest.raises(DomainError, match="somebody else has to approve"):
            approve_action(action_id=asked_before.pk, actor=anna, at=AT + DAY)


def test_another_version_than_the_one_seen_is_not_replaced(program: Program, anna: User) -> None:
    for replaces in (0, 2, -1):
        with pytest.raises(DomainError, match="version 1 of the approvals is in force") as error:
            save_approvals(program_id=program.pk, spec=ONE, actor=anna, at=AT, replaces=replaces)
        assert error.value.code == "changed_since"
        with pytest.raises(DomainError, match="version 0 of the playbook"):
            save_playbook(program_id=program.pk, lines=default_playbook(), actor=anna, at=AT, replaces=replaces or 5)
    assert not ApprovalRequest.objects.exists()
    assert save_playbook(program_id=program.pk, lines=default_playbook(), actor=anna, at=AT, replaces=0).number == 1
    with pytest.raises(InvalidInput):
        save_approvals(program_id=program.pk, spec=ApprovalSpec({}), actor=anna, at=AT, replaces=1)


@pytest.mark.parametrize(
    "change",
    [{"push_limit": 1001}, {"solo_mode": True}, {"approvals": dict(ONE.approvals)}],
    ids=lambda change: next(iter(change)),
)
def test_raw_rows_that_ask_for_less_are_refused(program: Program, anna: User, ben: User, change: dict[str, object]) -> None:
    values = {"program": program, "approvals": TWO.approvals, "push_limit": 1000, "solo_mode": False, "made_by": "x"}
    with pytest.raises(DatabaseError), transaction.atomic():
        ApprovalPolicy.objects.create(**{**values, **change}, number=2, made_at=AT)
    row = ask(program, anna, replace(TWO, push_limit=2000))
    with pytest.raises(DatabaseError), transaction.atomic():
        ApprovalPolicy.objects.create(**{**values, **change}, number=2, made_at=AT, request=row)
    with pytest.raises(DatabaseError), transaction.atomic():
        ApprovalRequest.objects.filter(pk=row.pk).update(state=R.IN_FORCE, answered_at=AT + EARLY)
    ApprovalPolicy.objects.create(**values, number=2, made_at=AT)
    later = make_program("later")  # one that begins: two people replace a partner there, and a push to more than 1,000 needs two
    begun = values | {"program": later, "approvals": dict(default_approvals().approvals), "number": 1, "made_at": AT}
    fewer = {**default_approvals().approvals, str(ActionKind.REPLACE_PARTNER): str(Approval.ONE)}
    with pytest.raises(DatabaseError), transaction.atomic():
        ApprovalPolicy.objects.create(**{**begun, **change, **({"approvals": fewer} if "approvals" in change else {})})
    ApprovalPolicy.objects.create(**begun)


def test_the_steps_in_the_documents_are_those_of_the_tables() -> None:
    text = (ROOT / "docs/rules/approvals.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    steps = [*APPROVAL_REQUEST_TRANSITIONS.values(), *APPROVAL_REQUEST_SYSTEM_TRANSITIONS.values()]
    assert {(name, state) for name, _, state in rows[2:]} == {(step.name, step.target) for step in steps}
    assert {name for name, who, _ in rows if "with a comment" in who} == {step.name for step in steps if step.needs_comment}
