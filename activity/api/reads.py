"""The activity API: batches, metrics and the funnel out."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

import msgspec
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from activity.api.serializers import (
    BatchOutput,
    FunnelOutput,
    LedgerEvent,
    MetricsOutput,
    MetricsQuery,
    StreamQuery,
    TimelineOutput,
    TimelineQuery,
)
from activity.metrics import METRICS, funnel_stages
from activity.models import IngestBatch
from activity.selectors import Summary, refuse_personal, summarise
from activity.selectors.batches import list_batches_of_token
from activity.selectors.history import HistoryFilter, Stretch, make_filter, read_history
from activity.services.timelines import open_timeline
from partners.models import Program
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.access import actor_of
from plum_site.lib.api import ApiView, ListView, read_cursor, refuse_parameters, write_cursor
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import ApiToken

LINES_AT_ONCE = 1000
MOST_PASSED = 2_000_000  # events that one stream looks at, those that its filter leaves out included
encode = msgspec.json.encode
REASON_HEADER = OpenApiParameter(
    "Plum-Reason", OpenApiTypes.STR, OpenApiParameter.HEADER, description="Why it is read; keeps the reason out of addresses."
)


class HistoryView(ApiView):
    """What the two ways of reading single events share."""

    def read_filter(self, query: Mapping[str, Any]) -> HistoryFilter:
        """The filter in the address; 404 for a partner, offer or source that the program does not have."""
        return make_filter(
            program=self.program,
            starts_date=query.get("from"),
            ends_date=query.get("to"),
            kinds=query.get("kind", ()),
            statuses=query.get("status", ()),
            partners=query.get("partner", ()),
            offers=query.get("offer", ()),
            sources=query.get("source", ()),
        )

    def read_stretch(self, since: int, limit: int, wanted: HistoryFilter) -> Stretch:
        """What follows a place; 400 where `since` is none."""
        try:
            return read_history(program=self.program, since=since, limit=limit, wanted=wanted)
        except InvalidInput as error:
            refuse_parameters([{"parameter": "since", "code": error.code, "detail": error.detail}])
            raise

    @cached_property
    def program(self) -> Program:
        """The token's program, read once."""
        return get_program_by_id(self.program_id)


class EventListView(HistoryView, ListView):
    """Single events in pages."""

    def get(self, request: Request, **kwargs: str) -> Response:
        """
        One page, in the order in which events became part of the history. A page may hold fewer events than asked for,
        and none, while has_more is true: what a filter left out was looked at too.
        """
        query = self.read_query(request)
        binding = self.bind(request)
        after = read_cursor(query.get("cursor", ""), binding, 1)
        stretch = self.read_stretch(after[0] if after else query["since"], query["limit"], self.read_filter(query))
        following = None if stretch.is_end else write_cursor([stretch.next_since], binding)
        data = LedgerEvent(stretch.events, many=True).data
        return Response({"data": data, "next_cursor": following, "has_more": not stretch.is_end})


class EventStreamView(HistoryView):
    """
    Events one a line (NDJSON), in the order in which they became part of the history; for readers who come back for more.

    The last line is {"next_since", "eof"}: send next_since as `since` next time and you get exactly what is new, nothing
    twice and nothing left out, whatever was recorded meanwhile and however late it happened. eof is false where more is
    waiting already. An answer that ends without that line was cut off: go on from the id of the last event you have. An
    event shows here once it is sealed, a second or so after it was accepted.
    """

    operations: ClassVar = {"GET": "event.read"}
    Query = StreamQuery
    Output = None
    media_type = "application/x-ndjson"
    problems = (404,)

    def get(self, request: Request) -> StreamingHttpResponse:
        """The first stretch is read before the answer begins, so that what is wrong is still a problem."""
        query = self.read_query(request)
        wanted = self.read_filter(query)
        first = self.read_stretch(query["since"], min(query["limit"], LINES_AT_ONCE), wanted)
        lines = self.write_lines(first, query["limit"], wanted) if request.method == "GET" else ()
        return StreamingHttpResponse(lines, content_type=self.media_type)

    def write_lines(self, stretch: Stretch, limit: int, wanted: HistoryFilter) -> Iterator[bytes]:
        """Some events at a time, each read by statements of its own: a slow reader keeps no transaction open."""
        written, passed = 0, 0
        while True:
            yield b"".join(encode(event) + b"\n" for event in stretch.events)
            written, passed = written + len(stretch.events), passed + stretch.passed
            if stretch.is_end or written >= limit or passed >= MOST_PASSED:
                break
            stretch = self.read_stretch(stretch.next_since, min(limit - written, LINES_AT_ONCE), wanted)
        yield encode({"next_since": stretch.next_since, "eof": stretch.is_end}) + b"\n"


class BatchesView(ListView):
    """What became of the events that this token sent, request by request and source by source, newest first."""

    operations: ClassVar = {"GET": "batch.read_own"}
    Output = BatchOutput
    order = ("-id",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[IngestBatch]:
        """Of this token alone."""
        return list_batches_of_token(self.program_id, cast(ApiToken, self.request.auth).pk)


class FiguresView(ApiView):
    """What the two addresses of figures share: the same question."""

    operations: ClassVar = {"GET": "metric.read"}
    problems = (422,)
    Query = MetricsQuery

    def find(self, request: Request, leave_out: Collection[str] = ()) -> tuple[Program, Summary]:
        """The program, and the answer to the question in the address."""
        query = self.read_query(request)
        refuse_personal(query.get("where", {}))
        program = get_program_by_id(self.program_id)
        return program, summarise(
            program=program,
            starts_date=query["from"],
            ends_date=query["to"],
            by=[name.strip() for name in query.get("by", "").split(",") if name.strip()],
            where=query.get("where", {}),
            leave_out=leave_out,
        )


class MetricsView(FiguresView):
    """Every metric over a period, broken down and filtered as asked: the same figures as everywhere else in Plum."""

    Output = MetricsOutput

    def get(self, request: Request) -> Response:
        """As the `metrics` command prints it."""
        _program, summary = self.find(request)
        return Response({name: getattr(summary, name) for name in ("as_of", "recorded_stages", "rows")})


class FunnelView(FiguresView):
    """
    How far pairs of a member and an offer came, stage by stage in the order of time, broken down and filtered as asked.

    A pair belongs to the period, and to the group, of its very first step. The same numbers as `funnel` of /metrics.
    """

    Output = FunnelOutput

    def get(self, request: Request) -> Response:
        """The funnel of every group that has an event; empty where no pair began."""
        program, summary = self.find(request, ("eligible", "settled"))
        rows = [{name: value for name, value in row.items() if name == "funnel" or name not in METRICS} for row in summary.rows]
        return Response(
            {"as_of": summary.as_of, "stages": funnel_stages(program.stage_order, summary.recorded_stages), "rows": rows}
        )


class TimelineView(ApiView):
    """
    Everything one member did, in time order. It needs a reason, and every reading is in the audit log with it.
    """

    operations: ClassVar = {"GET": "timeline.read"}
    problems = (422,)
    Query = TimelineQuery
    Output = TimelineOutput
    described_parameters = (REASON_HEADER,)

    def get(self, request: Request, external_id: str) -> Response:
        """By the member's outside id."""
        query = self.read_query(request)
        events = open_timeline(
            program=get_program_by_id(self.program_id),
            external_id=external_id,
            reason=query.get("reason") or request.headers.get("Plum-Reason", ""),
            actor=actor_of(request).name,
            at=clock.now(),
        )
        return Response(TimelineOutput({"member": external_id, "events": events}).data)
