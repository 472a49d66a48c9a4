"""The activity API: events in; batches, metrics and timelines out."""

import re
from hashlib import sha256
from typing import Any, ClassVar, cast

from rest_framework.request import Request
from rest_framework.response import Response

from activity.api.bodies import inflate, read_encoding
from activity.api.descriptions import EVENT_BODIES, EVENT_COMPONENTS, EVENT_HEADERS, HISTORY_TEXT
from activity.api.large_bodies import turn_of
from activity.api.messages import pointer_of, read_items
from activity.api.reads import EventListView
from activity.api.serializers import EventReceipt, EventsQuery, HistoryQuery, LedgerEvent
from activity.choices import Outcome
from activity.services.receipts import Receipt, Result, UnableToRecordEvents
from activity.services.receiving import receive_events
from plum_site.lib import clock, limits
from plum_site.lib.api_writes import Keep, answer_once, as_kept, read_key
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.models import ApiToken
from plum_site.lib.problems import Problem

STRICT = re.compile(r"(?:^|,)\s*handling\s*=\s*\"?strict\"?\s*(?:$|[,;])", re.IGNORECASE)


class EventsView(EventListView):
    """
    Send 1 to 5,000 events, or messages, as CloudEvents: a JSON batch, a single one, or one a line; gzip and zstd are
    understood.

    Answered after they are stored. 200: every event was accepted or is a duplicate. 207: at least one was rejected or
    is in conflict with what was sent before; the others are stored, so do not repeat the whole request. With
    `Prefer: handling=strict` nothing is stored unless every event can be taken (422). Sending again is always safe:
    an event is recognised by its source and id. Events of a sandbox token are checked and answered alike, never stored.
    """

    operations: ClassVar = {"GET": "event.read", "POST": "event.send"}
    policies: ClassVar = {"POST": limits.INGEST}
    Query: ClassVar = {"GET": HistoryQuery, "POST": EventsQuery}
    Output: ClassVar = {"GET": LedgerEvent, "POST": EventReceipt}
    successes: ClassVar = {
        "GET": {200: "A page of the activity history."},
        "POST": {
            200: "Every event was accepted, or is a duplicate.",
            207: "At least one event was rejected or is in conflict; the others were stored.",
        },
    }
    problems: ClassVar = {"GET": (404,), "POST": (409, 411, 413, 415, 422)}
    texts: ClassVar = {"GET": HISTORY_TEXT}
    described_bodies: ClassVar = EVENT_BODIES
    described_components: ClassVar = EVENT_COMPONENTS
    described_parameters: ClassVar = {"GET": (), "POST": EVENT_HEADERS}

    def post(self, request: Request) -> Response:
        """Record, and say what became of each event."""
        crashpoint("ingest.received")
        # Mostly there are none, and nothing to check.
        query = self.read_query(request) if request.META.get("QUERY_STRING") else {"results": "notable"}
        with turn_of(request._request):
            response = self.take(request, show_all=query["results"] == "all")
        crashpoint("ingest.before_reply")
        return response

    def take(self, request: Request, *, show_all: bool) -> Response:
        """Read what a request sends and record it; nothing but the answer is left of it."""
        at = clock.now()
        token = cast(ApiToken, request.auth)
        items = read_items(request._request, at)
        self.take_quota(request, limits.INGEST_EVENTS, len(items))
        strict = STRICT.search(request.META.get("HTTP_PREFER", "")) is not None
        crashpoint("ingest.after_parsing")

        def respond(receipt: Receipt) -> Response:
            headers = {"Preference-Applied": "handling=strict"} if strict else {}
            status = 207 if receipt.rejected + receipt.conflict else 200
            body = describe_receipt(receipt, show_all=show_all)
            return Receipted(body | ({"sandbox": True} if token.is_sandbox else {}), status=status, headers=headers)

        def record(keep: Keep) -> Response:
            keep_receipt = (lambda receipt: keep(respond(receipt))) if key else None
            return respond(receive_events(token=token, events=items, at=at, strict=strict, keep=keep_receipt))

        key = "" if token.is_sandbox else read_key(request)
        try:
            return answer_once(request, key, lambda: fingerprint(request, strict), record, as_kept)
        except UnableToRecordEvents as error:
            raise refused(error) from error


class Receipted(Response):
    """The answer about events; closed by the server once the client has been sent all of it."""

    _csp_exempt = True  # it is made for machines and often: a policy for pages would take longer than the rest of it

    def close(self) -> None:
        """As every answer; then the last place at which a process can die."""
        super().close()
        crashpoint("ingest.after_reply")


def fingerprint(request: Request, strict: bool) -> str:
    """What makes two requests with events the same: the address, how they are to be taken, and the body without its encoding."""
    body = inflate(request._request.body, read_encoding(request._request))
    said = [request.get_full_path(), str(strict), str(request._request.content_type)]
    return sha256("\n".join(said).encode() + b"\n" + body).hexdigest()


def describe_receipt(receipt: Receipt, *, show_all: bool) -> dict[str, Any]:
    """The answer to one request, in the shape of EventReceipt."""
    return {
        "received": receipt.received,
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "conflict": receipt.conflict,
        "rejected": receipt.rejected,
        "results": [describe_result(result) for result in (receipt.results if show_all else receipt.notable)],
    }


def describe_result(result: Result) -> dict[str, Any]:
    """One result, absent members left out."""
    body: dict[str, Any] = {"index": result.index, "id": result.event_id, "status": result.outcome.value}
    if result.code:
        body |= {"code": result.code, "pointer": pointer_of(result.field), "detail": result.detail}
    if result.warning:
        body["warning"] = result.warning
    return body


def refused(error: UnableToRecordEvents) -> Problem:
    """422 for strict handling, with every event that could not be taken."""
    errors = [
        {"pointer": f"/{result.index}{pointer_of(result.field)}", "code": result.code, "detail": result.detail}
        for result in error.receipt.notable
        if result.outcome in (Outcome.REJECTED, Outcome.CONFLICT)
    ]
    return Problem(422, error.code, error.detail, errors=errors, headers={"Preference-Applied": "handling=strict"})
