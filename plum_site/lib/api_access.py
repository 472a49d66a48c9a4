"""
Who calls the API, and whether they may: a bearer token, and the operation that the view declares for the method.

Apart from `lib.api` because the framework loads these classes before its own views are there.
"""

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from plum_site.lib import access, clock
from plum_site.lib.models import ApiToken
from plum_site.lib.tokens import find_token


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer plum_...` and nothing else: no cookies, so no request can be forged from a browser."""

    def authenticate(self, request: Request) -> tuple[None, ApiToken] | None:
        """The token in force; 401 for one that is not; None where no token was sent."""
        header = request.META.get("HTTP_AUTHORIZATION", "")  # `headers` would read all of them
        if not header:
            return None
        scheme, _, secret = header.partition(" ")
        token = find_token(secret.strip(), clock.now()) if scheme.lower() == "bearer" else None
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This API token is unknown, expired or revoked. Send Authorization: Bearer plum_..."
            )
        return None, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="plum"'


class OperationPermission(BasePermission):
    """Asks `access` for the operation that the view declares for this method; one that declares none is refused."""

    def has_permission(self, request: Request, view: object) -> bool:
        """True, or the exception that says what is missing."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method.lower() not in getattr(view, "http_method_names", ()) or getattr(view, method.lower(), None) is None:
            raise exceptions.MethodNotAllowed(method)
        operation = getattr(view, "operations", {}).get(method)
        if operation is None:
            raise exceptions.PermissionDenied("Nothing says who may do this, so nobody may.")
        row = access.find_operation(operation)
        if row.open_to == access.ANYONE:
            return True
        if not isinstance(request.auth, ApiToken):
            raise exceptions.NotAuthenticated("Send an API token: Authorization: Bearer plum_...")
        access.check(access.actor_of(request), operation, request.auth.program_id)
        return True
