"""permissions.yaml: how it is read, and the questions asked of it."""

from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest
from django.test.utils import CaptureQueriesContext

from plum_site.lib import access
from plum_site.lib.access import NOBODY, SYSTEM_ACTOR, Actor, UnknownProgram, actor_of, check, may, parse, programs_of
from plum_site.lib.choices import Role
from plum_site.lib.errors import NotAllowed
from plum_site.lib.people import grant_role
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import CREATED_AT, make_program
from tests.factories.tokens import make_token

GOOD = "catalog.read:\n  title: Read\n  roles: [analyst]\n  scopes: ['catalog:read']\n  routes: [GET /api/v1/offers]\n"


def test_a_row_is_read_whole() -> None:
    row = parse(GOOD)["catalog.read"]
    assert (row.title, row.roles, row.scopes, row.routes) == (
        "Read",
        frozenset({"analyst"}),
        frozenset({"catalog:read"}),
        ("GET /api/v1/offers",),
    )
    assert (row.open_to, row.writes) == ("", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a table of operations"),
        ("- a\n", "expected a table of operations"),
        ("a.b: Read\n", "a.b: expected a table with a title"),
        ("a.b: {title: Read, roles: [boss]}\n", "unknown role boss"),
        ("a.b: {title: Read, scopes: ['all:all']}\n", "unknown scope all:all"),
        ("a.b: {title: Read, open_to: everyone}\n", "open_to is anyone, signed_in, operator"),
        ("a.b: {title: Read}\n", "say who may"),
        ("a.b: {title: Read, roles: [analyst], open_to: anyone}\n", "say who may"),
        ("a.b: {title: Read, role: [analyst]}\n", "unknown key role"),
        ("a.b: {title: Read, roles: [analyst], routes: [FETCH /x]}\n", "is not a route"),
        ("a.b: {title: Read, roles: [analyst], routes: [GET in dex]}\n", "is not a route"),
        (GOOD + GOOD, "catalog.read stands there twice"),
        (GOOD + "  title: Again\n", "title stands there twice"),
        (GOOD + GOOD.replace("catalog", "other", 1), "GET /api/v1/offers is both catalog.read and other.read"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=problem):
        parse(text)


def test_an_operation_that_is_not_in_the_file_is_an_error() -> None:
    with pytest.raises(KeyError, match="add it there"):
        may(SYSTEM_ACTOR, "catalog.burn", 1)


@pytest.mark.django_db
class TestPeople:
    def test_roles_count_in_their_program_alone(self) -> None:
        own, other = make_program("own"), make_program("other")
        actor = Actor(user=make_member_of_staff(own, Role.PARTNER_OPS))
        assert may(actor, "catalog.edit", own.pk)
        assert not may(actor, "catalog.edit", other.pk)
        assert not may(actor, "rule.edit", own.pk)
        assert not may(actor, "catalog.edit", None)
        assert not may(actor, "people.edit", own.pk)
        assert programs_of(actor) == [own.pk]

    def test_several_roles_add_up(self) -> None:
        program = make_program()
        person = make_member_of_staff(program, Role.PARTNER_OPS)
        assert not may(Actor(user=person), "audit.read", program.pk)
        grant_role(program_id=program.pk, user_id=person.pk, role=Role.AUDITOR, actor="system", at=CREATED_AT)
        both = Actor(user=person)
        assert may(both, "audit.read", program.pk)
        assert may(both, "catalog.edit", program.pk)

    def test_someone_without_a_role_may_not_even_enter(self) -> None:
        assert not may(Actor(user=make_person()), "console.open", None)
        assert may(Actor(user=make_member_of_staff(make_program(), Role.ANALYST)), "console.open", None)

    def test_foreign_looks_like_unknown(self) -> None:
        own, other = make_program("own"), make_program("other")
        actor = Actor(user=make_member_of_staff(own, Role.ANALYST))
        for program_id in (other.pk, 10**9):
            with pytest.raises(UnknownProgram) as caught:
                check(actor, "catalog.read", program_id)
            assert caught.value.detail == f"There is no program {program_id} that you may see."

    def test_what_is_missing_is_said(self) -> None:
        program = make_program()
        with pytest.raises(NotAllowed, match="This needs the role Program admin"):
            check(Actor(user=make_member_of_staff(program, Role.ANALYST)), "rule.edit", program.pk)

    def test_someone_deactivated_may_nothing(self) -> None:
        program = make_program()
        person = make_member_of_staff(program, Role.PROGRAM_ADMIN)
        person.is_active = False
        person.save()
        assert not may(Actor(user=person), "catalog.read", program.pk)
        assert not may(Actor(user=person), "console.open", None)
        assert programs_of(Actor(user=person)) == []

    def test_an_operator_may_what_some_role_may_everywhere(self) -> None:
        programs = [make_program("one"), make_program("two")]
        actor = Actor(user=make_person("root", is_superuser=True))
        assert all(may(actor, "review.close", program.pk) for program in programs)
        assert may(actor, "people.edit", None)
        assert not may(actor, "event.send", programs[0].pk)
        assert programs_of(actor) == [program.pk for program in programs]

    def test_roles_are_read_once(self) -> None:
        program = make_program()
        actor = Actor(user=make_member_of_staff(program, Role.ANALYST))
        with CaptureQueriesContext(connection) as queries:
            for _ in range(5):
                may(actor, "catalog.read", program.pk)
        assert len(queries) == 1

    def test_nobody_may_only_what_is_open(self) -> None:
        program = make_program()
        assert may(NOBODY, "public.health", None)
        assert not may(NOBODY, "console.open", None)
        assert not may(NOBODY, "catalog.read", program.pk)
        assert programs_of(NOBODY) == []

    def test_the_system_may_everything(self) -> None:
        program = make_program()
        assert may(SYSTEM_ACTOR, "review.close", program.pk)
        assert programs_of(SYSTEM_ACTOR) == [program.pk]


@pytest.mark.django_db
class TestTokens:
    def test_scopes_count_in_their_program_alone(self, at: datetime) -> None:
        own, other = make_program("own"), make_program("other")
        actor = Actor(token=make_token(own, "catalog:read", at=at)[0])
        assert may(actor, "catalog.read", own.pk)
        assert not may(actor, "catalog.read", other.pk)
        assert not may(actor, "metric.read", own.pk)
        assert not may(actor, "rule.edit", own.pk)
        assert not may(actor, "console.open", None)
        assert programs_of(actor) == [own.pk]
        with pytest.raises(NotAllowed, match="This needs the scope metrics:read"):
            check(actor, "metric.read", own.pk)
        with pytest.raises(NotAllowed, match="No API token may do this"):
            check(actor, "review.run", own.pk)
        with pytest.raises(UnknownProgram):
            check(actor, "catalog.read", other.pk)


@pytest.mark.django_db
def test_actors_have_names(at: datetime) -> None:
    program = make_program()
    person, token = make_person(), make_token(program, at=at)[0]
    names = [actor.name for actor in (Actor(user=person), Actor(token=token), SYSTEM_ACTOR, NOBODY)]
    assert names == [f"user:{person.pk}", f"token:{token.pk}", "system", ""]


@pytest.mark.django_db
def test_one_actor_for_each_request() -> None:
    request: Any = HttpRequest()
    assert actor_of(request) == NOBODY
    request.user = make_person()
    actor = actor_of(request)
    assert actor.user == request.user
    assert actor_of(request) is actor


def test_the_file_of_this_checkout_is_well_formed() -> None:
    assert len(access.operations()) > 25
