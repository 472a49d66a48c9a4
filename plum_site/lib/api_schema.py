"""
The OpenAPI description of the API, made from what each view declares: its operation, its query, its answer.

Every operation names the scope that it needs and every error that it can answer, as problem+json.
"""

import re
from typing import Any, cast

from django_filters import filters
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from plum_site.lib import access
from plum_site.lib.api import ApiView, ListView, NoQuery, PagingQuery
from plum_site.lib.api_writes import KEY_PATTERN, WritingView
from plum_site.lib.problems import MEDIA_TYPE, TITLES

WORD = re.compile("[A-Z][a-z]*")
TOO_LONG = "The address is too long; said by the web server itself, not as a problem document."

KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": KEY_PATTERN},
    OpenApiParameter.HEADER,
    description="Yours to choose, best a UUID, in quotes or not. The same request with the same key is answered as the first "
    "time, for 24 hours.",
)
MATCH_HEADER = OpenApiParameter(
    "If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The ETag that you saw; 412 if it has changed since."
)
NONE_MATCH_HEADER = OpenApiParameter(
    "If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="`*`: only if there is none yet; 412 otherwise."
)


class ProblemPlace(serializers.Serializer):
    """Where one of several faults lies: in the body (`pointer`), in the address (`parameter`) or in a header."""

    pointer = serializers.CharField(required=False, help_text="JSON pointer into the body.")
    header = serializers.CharField(required=False, help_text="Name of the header.")
    parameter = serializers.CharField(required=False, help_text="Name of the query parameter.")
    code = serializers.CharField(required=False)
    detail = serializers.CharField()


class ProblemDocument(serializers.Serializer):
    """An error, as RFC 9457 has it. Further members may say more, such as `limit`."""

    type = serializers.CharField(help_text="urn:plum:problem: and the code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="What happened, what was not changed, what to do.")
    instance = serializers.CharField(help_text="Names this one occurrence; Plum's log has it too.")
    errors = ProblemPlace(many=True, required=False)  # type: ignore[assignment]


class TokenScheme(OpenApiAuthenticationExtension):
    """`Authorization: Bearer plum_...`."""

    target_class = "plum_site.lib.api_access.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """A bearer token of one program."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token of one program, made in the console or by create_token.",
        }


