"""API tokens by API: one's own, and those of the program, made and revoked by a token that may."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import Body, WritingView
from plum_site.lib.choices import Scope
from plum_site.lib.errors import NotFound
from plum_site.lib.kept_answers import Answer
from plum_site.lib.models import ApiToken
from plum_site.lib.tokens import LONGEST_LIFE, pass_on_token, revoke_token

EXAMPLE = {"name": "till", "scopes": ["events:write"], "sandbox": False, "days": 90}
ANSWER = {
    "prefix": "4fT0qZ9LwXyB",
    "name": "till",
    "scopes": ["events:write"],
    "sandbox": False,
    "created_at": "2026-07-15T09:30:00Z",
    "expires_at": "2026-10-13T09:30:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


class OwnTokenOutput(serializers.Serializer):
    """The token that the request was made with."""

    name = serializers.CharField()
    program = serializers.CharField(help_text="Code of the program that it is bound to.")
    scopes = serializers.ListField(child=serializers.CharField())
    sandbox = serializers.BooleanField(source="is_sandbox", help_text="Nothing that is done with it counts.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class TokenOutput(serializers.Serializer):
    """A token of the program, without its secret."""

    prefix = serializers.CharField(help_text="The part of it that may be shown; names it here.")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    sandbox = serializers.BooleanField(source="is_sandbox")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewTokenOutput(TokenOutput):
    """A token that was just made."""

    token = serializers.CharField(
        allow_null=True, help_text="What its holder sends. Shown this once: null where the answer is one that was kept."
    )


class TokenInput(Body):
    """A new token: no more rights than the one that makes it."""

    name = serializers.CharField(max_length=100, help_text="What uses it.")
    scopes = serializers.MultipleChoiceField(choices=Scope.choices, allow_empty=False)
    sandbox = serializers.BooleanField(required=False, default=False, help_text="Whether nothing that is done with it counts.")
    days = serializers.IntegerField(
        required=False, default=90, min_value=1, max_value=LONGEST_LIFE.days, help_text="How long it is good for."
    )


class OwnTokenView(ApiView):
    """The token that the request was made with: its program, its scopes, how long it lives."""

    operations: ClassVar = {"GET": "token.inspect"}
    Output = OwnTokenOutput

    def get(self, request: Request) -> Response:
        """Never its secret."""
        self.read_query(request)
        token = cast(ApiToken, request.auth)
        names = ("name", "scopes", "is_sandbox", "created_at", "expires_at")
        program = get_program_by_id(self.program_id).code
        return Response(OwnTokenOutput({**{name: getattr(token, name) for name in names}, "program": program}).data)


class TokensView(WritingView, ListView):
    """
    The tokens of the program, newest first, those that ended included. A new one has no scope that the token that makes it
    lacks; a sandbox token makes sandbox tokens alone. The secret is in the answer, once.
    """

    operations: ClassVar = {"GET": "token.read", "POST": "token.manage"}
    bodies: ClassVar = {"POST": TokenInput}
    outcomes: ClassVar = {"POST": {201: "The token was made. Keep what `token` says: it cannot be shown again."}}
    examples: ClassVar = {"POST": (EXAMPLE, {**ANSWER, "token": "plum_4fT0qZ9LwXyB_…"})}
    renamed: ClassVar = {"is_sandbox": "/sandbox", "expires_at": "/days"}
    is_rehearsed = False  # a secret that opens nothing would be a trap
    Output = TokenOutput
    Written = NewTokenOutput
    order = ("-id",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ApiToken]:
        """Of this program."""
        return ApiToken.objects.filter(program_id=self.program_id)

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            at = clock.now()
            token, secret = pass_on_token(
                maker=cast(ApiToken, request.auth),
                name=given["name"],
                scopes=sorted(given["scopes"]),
                is_sandbox=given["sandbox"],
                expires_at=at + timedelta(days=given["days"]),
                at=at,
            )
            location = {"Location": reverse("api:token", args=[token.prefix])}
            return Response({**TokenOutput(token).data, "token": secret}, status=201, headers=location)

        return self.write(request, act)

    def as_kept(self, response: Response) -> Answer:
        """Without the secret, which is kept nowhere."""
        return super().as_kept(Response({**response.data, "token": None}, status=response.status_code, headers=response.headers))


class TokenView(WritingView):
    """
    Revoke a token by its prefix: it ends for ever, within seconds everywhere. Doing it again changes nothing. A token may
    revoke itself; a sandbox token revokes sandbox tokens alone.
    """

    operations: ClassVar = {"DELETE": "token.manage"}
    outcomes: ClassVar = {"DELETE": {204: "It is revoked."}}
    is_rehearsed = False

    def delete(self, request: Request, prefix: str) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            token = ApiToken.objects.filter(program_id=self.program_id, prefix=prefix).first()
            if token is None:
                raise NotFound("token", prefix)
            revoke_token(token_id=token.pk, actor=cast(ApiToken, request.auth), at=clock.now())
            return Response(status=204)

        return self.write(request, act)
