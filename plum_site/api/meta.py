"""Whether Plum runs, and the description of the whole API."""

from functools import lru_cache
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.health import find_readiness
from plum_site.lib.api import ApiView
from plum_site.lib.api_access import OperationPermission
from plum_site.lib.problems import Problem


class HealthOutput(serializers.Serializer):
    """That it answers."""

    status = serializers.ChoiceField(choices=["ok"])


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


class DescriptionView(ApiView):
    """This description, as OpenAPI 3.1."""

    operations: ClassVar = {"GET": "public.description"}
    media_type = "application/vnd.oai.openapi+json"
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
