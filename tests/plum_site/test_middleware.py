"""Pages have sessions, forms and messages; the API passes them by, so that a cookie opens nothing there."""

import pytest
from django.test import Client

from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.tokens import make_client

pytestmark = pytest.mark.django_db


def test_who_is_signed_in_is_nobody_to_the_api(django_assert_num_queries) -> None:
    client = Client()
    client.force_login(make_person(is_superuser=True))
    assert client.get("/console/").status_code == 200
    with django_assert_num_queries(0):
        response = client.get("/api/v1/partners")
    assert response.status_code == 401
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_the_api_keeps_what_protects_every_answer() -> None:
    response = make_client(make_program()).get("/api/v1/partners")
    assert (response.status_code, response["X-Content-Type-Options"], response["X-Frame-Options"]) == (200, "nosniff", "DENY")
    assert response["Content-Security-Policy"]


def test_a_form_without_its_token_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(is_superuser=True))
    assert client.post("/console/logout/").status_code == 403


def test_what_is_sent_to_a_page_by_the_name_of_the_api_is_a_page() -> None:
    """Only the path counts: nobody gets around a form's protection by a parameter or a doubled slash."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person(is_superuser=True))
    for path in ("/console/logout/?/api/", "/api/../console/logout/", "//api/console/logout/", "/console//api/logout/"):
        assert client.post(path).status_code in (403, 404), path
    assert client.get("/console/").status_code == 200, "still signed in"
