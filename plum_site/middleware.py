"""What only pages need: the API's answers would take a third longer with it."""

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

API = "/api/"


class ForPages(MiddlewareMixin):
    """Passes by the API: there a token says who calls, and a cookie means nothing."""

    def __call__(self, request: HttpRequest) -> Any:
        """The answer, with nothing done to it where the API gives it."""
        if request.path_info.startswith(API):
            return self.get_response(request)
        return super().__call__(request)


class PageSessions(ForPages, SessionMiddleware):
    """Django's sessions."""


class PageUsers(ForPages, AuthenticationMiddleware):
    """Who is signed in."""


class PageMessages(ForPages, MessageMiddleware):
    """What the next page says about what was done."""


class ContentPolicy(CSPMiddleware):
    """The content security policy, which is not made where an answer does without it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer with its policy."""
        return response if getattr(response, "_csp_exempt", False) else super().process_response(request, response)
