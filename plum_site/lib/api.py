"""
What every view of the API is made of: one declared operation per method, strict query parameters, keyset pages.

Tokens and permissions are checked in `lib.api_access`, errors translated in `lib.problems`, the description is made in
`lib.api_schema`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django_filters import FilterSet
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from plum_site.lib import limits
from plum_site.lib.models import ApiToken
from plum_site.lib.problems import Problem, list_errors

METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
CURSOR_SALT = "plum.api.cursor"
LIMIT_DEFAULT, LIMIT_LARGEST = 100, 500


class JsonOnly(BaseContentNegotiation):
    """The API speaks JSON, whatever a client prefers."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """The first parser."""
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer."""
        first = next(iter(renderers))
        return first, first.media_type


class NoQuery(serializers.Serializer):
    """A view that takes no query parameters."""


class ApiView(APIView):
    """
    One address. A subclass says for each method which operation it is, which query parameters it takes (`Query`)
    and what it answers (`Output`), and makes one service or selector call. Where its methods differ, what it says may be
    a mapping by method: see `declared`.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    content_negotiation_class = JsonOnly
    operations: ClassVar[Mapping[str, str]] = {}
    Query: ClassVar[Any] = NoQuery
    Output: ClassVar[Any] = None
    policies: ClassVar[Mapping[str, str]] = {}  # by method: the quota that its requests are taken from; limits.REQUESTS
    # For the description: answers that succeed, problems beside the usual ones, bodies by media type, headers.
    successes: ClassVar[Any] = {200: "As asked."}
    media_type: ClassVar[str] = "application/json"
    texts: ClassVar[Mapping[str, str]] = {}  # by method, where the docstring of the class is about another one
    problems: ClassVar[Any] = ()
    described_bodies: ClassVar[Mapping[Any, Any]] = {}
    described_components: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    described_parameters: ClassVar[Any] = ()

    @classmethod
    def declared(cls, name: str, method: str | None) -> Any:
        """What the class says under a name for one method: the attribute itself, or what it maps the method to."""
        said = getattr(cls, name)
        if not isinstance(said, Mapping) or not said or not METHODS.issuperset(said):
            return said
        return said["GET" if method == "HEAD" else method]

    @property
    def program_id(self) -> int:
        """The program of the token: no address names one."""
        return cast(ApiToken, self.request.auth).program_id

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what no row can be called before anything is looked up."""
        super().initial(request, *args, **kwargs)
        if any("\x00" in str(value) for value in kwargs.values()):
            raise exceptions.NotFound("There is nothing at this address.")

    def check_throttles(self, request: Request) -> None:
        """Count the request, after it is known whose it is and that it is allowed; 429 where the token's quota is used up."""
        self.standings: list[limits.Standing] = []
        if isinstance(request.auth, ApiToken):
            self.take_quota(request, self.policies.get(str(request.method), limits.REQUESTS))

    def take_quota(self, request: Request, policy: str, amount: int = 1) -> None:
        """Take from a quota of the token; the answer says what is left of it."""
        standing = limits.take(policy, cast(ApiToken, request.auth).prefix, amount)
        if standing is not None:
            self.standings.append(standing)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Answers are the caller's alone: no cache keeps them. Those to a sandbox token say so, all say what is left to ask."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        for name, text in limits.headers_of(getattr(self, "standings", ())).items():
            response.setdefault(name, text)
        if getattr(getattr(request, "_auth", None), "is_sandbox", False):
            response["Plum-Sandbox"] = "true"
        return response

    def read_query(self, request: Request) -> dict[str, Any]:
        """The query parameters, validated by `Query`; 400 names every one that is unknown, repeated or wrong."""
        known = self.known_parameters()
        errors = [
            {"parameter": name, "code": "unknown_parameter", "detail": f"There is no parameter {name!r} here."}
            for name in request.query_params
            if name not in known
        ]
        errors += [
            {"parameter": name, "code": "repeated_parameter", "detail": f"{name!r} may stand once."}
            for name, values in request.query_params.lists()
            if len(values) > 1 and not is_list(known.get(name))
        ]
        errors += [
            {"parameter": name, "code": "invalid", "detail": "NUL characters are not allowed."}
            for name, values in request.query_params.lists()
            if any("\x00" in value for value in [name, *values])
        ]
        form = self.declared("Query", request.method)(data=request.query_params)
        if not errors and not form.is_valid():
            errors = [{"parameter": row.pop("pointer").lstrip("/"), **row} for row in list_errors(form.errors)]
        if errors:
            refuse_parameters(errors)
        return cast(dict[str, Any], form.validated_data)

    def known_parameters(self) -> dict[str, Any]:
        """Every query parameter of the method by name, with its serializer field where it has one."""
        return dict(self.declared("Query", self.request.method)().fields)


