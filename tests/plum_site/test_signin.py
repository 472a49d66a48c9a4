"""A sign-in link works once, for ten minutes, for one person (its races: test_jobs_races)."""

from datetime import datetime, timedelta

import pytest

from plum_site.lib.errors import NotAllowed
from plum_site.lib.models import User
from plum_site.lib.signin import LIFE, make_link_token, take_link_token

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ada() -> User:
    """Somebody who never signed in."""
    return User.objects.create(username="ada")


@pytest.mark.django_db
@pytest.mark.both_engines
def test_a_link_signs_in_once(ada: User, at: datetime) -> None:
    token = make_link_token(ada, at)

    assert take_link_token(token, at + MINUTE) == ada

    ada.refresh_from_db()
    assert ada.last_login == at + MINUTE
    with pytest.raises(NotAllowed):
        take_link_token(token, at + 2 * MINUTE)


@pytest.mark.django_db
@pytest.mark.both_engines
def test_a_second_link_for_somebody_who_signed_in_before_works_too(ada: User, at: datetime) -> None:
    take_link_token(make_link_token(ada, at), at + MINUTE)
    ada.refresh_from_db()

    assert take_link_token(make_link_token(ada, at + 2 * MINUTE), at + 3 * MINUTE) == ada


@pytest.mark.django_db
def test_using_one_link_voids_the_others(ada: User, at: datetime) -> None:
    first, second = make_link_token(ada, at), make_link_token(ada, at + MINUTE)
    take_link_token(second, at + 2 * MINUTE)

    with pytest.raises(NotAllowed):
        take_link_token(first, at + 3 * MINUTE)


@pytest.mark.django_db
def test_a_link_used_at_the_very_instant_of_the_last_sign_in_is_refused(ada: User, at: datetime) -> None:
    """It would leave last_login as it was, and so work again."""
    User.objects.filter(pk=ada.pk).update(last_login=at)
    ada.refresh_from_db()

    with pytest.raises(NotAllowed):
        take_link_token(make_link_token(ada, at), at)


@pytest.mark.django_db
def test_a_link_lives_ten_minutes(ada: User, at: datetime) -> None:
    token = make_link_token(ada, at)

    with pytest.raises(NotAllowed):
        take_link_token(token, at + LIFE)
    assert take_link_token(token, at + LIFE - timedelta(microseconds=1)) == ada


@pytest.mark.django_db
def test_whoever_is_locked_or_changed_the_password_is_not_let_in_by_an_old_link(ada: User, at: datetime) -> None:
    token = make_link_token(ada, at)
    ada.set_password("correct horse battery staple")
    ada.save()
    with pytest.raises(NotAllowed):
        take_link_token(token, at)

    token = make_link_token(ada, at)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        take_link_token(token, at)


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "nonsense", "a:b:c", "é" * 50])
def test_what_is_no_link_is_refused_like_any_other(token: str, at: datetime) -> None:
    with pytest.raises(NotAllowed, match="Ask for a new one") as refusal:
        take_link_token(token, at)
    assert refusal.value.code == "link_invalid"


@pytest.mark.django_db
def test_every_changed_character_makes_a_link_void(ada: User, at: datetime) -> None:
    token = make_link_token(ada, at)
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(NotAllowed):
            take_link_token(changed, at)
    ada.refresh_from_db()
    assert ada.last_login is None