class ApiSchema(AutoSchema):
    """Describes one method of an ApiView."""

    view: ApiView  # type: ignore[override]

    @property
    def operation(self) -> access.Operation:
        """The row of permissions.yaml."""
        return access.find_operation(self.view.operations[self.method])

    def get_operation_id(self) -> str:
        """Method and view, in snake case."""
        words = WORD.findall(type(self.view).__name__.removesuffix("View"))
        return "_".join([self.method, *words]).lower()

    def get_summary(self) -> str:
        """What the permission is called."""
        return self.operation.title

    def get_description(self) -> str:  # type: ignore[override]
        """The view's own words, and the scope it needs."""
        words = " ".join((self.view.texts.get(self.method) or type(self.view).__doc__ or "").split())
        scopes = " or ".join(f"`{scope}`" for scope in sorted(self.operation.scopes))
        return f"{words}\n\nScope: {scopes}." if scopes and not self.is_for_every_token else words

    @property
    def is_for_every_token(self) -> bool:
        """Whether any scope is enough."""
        return self.operation.scopes == frozenset(access.Scope.values)

    def get_tags(self) -> list[str]:
        """The first word of the address behind the version."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_filter_backends(self) -> list[Any]:
        """Filters are described with the other parameters."""
        return []

    def get_auth(self) -> list[dict[str, Any]]:
        """A token, or nothing for what is open to anyone."""
        described: list[dict[str, Any]] = super().get_auth()
        return [] if self.operation.open_to else described

    @property
    def is_write(self) -> bool:
        """Whether this method of the view writes."""
        return isinstance(self.view, WritingView) and self.method != "GET"

    @property
    def is_list(self) -> bool:
        """Whether this method of the view answers with a page."""
        return isinstance(self.view, ListView) and self.method == "GET"

    def get_override_parameters(self) -> list[Any]:
        """`Query`, filters and paging of what is read; preconditions and the key of what is written."""
        if self.is_write:
            return self.list_write_headers()
        query = self.view.declared("Query", self.method)
        described: list[Any] = [] if query is NoQuery else [query]
        if self.is_list:
            described.append(PagingQuery)
            filterset = cast(ListView, self.view).filterset_class
            if filterset is not None:
                described += [describe_filter(name, row) for name, row in filterset.base_filters.items()]
        return described + list(self.view.declared("described_parameters", self.method))

    def list_write_headers(self) -> list[Any]:
        """If-Match where there is a row in the address; the key where doing it twice would do two things."""
        described = [MATCH_HEADER] if "{" in self.path and self.method != "DELETE" else []
        described += [NONE_MATCH_HEADER] if self.method == "PUT" else []
        return described + ([KEY_HEADER] if self.method == "POST" else [])

    def get_request_serializer(self) -> Any:
        """The body, where the method has one; the components that it refers to are registered."""
        for name, schema in self.view.described_components.items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, schema=dict(schema), object=name)
            self.registry.register_on_missing(component)
        if isinstance(self.view, WritingView):
            return self.view.bodies.get(self.method)
        return self.view.described_bodies or None if self.method in ("POST", "PUT", "PATCH") else None

    def map_parsers(self) -> list[str]:
        """The one media type that bodies are sent as."""
        return ["application/json"]

    def get_examples(self) -> list[OpenApiExample]:
        """A body and its answer, as the view has them."""
        said = getattr(self.view, "examples", {}).get(self.method)
        if said is None:
            return []
        body, answer = said
        examples = [OpenApiExample("Request", value=body, request_only=True)] if body is not None else []
        # Given by status and media type, so that problems are not shown with it.
        codes = [str(status) for status in self.success_words()]
        return [*examples, OpenApiExample("Answer", value=answer, response_only=True, status_codes=codes)]

    def success_words(self) -> Any:
        """The answers that succeed: status and what it means."""
        if self.is_write and isinstance(self.view, WritingView):
            return self.view.outcomes[self.method]
        return self.view.declared("successes", self.method)

    def get_response_serializers(self) -> dict[Any, Any]:  # type: ignore[override]
        """The answers that succeed, then the problems."""
        output: Any = self.view.declared("Output", self.method)
        if self.is_write:
            output = getattr(self.view, "Written", None) or output
        if self.is_list and output is not None:
            name = type(self.view).__name__.removesuffix("View")
            output = inline_serializer(
                name=f"{name}Page",
                fields={
                    "data": output(many=True),
                    "next_cursor": serializers.CharField(allow_null=True, help_text="Send it as `cursor` for the next page."),
                    "has_more": serializers.BooleanField(),
                },
            )
        answers: dict[Any, Any] = {}
        for status, words in self.success_words().items():
            place = status if self.view.media_type == "application/json" else (status, self.view.media_type)
            answers[place] = OpenApiResponse(None if status == 204 else output or OpenApiTypes.OBJECT, description=words)
        if self.takes_query:
            answers[414] = OpenApiResponse(None, description=TOO_LONG)
        for status in self.problem_statuses():
            answers[status, MEDIA_TYPE] = OpenApiResponse(ProblemDocument, description=TITLES[status])
        return answers

    @property
    def takes_query(self) -> bool:
        """Whether something may stand in the address behind the question mark, or in place of a name."""
        return "{" in self.path or (
            not self.is_write and (self.is_list or self.view.declared("Query", self.method) is not NoQuery)
        )

    def problem_statuses(self) -> list[int]:
        """The errors that this operation can answer."""
        statuses = {400, 405, 500, 503, *self.view.declared("problems", self.method)}
        if not self.operation.open_to:
            statuses |= {401, 403, 429}
        if "{" in self.path:
            statuses.add(404)
        if self.is_write:
            statuses |= {404, 409, 411, 412, 413, 415, 422} if self.method != "DELETE" else {404}
        return sorted(statuses)


def describe_filter(name: str, row: filters.Filter) -> OpenApiParameter:
    """One filter of a FilterSet as a query parameter."""
    choices = row.extra.get("choices")
    kind: Any = OpenApiTypes.STR
    if isinstance(row, filters.DateFilter):
        kind = OpenApiTypes.DATE
    elif isinstance(row, filters.NumberFilter):
        kind = OpenApiTypes.NUMBER
    elif isinstance(row, filters.BooleanFilter):
        kind = OpenApiTypes.BOOL
    listed = [value for value, _ in choices] if isinstance(choices, list | tuple) else None
    return OpenApiParameter(
        name, kind, OpenApiParameter.QUERY, description=str(row.extra.get("help_text") or row.label or ""), enum=listed
    )


def keep_api(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """A hook of the generator: only views of the API are described."""
    return [row for row in endpoints if issubclass(getattr(row[3], "cls", object), ApiView)]
