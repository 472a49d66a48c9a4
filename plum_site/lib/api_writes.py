"""
What every writing view of the API is made of: a strict JSON body, preconditions, keys against doing a thing twice, and
rehearsal for sandbox tokens. A view adds which service is called; what the service refuses is told by the names of the body.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import msgspec
from django.apps import apps
from django.conf import settings
from django.db import transaction
from rest_framework import exceptions, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock, kept_answers
from plum_site.lib.access import actor_of, may
from plum_site.lib.api import ApiView, read_length, refuse_parameters
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.kept_answers import Answer
from plum_site.lib.models import ApiToken
from plum_site.lib.problems import Problem, list_errors
from plum_site.lib.workflow import Table, available

LARGEST_BODY = 1024 * 1024
MEDIA_TYPES = ("application/json", "application/merge-patch+json")
KEY = re.compile(r'("?)([\x21\x23-\x5b\x5d-\x7e]{1,255})\1')
KEY_PATTERN = r'^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$'  # the same, as the description of the API has it
KEPT_HEADERS = ("ETag", "Location", "Preference-Applied")
Keep = Callable[[Response], None]  # remembers the answer of a request that came with a key
ETAGS = re.compile(r'"[^"]*"')  # weak ones count: a proxy that compresses makes them of ours


class Body(serializers.Serializer):
    """A JSON object in which every name is known."""

    def to_internal_value(self, data: Any) -> Any:
        """As usual, after names that are not described were refused."""
        if isinstance(data, Mapping):
            strange = [name for name in data if name not in self.fields or self.fields[name].read_only]
            if strange:
                detail = f"There is no field of this name to write. Fields: {', '.join(self.fields)}."
                raise exceptions.ValidationError({str(name): exceptions.ErrorDetail(detail, "unknown_field") for name in strange})
        return super().to_internal_value(data)


class AllowedAction(serializers.Serializer):
    """One thing that this token may do with this object now."""

    name = serializers.CharField(help_text="Send it as `name` to …/transitions.")
    label = serializers.CharField(help_text="For a button.")  # type: ignore[assignment]
    needs_comment = serializers.BooleanField(help_text="Whether it is refused without a `comment`.")


class TransitionInput(Body):
    """One named step of a lifecycle."""

    name = serializers.CharField(max_length=40, help_text="One of `allowed_actions`.")
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000, help_text="Why; it is logged.")


class WritingView(ApiView):
    """
    An address that can be written to. A subclass says which body each method takes (`bodies`), how its answers read
    (`outcomes`), and by which name of the body a field of the service goes (`renamed`).
    """

    bodies: ClassVar[Mapping[str, type[Body]]] = {}
    outcomes: ClassVar[Mapping[str, Mapping[int, str]]] = {}
    renamed: ClassVar[Mapping[str, str]] = {}
    examples: ClassVar[Mapping[str, tuple[Any, Any]]] = {}  # by method: a body and its answer, for the description
    # Whether a sandbox token's request is carried out and taken back; False where the view itself knows what to do.
    is_rehearsed: ClassVar[bool] = True
    largest_body: ClassVar[int] = LARGEST_BODY  # in bytes

    @property
    def actor(self) -> str:
        """The token, as the audit log names it."""
        return actor_of(self.request).name

    def describe(self, row: Any) -> dict[str, Any]:
        """The representation of one row, for this token."""
        raise NotImplementedError

    def find_current(self) -> Any:
        """The row in the address, for preconditions; None where there is none (yet)."""
        return None

    def etag_of(self, body: Mapping[str, Any], row: Any) -> str:
        """The version of one row's representation."""
        return make_etag(body, row)

    def answer(self, row: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A representation with its ETag."""
        body = self.describe(row)
        return Response(body, status=status, headers={"ETag": self.etag_of(body, row), **(headers or {})})

    def write(self, request: Request, act: Callable[[dict[str, Any]], Response]) -> Response:
        """
        Carry out `act` with the validated body, in one transaction, after the preconditions in the headers were met.

        Writing through the API goes one by one within a program, so that what a precondition saw is what is changed.
        """
        refuse_query(request)
        given = self.read_body(request)
        rehearsed = cast(ApiToken, request.auth).is_sandbox and self.is_rehearsed

        def carry_out(keep: Keep) -> Response:
            with transaction.atomic():
                lock_program(self.program_id)
                self.check_preconditions(request)
                response = act(given)
                keep(response)
                if rehearsed:
                    transaction.set_rollback(True)
            return response

        key = read_key(request) if request.method == "POST" and not rehearsed else ""
        try:
            return answer_once(request, key, lambda: fingerprint(request, given), carry_out, self.as_kept)
        except DomainError as error:
            if not isinstance(error, Problem) and error.fields:
                raise self.relocate(error) from error
            raise

    def read_body(self, request: Request) -> dict[str, Any]:
        """The body, validated by what `bodies` has for the method; 400, 413, 415 or 422 where it is not that."""
        body_class = self.bodies.get(str(request.method))
        if body_class is None:
            return {}
        plain = request._request
        charset = (plain.content_params or {}).get("charset", "utf-8").lower()
        if plain.content_type not in MEDIA_TYPES or charset not in ("utf-8", "utf8"):
            detail = "Send a JSON object as application/json, in UTF-8. Nothing was changed."
            raise Problem(415, "unsupported_media_type", detail, accepted=[*MEDIA_TYPES])
        length = read_length(plain)
        if length is None and "Transfer-Encoding" in request.headers:
            raise Problem(411, "length_required", "Send a Content-Length; chunked requests are not read. Nothing was changed.")
        if length is not None and length > self.largest_body:
            detail = f"The body is larger than {self.largest_body // 1024} KiB. Nothing was changed."
            raise Problem(413, "too_large", detail, limit=self.largest_body)
        try:
            data = msgspec.json.decode(plain.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise Problem(400, "malformed", f"The body is not JSON: {str(error)[:200]}. Nothing was changed.") from None
        form = body_class(data=data, partial=request.method == "PATCH")
        if not form.is_valid():
            errors = list_errors(form.errors)
            detail = "The body is not as described; see errors. Nothing was changed."
            raise Problem(422, "invalid", detail, errors=errors)
        return cast(dict[str, Any], form.validated_data)

    def check_preconditions(self, request: Request) -> None:
        """412 where If-Match or If-None-Match does not hold for the row in the address as it is now."""
        wanted, unwanted = request.headers.get("If-Match"), request.headers.get("If-None-Match")
        if wanted is None and unwanted is None:
            return
        row = self.find_current()
        present = self.etag_of(self.describe(row), row) if row is not None else None
        if (wanted is not None and not names_etag(wanted, present)) or (unwanted is not None and names_etag(unwanted, present)):
            detail = "It is not as you saw it last. Nothing was changed. Read it again, look at what differs, and decide anew."
            raise Problem(412, "precondition_failed", detail, headers={"ETag": present} if present else {})

    def as_kept(self, response: Response) -> Answer:
        """What is kept of an answer for those who send the request again."""
        return as_kept(response)

    def relocate(self, error: DomainError) -> Problem:
        """What a service refused, by the names of the body."""
        errors = [{"pointer": self.renamed.get(name, f"/{name}"), "detail": text} for name, text in error.fields.items()]
        detail = error.detail
        for name, pointer in self.renamed.items():
            if detail.startswith(f"{name}: "):
                detail = f"{pointer.lstrip('/').replace('/', '.')}: {detail.removeprefix(f'{name}: ')}"
        if "othing was changed" not in detail:
            detail = f"{detail} Nothing was changed."
        return Problem(error.status, error.code, detail, errors=errors)


def lock_program(program_id: int) -> None:
    """Let one write of a program follow another, to the end of the transaction."""
    programs = apps.get_model(settings.PROGRAM_MODEL)._default_manager
    if programs.select_for_update().filter(pk=program_id).first() is None:
        raise NotFound("program", program_id)


def refuse_query(request: Request) -> None:
    """400 for query parameters: what is written stands in the body, alone."""
    errors = [
        {"parameter": name, "code": "unknown_parameter", "detail": f"There is no parameter {name!r} here; write in the body."}
        for name in request.query_params
    ]
    if errors:
        refuse_parameters(errors)


def read_key(request: Request) -> str:
    """The Idempotency-Key, quoted or not; "" where there is none, 400 for one that is none."""
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return ""
    match = KEY.fullmatch(text.strip())
    if match is None:
        detail = "Idempotency-Key is 1 to 255 visible ASCII characters, best a UUID in quotes. Nothing was changed."
        raise Problem(400, "invalid_key", detail, errors=[{"header": "Idempotency-Key", "code": "invalid", "detail": detail}])
    return match[2]


def fingerprint(request: Request, given: Mapping[str, Any]) -> str:
    """What makes two requests the same: method, address and what the body says."""
    said = JSONRenderer().render([request.method, request.get_full_path(), given])
    return hashlib.sha256(json.dumps(json.loads(said), sort_keys=True).encode()).hexdigest()


def answer_once(
    request: Request,
    key: str,
    fingerprint_of: Callable[[], str],
    act: Callable[[Keep], Response],
    kept_as: Callable[[Response], Answer],
) -> Response:
    """
    Carry out `act`, or replay the answer that the request got before with the same key; without a key, just carry it out.

    act: calls the function that it is given with its answer, inside the transaction of what it changes.
    Raises: InvalidInput ("key_reused"), StillUnderWay, and what `act` raises; the key may be used again then.
    """
    if not key:
        return act(lambda response: None)
    token = cast(ApiToken, request.auth)
    known = kept_answers.claim(token=token, key=key, fingerprint=fingerprint_of(), at=clock.now())
    if isinstance(known, Answer):
        return replay(known)
    try:
        return act(lambda response: kept_answers.keep(claimed=known, answer=kept_as(response)))
    except BaseException:
        kept_answers.release(claimed=known)
        raise


def as_kept(response: Response) -> Answer:
    """Status, the headers that say something, and the body."""
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return Answer(response.status_code, headers, JSONRenderer().render(response.data).decode())


def replay(known: Answer) -> Response:
    """An answer that was kept, marked as one."""
    return Response(json.loads(known.body), status=known.status, headers={**known.headers, "Idempotent-Replayed": "true"})


def make_etag(body: Mapping[str, Any], row: Any) -> str:
    """The version of a representation: the state that was decided, not what the day or the token's rights make of it."""
    lasting = {name: value for name, value in body.items() if name not in ("allowed_actions", "state")}
    said = json.loads(JSONRenderer().render([getattr(row, "state", ""), lasting]))
    return f'"{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:24]}"'


def names_etag(header: str, present: str | None) -> bool:
    """Whether If-Match or If-None-Match names the present version; `*` names any."""
    if present is None:
        return False
    return header.strip() == "*" or present in ETAGS.findall(header)


def list_allowed_actions(request: Request, table: Table, state: str) -> list[dict[str, Any]]:
    """The transitions that start from `state` and that the token may take, in table order, in the shape of AllowedAction."""
    token = cast(ApiToken, request.auth)
    return [
        {"name": one.name, "label": one.label, "needs_comment": one.needs_comment}
        for one in available(table, state)
        if may(actor_of(request), one.operation, token.program_id)
    ]
