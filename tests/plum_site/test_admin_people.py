"""People, roles, tokens and one's own password in the console."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import JobState, Role, Scope
from plum_site.lib.clock import now
from plum_site.lib.models import ApiToken, AuditEvent, Job, RoleGrant, User
from plum_site.lib.tokens import find_token
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import make_program
from tests.support.pages import errors_of, sign_in, text_of


@pytest.fixture
def program(db: None) -> Program:
    return make_program()


@pytest.fixture
def admin(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN)


@pytest.fixture
def client(admin: User) -> Client:
    return sign_in(admin)


def test_a_person_is_made_with_a_first_role(client: Client, program: Program) -> None:
    values = {"username": "grace", "email": "grace@example.org", "first_name": "Grace", "last_name": "H", "role": "analyst"}
    assert client.post(reverse("admin:plum_user_add"), values).status_code == 302
    person = User.objects.get(username="grace")
    assert not person.has_usable_password()
    assert list(person.role_grants.values_list("program_id", "role")) == [(program.pk, "analyst")]
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"plum.invite_person", "plum.grant_role"}
    again = client.post(reverse("admin:plum_user_add"), {**values, "username": "GRACE"})
    assert "username" in errors_of(again)


def test_a_program_admin_sees_own_people_only(client: Client, program: Program) -> None:
    stranger = make_member_of_staff(make_program("other"), Role.ANALYST)
    assert stranger.username not in text_of(client.get(reverse("admin:plum_user_changelist")))
    assert client.get(reverse("admin:plum_user_change", args=[stranger.pk])).status_code == 404
    answer = client.post(reverse("admin:plum_rolegrant_add"), {"user": stranger.pk, "role": "analyst"})
    assert "user" in errors_of(answer)


def test_only_operators_change_people(client: Client, program: Program) -> None:
    person = make_member_of_staff(program, Role.ANALYST)
    url = reverse("admin:plum_user_change", args=[person.pk])
    assert client.post(url, {"first_name": "Eve", "is_active": ""}).status_code == 403
    operator = sign_in(make_person("root", is_superuser=True))
    assert operator.post(url, {"first_name": "Eve", "last_name": "", "email": ""}).status_code == 302
    person.refresh_from_db()
    assert (person.first_name, person.is_active) == ("Eve", False)


def test_an_operator_cannot_lock_themselves_out(program: Program) -> None:
    root = make_person("root", is_superuser=True)
    answer = sign_in(root).post(
        reverse("admin:plum_user_change", args=[root.pk]), {"first_name": "", "last_name": "", "email": ""}
    )
    assert errors_of(answer)
    root.refresh_from_db()
    assert root.is_active


def test_a_role_is_granted_and_taken_away(client: Client, program: Program) -> None:
    person = make_member_of_staff(program, Role.ANALYST)
    assert client.post(reverse("admin:plum_rolegrant_add"), {"user": person.pk, "role": "auditor"}).status_code == 302
    grant = RoleGrant.objects.get(user=person, role="auditor")
    client.post(reverse("admin:plum_rolegrant_revoke", args=[grant.pk]))
    assert not RoleGrant.objects.filter(pk=grant.pk).exists()


def test_nobody_changes_their_own_roles(client: Client, admin: User) -> None:
    answer = client.post(reverse("admin:plum_rolegrant_add"), {"user": admin.pk, "role": "auditor"})
    assert errors_of(answer)
    own = RoleGrant.objects.get(user=admin)
    client.post(reverse("admin:plum_rolegrant_revoke", args=[own.pk]))
    assert RoleGrant.objects.filter(pk=own.pk).exists()


def test_a_program_keeps_its_last_admin(program: Program, admin: User) -> None:
    operator = sign_in(make_person("root", is_superuser=True))
    grant = RoleGrant.objects.get(user=admin)
    answer = operator.post(reverse("admin:plum_rolegrant_revoke", args=[grant.pk]), follow=True)
    assert "last admin" in text_of(answer)
    assert RoleGrant.objects.filter(pk=grant.pk).exists()


def test_a_token_is_shown_once_and_works(client: Client, program: Program) -> None:
    values = {"name": "Shop", "scopes": [Scope.EVENTS_WRITE.value], "days": "30"}
    made = client.post(reverse("admin:plum_apitoken_add"), values)
    secret = made.context["secret"]
    token = ApiToken.objects.get(program_id=program.pk)
    assert f'curl -H "Authorization: Bearer {secret}" http://testserver/api/v1/me/token' in text_of(made)
    assert find_token(secret, now()) == token
    assert token.expires_at - token.created_at == timedelta(days=30)
    for url in (reverse("admin:plum_apitoken_changelist"), reverse("admin:plum_apitoken_change", args=[token.pk])):
        page = client.get(url).content.decode()
        assert secret not in page
        assert secret.split("_")[2] not in page
    client.post(reverse("admin:plum_apitoken_revoke", args=[token.pk]))
    assert find_token(secret, now()) is None


def test_a_list_of_tokens_says_what_counts_and_what_ends_soon(client: Client, program: Program) -> None:
    form = text_of(client.get(reverse("admin:plum_apitoken_add")))
    assert "checked and answered as if they counted, and then forgotten" in form
    values = {"name": "Trial", "scopes": [Scope.EVENTS_WRITE.value], "days": "3", "is_sandbox": "on"}
    assert "A sandbox token:" in text_of(client.post(reverse("admin:plum_apitoken_add"), values))
    listed = text_of(client.get(reverse("admin:plum_apitoken_changelist")))
    assert "Ends in 2 days" in listed
    assert "Send events" in listed
    assert "Sandbox: nothing counts" in listed
    assert "never" in listed


def test_a_token_without_scopes_is_refused(client: Client) -> None:
    assert "scopes" in errors_of(client.post(reverse("admin:plum_apitoken_add"), {"name": "Shop", "scopes": [], "days": "30"}))
    assert not ApiToken.objects.exists()


def test_ones_own_password_is_changed_by_the_service(client: Client, admin: User) -> None:
    url = reverse("admin:password_change")
    old = {"old_password": "a long enough password"}
    weak = client.post(url, {**old, "new_password1": "short", "new_password2": "short"})
    assert errors_of(weak)
    strong = {"new_password1": "nine purple plums", "new_password2": "nine purple plums"}
    assert client.post(url, {**old, **strong}).status_code == 302
    admin.refresh_from_db()
    assert admin.check_password("nine purple plums")
    assert AuditEvent.objects.filter(action="plum.change_password").count() == 1
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_job_that_was_given_up_is_tried_again_by_a_program_admin(client: Client, program: Program) -> None:
    at = now()
    values = {"name": "reviews.consolidate_month", "due_at": at, "created_at": at, "finished_at": at, "state": JobState.DEAD}
    dead = Job.objects.create(key="dead", program_id=program.pk, **values)
    foreign = Job.objects.create(key="foreign", program_id=make_program("other").pk, **values)
    page = client.get(reverse("admin:plum_job_change", args=[dead.pk]))
    assert "Try again" in text_of(page)
    assert client.post(reverse("admin:plum_job_revive", args=[dead.pk])).status_code == 302
    assert client.post(reverse("admin:plum_job_revive", args=[foreign.pk])).status_code == 404
    dead.refresh_from_db()
    foreign.refresh_from_db()
    assert (dead.state, foreign.state) == (JobState.DUE, JobState.DEAD)


def test_the_audit_log_is_found_by_object_and_shows_both_values(client: Client, program: Program) -> None:
    person = make_member_of_staff(program, Role.ANALYST)
    grant = RoleGrant.objects.get(user=person)
    entry = AuditEvent.objects.get(object_ref=f"plum.RoleGrant:{grant.pk}")
    listed = client.get(reverse("admin:plum_auditevent_changelist"), {"object_ref": entry.object_ref})
    assert [row.pk for row in listed.context["cl"].result_list] == [entry.pk]
    assert "analyst" in text_of(client.get(reverse("admin:plum_auditevent_change", args=[entry.pk])))