class ListView(ApiView):
    """
    A list in pages: `?limit=&cursor=`, answered as {"data", "next_cursor", "has_more"}.

    A subclass gives `find_rows`: a queryset, which is paged in the database by `order` (unique together), or a sequence
    of dicts already in order, which is paged by `order` too. Filters of a queryset come from `filterset_class`.
    """

    order: ClassVar[tuple[str, ...]] = ("external_id",)
    filterset_class: ClassVar[type[FilterSet] | None] = None

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Any] | Sequence[Mapping[str, Any]]:
        """All rows of the caller's program that this list is about."""
        raise NotImplementedError

    def get(self, request: Request, **kwargs: str) -> HttpResponse:
        """One page."""
        query = self.read_query(request)
        limit = query.pop("limit", LIMIT_DEFAULT)
        binding = self.bind(request)
        after = read_cursor(query.pop("cursor", ""), binding, len(self.order))
        rows = self.find_rows(query)
        if isinstance(rows, QuerySet):
            rows = self.filter_rows(request, rows).order_by(*self.order)
            if after is not None:
                rows = rows.filter(later_than(self.order, after))
            page: list[Any] = list(rows[: limit + 1])
        else:
            page = list(rows)
            if after is not None:
                page = [row for row in page if is_later(self.order, [row[name.lstrip("-")] for name in self.order], after)]
            page = page[: limit + 1]
        has_more = len(page) > limit
        page = page[:limit]
        following = write_cursor([value_of(page[-1], name.lstrip("-")) for name in self.order], binding) if has_more else None
        page = self.prepare_page(page)
        output = self.declared("Output", "GET")
        data = output(page, many=True, context=self.output_context(query)).data if output is not None else page
        return Response({"data": data, "next_cursor": following, "has_more": has_more})

    def prepare_page(self, page: list[Any]) -> list[Any]:
        """What `Output` is given for the rows of a page."""
        return page

    def output_context(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """What `Output` needs to know beside its row."""
        return {"request": self.request}

    def filter_options(self) -> dict[str, Any]:
        """What `filterset_class` needs to know beside the parameters."""
        return {}

    def filter_rows(self, request: Request, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Rows that pass the filters of `filterset_class`; 400 where one of them is wrong."""
        if self.filterset_class is None:
            return rows
        filters = self.filterset_class(data=request.query_params, queryset=rows, request=request, **self.filter_options())
        if not filters.is_valid():
            errors = [
                {"parameter": name, "code": "invalid", "detail": str(message)}
                for name, messages in filters.errors.items()
                for message in messages
            ]
            refuse_parameters(errors)
        return filters.qs

    def known_parameters(self) -> dict[str, Any]:
        """`Query`, the filters, and the two of paging."""
        if self.request.method not in ("GET", "HEAD"):
            return super().known_parameters()
        filters = self.filterset_class.base_filters if self.filterset_class is not None else {}
        return {**super().known_parameters(), **filters, **paging_fields()}

    def read_query(self, request: Request) -> dict[str, Any]:
        """As above, with limit and cursor."""
        query = super().read_query(request)
        if request.method not in ("GET", "HEAD"):
            return query
        form = PagingQuery(data=request.query_params)
        if not form.is_valid():
            refuse_parameters([{"parameter": row.pop("pointer").lstrip("/"), **row} for row in list_errors(form.errors)])
        return {**query, **form.validated_data}

    def bind(self, request: Request) -> str:
        """What a cursor belongs to: this list, this program, these filters."""
        filters = sorted((name, values) for name, values in request.query_params.lists() if name not in ("cursor", "limit"))
        said = json.dumps([request.path, self.program_id, filters])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


class PagingQuery(serializers.Serializer):
    """The two parameters that every list takes."""

    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LIMIT_LARGEST, default=LIMIT_DEFAULT, help_text="Rows on one page."
    )
    cursor = serializers.RegexField(
        r"^[0-9A-Za-z_:=-]*$",
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="`next_cursor` of the page before, with the same filters.",
    )


def paging_fields() -> dict[str, serializers.Field]:
    """The fields of PagingQuery by name."""
    return dict(PagingQuery().fields)


def read_length(request: HttpRequest) -> int | None:
    """The announced length of the body; None where none is announced, 400 for one that is no number."""
    text = request.META.get("CONTENT_LENGTH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Problem(400, "malformed", "Content-Length is not a number. Nothing was read.")
    return int(text)


def is_list(field: Any) -> bool:
    """Whether a parameter may stand several times."""
    return isinstance(field, serializers.ListField | serializers.MultipleChoiceField)


def refuse_parameters(errors: list[dict[str, Any]]) -> None:
    """Raise the 400 that names the parameters at fault."""
    names = ", ".join(dict.fromkeys(row["parameter"] for row in errors))
    raise Problem(400, "invalid_parameter", f"The query parameters are not as described: {names}.", errors=errors)


def value_of(row: Any, name: str) -> Any:
    """A column of a dict or of a model instance; `a__b` is b of the row that a refers to."""
    if not isinstance(row, Model):
        return row[name]
    for step in name.split("__"):
        row = getattr(row, step)
    return row


def write_cursor(values: list[Any], binding: str) -> str:
    """An opaque, signed place in a list."""
    kept = [value if isinstance(value, int) else str(value) for value in values]
    return signing.dumps([binding, kept], salt=CURSOR_SALT)


def read_cursor(cursor: str, binding: str, length: int) -> list[Any] | None:
    """The place that a cursor names; 400 for one that is forged or belongs to other filters."""
    if not cursor:
        return None
    try:
        bound, values = signing.loads(cursor, salt=CURSOR_SALT)
    except (signing.BadSignature, ValueError):
        bound, values = "", []
    if bound != binding or len(values) != length:
        detail = "This cursor does not belong to this list with these filters. Start again without a cursor."
        refuse_parameters([{"parameter": "cursor", "code": "invalid_cursor", "detail": detail}])
    return cast(list[Any], values)


def later_than(order: tuple[str, ...], after: list[Any]) -> Q:
    """Rows that come after the given values in `order`, as one condition; its first part is one that an index can follow."""
    condition, same = Q(pk__in=[]), Q()
    reaches = Q(**{f"{order[0].lstrip('-')}__{'lte' if order[0].startswith('-') else 'gte'}": after[0]})
    for name, value in zip(order, after, strict=True):
        column, comparison = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        condition |= same & Q(**{f"{column}__{comparison}": value})
        same &= Q(**{column: value})
    return reaches & condition


def is_later(order: tuple[str, ...], values: list[Any], after: list[Any]) -> bool:
    """`later_than` for a row in memory; dates are compared as the text that the cursor holds."""
    for name, value, bound in zip(order, values, after, strict=True):
        own = value if isinstance(value, int) else str(value)
        if own != bound:
            return bool(own < bound) if name.startswith("-") else bool(own > bound)
    return False
