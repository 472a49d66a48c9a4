"""Who gets the monthly report: added once, paused, resumed, ended, also by the link in a mail."""

from typing import Any

import pytest
from django.test import Client

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.models import AuditEvent
from reviews.choices import SubscriptionState
from reviews.models import Subscription
from reviews.services import change_subscription, subscribe, unsubscribe, unsubscribe_url
from tests.factories.partners import make_partner
from tests.factories.people import make_member_of_staff, make_person
from tests.factories.programs import make_program
from tests.factories.reviews import IN_JULY

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    made = make_program()
    make_partner(made, "P1", category="food", country="DE")
    return made


def add(program: Program, email: str = "cfo@example.org", **values: Any) -> Subscription:
    return subscribe(program_id=program.pk, email=email, actor="system", at=IN_JULY, **values)


@pytest.mark.both_engines
def test_adding_twice_adds_once_and_says_nothing_personal_to_the_audit_log(program: Program) -> None:
    first, again = add(program, "CFO@example.org", name="Carla"), add(program)

    assert first.pk == again.pk
    [entry] = AuditEvent.objects.filter(action="reviews.subscribe")
    assert entry.after == {"scope": "whole", "scope_value": ""}


def test_the_same_address_may_have_several_scopes(program: Program) -> None:
    add(program)
    add(program, scope="category", scope_value="food")
    add(program, scope="country", scope_value="de")

    assert [row.scope_text for row in Subscription.objects.order_by("pk")] == [
        "the whole program",
        "partners of the category food",
        "partners of DE",
    ]


def test_adding_somebody_again_resumes_what_they_had(program: Program) -> None:
    row = add(program)
    change_subscription(subscription_id=row.pk, name="end", actor="system", at=IN_JULY)

    assert add(program).state == SubscriptionState.ACTIVE
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"email": "nobody"}, "invalid_address"),
        ({"email": "a@example.org\nBcc: b@example.org"}, "invalid_address"),
        ({"email": ""}, "invalid_address"),
        ({"scope": "everything"}, "unknown_scope"),
        ({"scope": "category", "scope_value": "cars"}, "unknown_category"),
        ({"scope": "category"}, "unknown_category"),
        ({"scope": "country", "scope_value": "FR"}, "unknown_country"),
        ({"scope": "owned"}, "person_required"),
        ({"user_id": 4711}, "person_without_role"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(program: Program, values: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        add(program, **values)

    assert refusal.value.code == code
    assert "Nothing was changed" in refusal.value.detail
    assert Subscription.objects.count() == 0


def test_a_person_without_a_role_in_the_program_is_refused(program: Program) -> None:
    stranger = make_member_of_staff(make_program("other"), Role.ANALYST)

    with pytest.raises(InvalidInput, match="no role in the program"):
        add(program, user_id=stranger.pk)


def test_a_person_is_reached_at_their_own_address(program: Program) -> None:
    person = make_member_of_staff(program, Role.ANALYST)
    person.email = "ana@example.org"
    person.save()

    assert add(program, "", user_id=person.pk, scope="owned").email == "ana@example.org"


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ([], "pause", "paused"),
        ([], "end", "unsubscribed"),
        ([], "resume", None),
        (["pause"], "pause", None),
        (["pause"], "resume", "active"),
        (["pause"], "end", "unsubscribed"),
        (["end"], "end", None),
        (["end"], "pause", None),
        (["end"], "resume", "active"),
    ],
)
def test_pausing_resuming_and_ending(program: Program, before: list[str], name: str, after: str | None) -> None:
    row = add(program)
    for earlier in before:
        change_subscription(subscription_id=row.pk, name=earlier, actor="system", at=IN_JULY)
    count = AuditEvent.objects.count()

    if after is None:
        with pytest.raises(DomainError, match="Nothing was changed"):
            change_subscription(subscription_id=row.pk, name=name, actor="system", at=IN_JULY)
        assert AuditEvent.objects.count() == count
    else:
        assert change_subscription(subscription_id=row.pk, name=name, actor="system", at=IN_JULY).state == after
        assert AuditEvent.objects.filter(action=f"reviews.{name}_subscription").exists()


def test_an_unknown_subscription_is_not_found() -> None:
    with pytest.raises(NotFound):
        change_subscription(subscription_id=4711, name="end", actor="system", at=IN_JULY)


def test_the_link_in_a_mail_ends_it_without_signing_in(program: Program) -> None:
    """GET shows and changes nothing; a POST without cookies, as mail programs send it, ends it; again it stays ended."""
    row = add(program)
    path = "/mail/" + unsubscribe_url(subscription=row).partition("/mail/")[2]
    client = Client(enforce_csrf_checks=True)

    shown = client.get(path)
    assert shown.status_code == 200
    assert "cfo@example.org gets the monthly report of Acme for the whole program" in " ".join(shown.content.decode().split())
    row.refresh_from_db()
    assert row.state == SubscriptionState.ACTIVE

    for _ in range(2):
        answer = client.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "no longer gets the monthly report" in answer.content.decode()
    row.refresh_from_db()
    assert row.state == SubscriptionState.UNSUBSCRIBED
    [entry] = AuditEvent.objects.filter(action="reviews.end_subscription")
    assert (entry.actor, entry.comment) == ("system", "By the link in a mail.")


@pytest.mark.parametrize("token", ["x", "MQ:1xV3hp:n3y1UeYzlvvyEtKA1_FovZ0Fb_aJaHNCqppXX0hY6MI", "%00"])
def test_a_link_that_is_not_ours_ends_nothing(program: Program, token: str) -> None:
    row = add(program)
    with pytest.raises(NotAllowed):
        unsubscribe(token=token, at=IN_JULY)

    answer = Client().post(f"/mail/unsubscribe/{token}/")

    assert answer.status_code == 404
    assert "Nothing was changed" in answer.content.decode()
    row.refresh_from_db()
    assert row.state == SubscriptionState.ACTIVE


def test_a_sign_in_link_is_no_unsubscription(program: Program) -> None:
    from plum_site.lib.signin import make_link_token  # noqa: PLC0415

    with pytest.raises(NotAllowed):
        unsubscribe(token=make_link_token(make_person(), IN_JULY), at=IN_JULY)
