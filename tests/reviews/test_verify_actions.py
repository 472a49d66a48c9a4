"""Whatever somebody with the database in hand does to corrective actions past the triggers, `verify actions` names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from partners.models import Program
from plum_site.lib import verify
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from plum_site.lib.tokens import create_token
from plum_site.verify import load_checks
from reviews.choices import ActionKind, Approval
from reviews.models import ApprovalRequest, CorrectiveAction
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import (
    answer_approval_request,
    approve_action,
    edit_action,
    execute_action,
    lower_by_time,
    revert_action,
    save_approvals,
)
from tests.factories.actions import AT, make_correctable_program, propose
from tests.factories.people import make_member_of_staff
from tests.factories.tokens import LIFE
from tests.support.source import ROOT
from tests.support.tampering import let_through

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


@pytest.fixture
def program() -> Program:
    made = make_correctable_program()
    spec = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))
    save_approvals(program_id=made.pk, spec=spec, actor="system", at=AT)
    return made


@pytest.fixture
def people(program: Program) -> dict[str, User]:
    return {name: make_member_of_staff(program, Role.PROGRAM_ADMIN, name) for name in ("anna", "ben", "carla")}


@pytest.fixture
def action(program: Program, people: dict[str, User]) -> CorrectiveAction:
    """Proposed by Anna, approved by Ben through a token, edited, approved again, carried out."""
    made = propose(program, people["anna"])
    token, _ = create_token(
        program_id=program.pk,
        name="Ben's",
        scopes=["actions:approve"],
        is_sandbox=False,
        expires_at=AT + LIFE,
        actor=people["ben"],
        at=AT,
        created_by=people["ben"],
    )
    approve_action(action_id=made.pk, actor=people["ben"], at=AT)
    edit_action(action_id=made.pk, actor=people["anna"], at=AT, params={"offers": ["O2"]})
    approve_action(action_id=made.pk, actor=f"token:{token.pk}", at=AT)
    execute_action(action_id=made.pk, revision=2, at=AT)
    made.refresh_from_db()
    assert made.executed_at is not None
    return made


def violations() -> list[str]:
    load_checks()
    return [text for finding in verify.run("actions") for text in finding.violations]


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the constraint that compares the people, as its owner can take it away."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with foreign keys to check still is not altered
            cursor.execute("ALTER TABLE reviews_correctiveaction DROP CONSTRAINT reviews_action_by_two_people")
            yield
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            try:
                yield
            finally:
                cursor.execute("PRAGMA ignore_check_constraints = OFF")


def run(statement: str, people: dict[str, User], action: CorrectiveAction) -> None:
    let_through()
    names = {name: person.pk for name, person in people.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement.format(**names, pk=action.pk))
        assert cursor.rowcount >= 1


def test_what_nobody_touched_holds(program: Program, people: dict[str, User], action: CorrectiveAction) -> None:
    propose(program, "system")
    revert_action(action_id=action.pk, actor=people["ben"], at=AT, comment="It did not help.")
    assert violations() == []
    assert sorted(finding.checked for finding in verify.run("actions")) == [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2]


def found_by_the_statement_of_the_docs() -> list[int]:
    text = (ROOT / "docs/rules/approvals.md").read_text(encoding="utf-8")
    with connection.cursor() as cursor:
        cursor.execute(text.partition("```sql")[2].partition("```")[0])
        return [row[0] for row in cursor.fetchall()]


STEP = "action_id, name, from_state, to_state, actor, at, comment, revision"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM plum_auditevent WHERE action = 'reviews.approve_action'", "the audit log 0 approvals of it"),
        (
            "INSERT INTO plum_auditevent (program_id, at, actor, action, object_ref, before, after, comment) "
            "SELECT program_id, at, actor, action, object_ref, before, after, comment FROM plum_auditevent "
            "WHERE action = 'reviews.approve_action'",
            "the audit log 2 approvals of it",
        ),
        (
            "UPDATE reviews_correctiveaction SET approver_id = {carla} WHERE id = {pk}",
            "as its approver, and the audit log token:",
        ),
        (
            "UPDATE plum_auditevent SET actor = 'user:{carla}' WHERE action = 'reviews.approve_action'",
            "user:{ben} as its approver, and the audit log user:{carla}",
        ),
        (
            "UPDATE reviews_actiontransition SET actor = 'user:{ben}' WHERE name = 'propose'",
            "needs two people, and user:{ben} proposed or edited it too",
        ),
        (
            f"INSERT INTO reviews_actiontransition ({STEP}) SELECT {STEP} FROM reviews_actiontransition WHERE name = 'finish'",
            "was carried out, and its history finishes it 2 times",
        ),
        ("DELETE FROM reviews_actiontransition WHERE name = 'finish'", "was carried out, and its history finishes it 0 times"),
        (
            "UPDATE reviews_correctiveaction SET state = 'executed' WHERE id = {pk}",
            "is executed, and its history says otherwise: proposed",
        ),
        ("DELETE FROM reviews_actiontransition", "and its history says otherwise: nothing"),
    ],
)
def test_what_somebody_changed_past_the_triggers_is_named(
    people: dict[str, User], action: CorrectiveAction, statement: str, said: str
) -> None:
    run(statement, people, action)

    expected = said.format(**{name: person.pk for name, person in people.items()})
    assert any(expected in text and f"action {action.pk}" in text for text in violations()), violations()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE reviews_correctiveaction SET proposer_id = approver_id WHERE id = {pk}", "proposed or edited it too"),
        ("UPDATE reviews_correctiveaction SET editor_id = approver_id WHERE id = {pk}", "proposed or edited it too"),
        ("UPDATE reviews_correctiveaction SET proposer_id = NULL WHERE id = {pk}", "nobody stands behind its proposal"),
    ],
)
def test_one_person_for_two_is_named_even_without_the_constraint(
    people: dict[str, User], action: CorrectiveAction, statement: str, said: str
) -> None:
    assert found_by_the_statement_of_the_docs() == []
    with unchecked():
        run(statement, people, action)
        assert found_by_the_statement_of_the_docs() == [action.pk]
        assert any(said in text and f"action {action.pk} needs two people" in text for text in violations()), violations()


LOWERED = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)), push_limit=5000)


@pytest.fixture
def lowered(program: Program, people: dict[str, User]) -> ApprovalRequest:
    """Anna asked for it by a token, Ben confirmed it; afterwards Carla asked for more still, and a day passed."""
    token, _ = create_token(
        program_id=program.pk,
        name="Anna's",
        scopes=["rules:write"],
        is_sandbox=False,
        expires_at=AT + LIFE,
        actor=people["anna"],
        at=AT,
        created_by=people["anna"],
    )
    row = save_approvals(program_id=program.pk, spec=LOWERED, actor=f"token:{token.pk}", at=AT)
    assert isinstance(row, ApprovalRequest)
    answer_approval_request(request_id=row.pk, name="confirm", actor=people["ben"], at=AT)
    later = save_approvals(program_id=program.pk, spec=replace(LOWERED, solo_mode=True), actor=people["carla"], at=AT)
    lower_by_time(request_id=later.pk, at=AT + timedelta(hours=24))
    return row


def test_lower_approvals_by_two_people_or_a_day_hold(lowered: ApprovalRequest) -> None:
    assert violations() == []
    assert sorted(finding.checked for finding in verify.run("actions")) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE reviews_approvalpolicy SET request_id = NULL WHERE number = 2",
            "version 2 asks for less than the one before, and nobody",
        ),
        ("UPDATE reviews_approvalrequest SET push_limit = 9 WHERE id = {pk}", "for something else than its request"),
        ("UPDATE reviews_approvalrequest SET state = 'refused', answer = 'No.' WHERE id = {pk}", "or without its leave"),
        (
            "UPDATE reviews_approvalrequest SET asker_id = {carla} WHERE id = {pk}",
            "asked for by user:{carla}, and the audit log says",
        ),
        (
            "DELETE FROM plum_auditevent WHERE action = 'reviews.ask_approvals'",
            "asked for by user:{anna}, and the audit log says",
        ),
        (
            "UPDATE reviews_approvalrequest SET answerer_id = {carla} WHERE id = {pk}",
            "confirmed by user:{carla}, and the audit log",
        ),
        (
            "UPDATE plum_auditevent SET actor = 'user:{carla}' WHERE action = 'reviews.confirm_approvals'",
            "confirmed by user:{ben}, and the audit log says otherwise",
        ),
        (
            "DELETE FROM plum_auditevent WHERE action = 'reviews.take_force_approvals'",
            "took force by its time, and the audit log",
        ),
        (
            "UPDATE reviews_approvalpolicy SET made_at = '2026-07-11 08:59:59+00' WHERE number = 3",
            "version 3 took force without a second person less than 24 hours after it was asked",
        ),
    ],
)
def test_lower_approvals_that_somebody_changed_past_the_triggers_are_named(
    people: dict[str, User], lowered: ApprovalRequest, statement: str, said: str
) -> None:
    let_through()
    names = {name: person.pk for name, person in people.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement.format(**names, pk=lowered.pk))
        assert cursor.rowcount >= 1

    expected = said.format(**names)
    assert any(expected in text and "approvals version" in text for text in violations()), violations()
