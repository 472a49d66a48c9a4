"""
Every error of the API as RFC 9457 problem+json, and nowhere else: named errors, framework errors, and the unforeseen,
which is logged with its trace under a reference and answered with that reference alone.
"""

import logging
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError
from django.template import loader
from django.views.defaults import bad_request, page_not_found, permission_denied, server_error
from rest_framework import exceptions
from rest_framework.response import Response

from plum_site.lib.errors import DomainError

logger = logging.getLogger("plum.api")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
# A line that breaks at the commit leaves open whether it took place: nobody may be told that nothing was stored.
UNAVAILABLE = (
    "The database is busy or away. Send the request again: events, and requests with an Idempotency-Key, are recognised "
    "if they were stored after all."
)
TITLES = {
    400: "The request is malformed",
    401: "No valid API token",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible in the present state",
    411: "The length of the body is missing",
    412: "Changed since it was read",
    413: "The request is too large",
    415: "Unsupported media type",
    422: "The request cannot be carried out",
    428: "What was seen is not said",
    429: "Too many requests",
    500: "Something went wrong in Plum",
    503: "Not available at the moment",
}


class Problem(DomainError):
    """An error of the HTTP layer itself, with its status and where it lies (`errors`: pointer or parameter, and detail)."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(code, detail)
        self.status = status
        self.errors = errors or []
        self.headers = dict(headers or {})
        self.extra = extra


def describe(
    status: int, code: str, detail: str, *, errors: list[dict[str, Any]] | None = None, reference: str = "", **extra: Any
) -> dict[str, Any]:
    """The members of one problem, in a fixed order."""
    body: dict[str, Any] = {
        "type": f"urn:plum:problem:{code}",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "code": code,
        "detail": detail,
        "instance": f"urn:uuid:{reference or uuid.uuid4()}",
    }
    if errors:
        body["errors"] = errors
    return body | extra


def answer_problem(error: Exception, context: Mapping[str, Any]) -> Response:
    """Django REST framework's exception handler: every exception of an API view ends here."""
    problem = translate(error)
    body = describe(problem.status, problem.code, problem.detail, errors=problem.errors, **problem.extra)
    if problem.status >= 500:
        where = context["request"].path if context.get("request") is not None else "?"
        logger.error("%s %s: %s (%s)", body["instance"], where, type(error).__name__, problem.code, exc_info=error)
    response = Response(body, status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE)
    response.exception = True
    return response


def translate(error: Exception) -> Problem:
    """Any exception as a Problem; the unforeseen as a bare 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DomainError):
        errors = [{"pointer": f"/{name}", "detail": detail} for name, detail in error.fields.items()]
        headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds else {}
        return Problem(error.status, error.code, error.detail, errors=errors, headers=headers)
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "too_large", "The body is larger than Plum takes in one request. Send it in smaller parts.")
    if isinstance(error, UnreadablePostError):
        return Problem(400, "malformed", "The body ended before it was complete. Send the request again.")
    if isinstance(error, OperationalError | InterfaceError):
        return Problem(503, "unavailable", UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, Http404):
        return Problem(404, "not_found", "There is nothing at this address.")
    if isinstance(error, PermissionDenied):
        return Problem(403, "not_allowed", "This is not allowed.")
    if isinstance(error, exceptions.APIException):
        return translate_framework(error)
    return Problem(
        500, "internal_error", "Plum could not finish this request. Give this problem's instance to whoever runs Plum."
    )


def translate_framework(error: exceptions.APIException) -> Problem:
    """An exception of Django REST framework."""
    auth_header: str = getattr(error, "auth_header", "")
    headers = {"WWW-Authenticate": auth_header} if auth_header else {}
    if isinstance(error, exceptions.ValidationError):
        return Problem(
            400, "invalid", "The request breaks a rule of its description; see errors.", errors=list_errors(error.detail)
        )
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "invalid"
    return Problem(error.status_code, RENAMED.get(code, code), str(error.detail), headers=headers)


RENAMED = {
    "parse_error": "malformed",
    "not_authenticated": "token_required",
    "authentication_failed": "invalid_token",
    "permission_denied": "not_allowed",
}


def list_errors(detail: Any, pointer: str = "") -> list[dict[str, Any]]:
    """Nested validation errors, flat, each with its JSON pointer (RFC 6901); faults of a whole object point to it."""
    if isinstance(detail, dict):
        return [row for name, inner in detail.items() for row in list_errors(inner, pointer + pointer_step(name))]
    if isinstance(detail, list):  # of messages, or of one dict for each item of a list
        steps = [f"{pointer}/{index}" if isinstance(inner, dict) else pointer for index, inner in enumerate(detail)]
        return [row for inner, place in zip(detail, steps, strict=True) for row in list_errors(inner, place)]
    return [{"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


def pointer_step(name: object) -> str:
    """One step of a JSON pointer; none for the framework's word for the object itself."""
    text = str(name).replace("~", "~0").replace("/", "~1")
    return "" if text == "non_field_errors" else f"/{text}"


def is_api(request: HttpRequest) -> bool:
    """Whether a program, not a person with a browser, is asking."""
    return request.path.startswith("/api/")


def plain(status: int, code: str, detail: str) -> JsonResponse:
    """A problem outside of any API view."""
    return JsonResponse(describe(status, code, detail), status=status, content_type=MEDIA_TYPE)


def answer_bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400."""
    return plain(400, "malformed", "The request is malformed.") if is_api(request) else bad_request(request, exception)


def answer_forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler403."""
    return plain(403, "not_allowed", "This is not allowed.") if is_api(request) else permission_denied(request, exception)


def answer_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404."""
    if is_api(request):
        return plain(404, "not_found", "There is nothing at this address. The API is described at /api/v1/openapi.json.")
    return page_not_found(request, exception)


def answer_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500: what fails outside of a view of the API, and in the console. Django has logged the trace."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return answer_unavailable(request)
    if is_api(request):
        return plain(500, "internal_error", "Plum could not finish this request.")
    answer: HttpResponse = server_error(request)
    return answer


def answer_unavailable(request: HttpRequest) -> HttpResponseBase:
    """503: the database is busy or away. The page for people needs no database."""
    answer: HttpResponse = (
        plain(503, "unavailable", UNAVAILABLE)
        if is_api(request)
        else HttpResponse(loader.get_template("503.html").render(), status=503)
    )
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
