"""Every error is problem+json, whatever raised it and wherever; nothing inner is shown."""

import json
import uuid
from typing import Any, ClassVar
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, UnreadablePostError
from rest_framework import exceptions
from rest_framework.test import APIRequestFactory

from plum_site.lib import problems
from plum_site.lib.api import ApiView
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.problems import Problem, answer_problem
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client


def answer(error: Exception) -> Any:
    """What the API answers for an exception, rendered to plain JSON."""
    response = answer_problem(error, {"request": None})
    response.body = json.loads(json.dumps(response.data))
    return response


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DomainError("closed", "It is closed."), 409, "closed"),
        (NotFound("partner", "P1"), 404, "not_found"),
        (NotAllowed("not_allowed", "No."), 403, "not_allowed"),
        (InvalidInput("bad", "Bad.", {"name": "Too long."}), 422, "bad"),
        (Problem(413, "too_large", "Too large.", limit=5), 413, "too_large"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "not_allowed"),
        (RequestDataTooBig(), 413, "too_large"),
        (UnreadablePostError(), 400, "malformed"),
        (OperationalError("database is locked"), 503, "unavailable"),
        (InterfaceError("connection already closed"), 503, "unavailable"),
        (exceptions.NotAuthenticated(), 401, "token_required"),
        (exceptions.AuthenticationFailed(), 401, "invalid_token"),
        (exceptions.PermissionDenied(), 403, "not_allowed"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported_media_type"),
        (exceptions.ParseError(), 400, "malformed"),
        (exceptions.ValidationError({"a": {"b": ["Wrong."]}}), 400, "invalid"),
        (ZeroDivisionError("inner"), 500, "internal_error"),
        (SuspiciousOperation("inner"), 500, "internal_error"),
    ],
)
def test_every_error_has_the_same_shape(error: Exception, status: int, code: str) -> None:
    response = answer(error)
    body = response.body
    assert (response.status_code, body["status"], body["code"], body["type"]) == (
        status,
        status,
        code,
        f"urn:plum:problem:{code}",
    )
    assert response.content_type == "application/problem+json"
    assert uuid.UUID(body["instance"])
    assert body["title"]
    assert body["detail"]
    assert "inner" not in json.dumps(body)


def test_faults_are_located() -> None:
    assert answer(InvalidInput("bad", "Bad.", {"name": "Too long."})).body["errors"] == [
        {"pointer": "/name", "detail": "Too long."}
    ]
    assert answer(exceptions.ValidationError({"a": {"b": ["Wrong."]}})).body["errors"] == [
        {"pointer": "/a/b", "code": "invalid", "detail": "Wrong."}
    ]
    assert answer(Problem(413, "too_large", "Too large.", limit=5)).body["limit"] == 5


def test_the_busy_say_when_to_come_again() -> None:
    assert answer(OperationalError("database is locked"))["Retry-After"] == "2"


