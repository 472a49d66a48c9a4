"""The way in by name and password: who guesses is not looked at for the rest of the minute."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from plum_site.lib.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_quotas")]
RIGHT = "a long enough secret 7"


@pytest.fixture(autouse=True)
def quotas(settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"sign-in": 3, "sign-in-address": 5}


@pytest.fixture(autouse=True)
def ada() -> User:
    return User.objects.create_superuser("ada", password=RIGHT)


def give(name: str, password: str, network: str = "192.0.2.7") -> HttpResponse:
    """One attempt of somebody who is not signed in."""
    return Client(REMOTE_ADDR=network).post(reverse("admin:login"), {"username": name, "password": password})


def test_a_few_wrong_ones_keep_nobody_out() -> None:
    assert [give("ada", "wrong").status_code for _ in range(2)] == [200, 200]

    assert give("ada", RIGHT).status_code == 302


def test_after_too_many_the_right_one_is_not_looked_at_either(clock: Any) -> None:
    for _ in range(3):
        assert give("ada", "wrong", network="192.0.2.8").status_code == 200
    clock.return_value += 20

    refused = give("Ada", RIGHT)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    assert "Try again in 40 seconds; a sign-in link works meanwhile." in refused.content.decode()
    assert "sessionid" not in refused.cookies

    clock.return_value += 40
    assert give("ada", RIGHT).status_code == 302


def test_a_name_that_nobody_has_is_refused_alike() -> None:
    """Or the answer would say who has an account."""
    assert [give("nobody", "wrong").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_network_that_tries_many_names_is_refused_and_others_are_not() -> None:
    for number in range(5):
        assert give(f"person{number}", "wrong").status_code == 200

    assert give("ada", RIGHT).status_code == 429
    assert give("ada", RIGHT, network="198.51.100.1").status_code == 302


def test_who_gives_the_right_one_uses_nothing_up() -> None:
    assert {give("ada", RIGHT).status_code for _ in range(8)} == {302}


def test_no_limit_is_none(settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"sign-in": 0, "sign-in-address": 0}

    assert {give("ada", "wrong").status_code for _ in range(8)} == {200}
