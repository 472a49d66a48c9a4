"""What the API has beside the apps: whether Plum runs, who the caller's token is, and the description of it all."""

from functools import lru_cache
from typing import Any, ClassVar, cast

import msgspec
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.health import find_readiness
from plum_site.lib.api import ApiView
from plum_site.lib.api_access import OperationPermission
from plum_site.lib.models import ApiToken
from plum_site.lib.problems import Problem


class HealthOutput(serializers.Serializer):
    """That it answers."""

    status = serializers.ChoiceField(choices=["ok"])


class TokenOutput(serializers.Serializer):
    """The token that the request was made with."""

    name = serializers.CharField()
    program = serializers.CharField(help_text="Code of the program that it is bound to.")
    scopes = serializers.ListField(child=serializers.CharField())
    is_sandbox = serializers.BooleanField(help_text="Events sent with it never count.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class LivenessView(ApiView):
    """Whether the process answers."""

    operations: ClassVar = {"GET": "public.health"}
    authentication_classes = []
    Output = HealthOutput

    def get(self, request: Request) -> Response:
        """Yes."""
        self.read_query(request)
        return Response({"status": "ok"})


class ReadinessView(ApiView):
    """Whether the process can serve: the database answers, its tables are there, the disk has room. 503 else."""

    operations: ClassVar = {"GET": "public.health"}
    authentication_classes = []
    Output = HealthOutput

    def get(self, request: Request) -> Response:
        """No detail: who may know more asks the health page."""
        self.read_query(request)
        if not find_readiness().ready:
            headers = {"Retry-After": "5"}
            raise Problem(503, "not_ready", "Plum cannot serve requests now. `manage.py health` says why.", headers=headers)
        return Response({"status": "ok"})


class TokenView(ApiView):
    """The token that the request was made with: its program, its scopes, how long it lives."""

    operations: ClassVar = {"GET": "token.inspect"}
    Output = TokenOutput

    def get(self, request: Request) -> Response:
        """Never its secret."""
        self.read_query(request)
        token = cast(ApiToken, request.auth)
        program = get_program_by_id(self.program_id)
        fields = {name: getattr(token, name) for name in ("name", "scopes", "is_sandbox", "created_at", "expires_at")}
        return Response(TokenOutput({**fields, "program": program.code}).data)


class DescriptionView(ApiView):
    """This description, as OpenAPI 3.1."""

    operations: ClassVar = {"GET": "public.description"}
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        """Made once in each process."""
        self.read_query(request)
        return HttpResponse(describe_api(), content_type="application/vnd.oai.openapi+json; charset=utf-8")


class DocumentationView(SpectacularSwaggerSplitView):
    """The description as pages to browse and try, from our own static files."""

    http_method_names = ApiView.http_method_names
    operations: ClassVar = {"GET": "public.description"}
    authentication_classes = []
    permission_classes = [OperationPermission]
    schema = None
    url_name = "api:description"
    template_name = "plum/api_docs.html"  # without the inline style of the framework's own


@lru_cache(maxsize=1)
def describe_api() -> bytes:
    """docs/reference/openapi.json: the same bytes for the same code."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