def test_a_server_error_is_logged_with_its_trace_under_the_same_reference(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ZeroDivisionError("inner")
    except ZeroDivisionError as error:
        body = answer(error).body
    assert body["instance"] in caplog.text
    assert "ZeroDivisionError: inner" in caplog.text


class Unlisted(ApiView):
    """A view that declares no operation."""

    operations: ClassVar = {}

    def get(self, request: Any) -> None:
        """Never reached."""
        raise AssertionError


@pytest.mark.django_db
def test_a_view_that_declares_no_operation_is_refused() -> None:
    secret = make_client(make_program()).defaults["HTTP_AUTHORIZATION"]
    response = Unlisted.as_view()(APIRequestFactory().get("/", headers={"Authorization": secret}))
    assert (response.status_code, response.data["code"]) == (403, "not_allowed")


@pytest.mark.django_db
class TestOutsideOfViews:
    def test_an_unknown_address(self) -> None:
        response = TokenClient().get("/api/v1/nowhere")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response["Content-Type"] == "application/problem+json"

    def test_an_unknown_address_for_people_is_a_page(self) -> None:
        response = TokenClient().get("/nowhere")
        assert (response.status_code, response["Content-Type"].partition(";")[0]) == (404, "text/html")

    def test_a_wrong_host(self) -> None:
        response = TokenClient().get("/api/v1/partners", headers={"Host": "evil.example"})
        assert (response.status_code, response.json()["code"]) == (400, "malformed")

    def test_what_fails_before_a_view(self) -> None:
        with mock.patch("django.middleware.common.CommonMiddleware.process_request", side_effect=ZeroDivisionError("inner")):
            response = TokenClient().get("/api/v1/partners")
        assert (response.status_code, response.json()["code"]) == (500, "internal_error")

    def test_forbidden(self) -> None:
        request = HttpRequest()
        request.path = "/api/v1/partners"
        assert problems.answer_forbidden(request, PermissionDenied()).status_code == 403


@pytest.mark.django_db
class TestAuthentication:
    @pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer x y", "Token abc", "plum_x"])
    def test_anything_else_is_401_and_says_what_is_wanted(self, header: str) -> None:
        response = TokenClient().get("/api/v1/partners", headers={"Authorization": header})
        assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="plum"')

    def test_the_scheme_may_be_written_small(self) -> None:
        client = make_client(make_program())
        secret = client.defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        assert TokenClient().get("/api/v1/me/token", headers={"Authorization": f"bearer {secret}"}).status_code == 200


@pytest.mark.django_db
class TestTheRest:
    def test_ones_own_token(self) -> None:
        program = make_program()
        body = make_client(program, "catalog:read", name="till", is_sandbox=True).get("/api/v1/me/token").json()
        assert (body["program"], body["name"], body["scopes"], body["sandbox"]) == ("acme", "till", ["catalog:read"], True)
        assert set(body) == {"name", "program", "scopes", "sandbox", "created_at", "expires_at"}

    def test_health(self) -> None:
        for path in ("/healthz", "/readyz"):
            response = TokenClient().get(path)
            assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_not_ready(self) -> None:
        with mock.patch("plum_site.api.meta.find_readiness") as find_readiness:
            find_readiness.return_value.ready = False
            response = TokenClient().get("/readyz")
        assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "not_ready", "5")

    def test_head_is_get_without_body(self) -> None:
        client = make_client(make_program())
        response = client.head("/api/v1/partners")
        assert (response.status_code, response.content) == (200, b"")

    def test_json_whatever_is_preferred(self) -> None:
        client = make_client(make_program())
        response = client.get("/api/v1/partners", headers={"Accept": "text/html"})
        assert (response.status_code, response["Content-Type"]) == (200, "application/json")

    def test_the_description_is_served(self) -> None:
        response = TokenClient().get("/api/v1/openapi.json")
        assert response["Content-Type"].startswith("application/vnd.oai.openapi+json")
        assert json.loads(response.content)["openapi"].startswith("3.1")

    def test_the_documentation_keeps_to_the_content_policy(self) -> None:
        response = TokenClient().get("/api/v1/docs")
        page = response.content.decode()
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert "<script>" not in page
        assert "<style" not in page
        assert "style=" not in page
        assert "http://" not in page.replace("http://testserver", "")
        assert "https://" not in page


class UnreachableDatabase(TokenClient):
    """A client of a server whose database has just gone."""

    def get(self, path: str, *args: Any, **options: Any) -> Any:
        with mock.patch("django.contrib.sessions.backends.db.SessionStore.load", side_effect=OperationalError("it is away")):
            self.cookies["sessionid"] = "x" * 32
            return super().get(path, *args, **options)


@pytest.mark.django_db
def test_people_are_told_that_the_database_is_away_and_when_to_try_again() -> None:
    response = UnreachableDatabase().get("/console/")

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "The database is busy or away" in response.content.decode()
    assert "it is away" not in response.content.decode()


def test_a_program_is_told_so_too_where_no_view_was_reached() -> None:
    try:
        raise InterfaceError("connection already closed")
    except InterfaceError:
        response = problems.answer_error(APIRequestFactory().get("/api/v1/partners"))

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert json.loads(response.content)["code"] == "unavailable"
