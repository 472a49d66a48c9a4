"""The activity API for senders: what became of what they sent, and how far they are complete."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from activity.api.serializers import OutcomeRow, OutcomesQuery, SourceInput, SourceOutput
from activity.selectors.outcomes import COUNTS, list_outcomes
from activity.selectors.sources import SourceState, find_source_state
from activity.services.statements import state_complete_through
from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import WritingView
from plum_site.lib.errors import NotFound
from plum_site.lib.models import ApiToken

STATEMENT = {"complete_through": "2026-07-15T00:00:00Z"}
SOURCE = {
    "source": "urn:acme:shop",
    **STATEMENT,
    "stated": True,
    "last_event_at": "2026-07-14T21:48:03Z",
    "rhythm": "daily",
    "silent_since": None,
}


class OutcomesView(ListView):
    """
    What became of everything that this token sent, summed by program day and source, newest day first.

    Events and messages together: received = accepted + duplicate + conflict + rejected. /batches has the single requests.
    """

    operations: ClassVar = {"GET": "batch.read_own"}
    Query = OutcomesQuery
    Output = OutcomeRow
    order = ("-day", "source")

    def find_rows(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Of this token alone."""
        token = cast(ApiToken, self.request.auth)
        rows = list_outcomes(self.program_id, query["from"], query["to"], token_id=token.pk, source=query.get("source", ""))
        return [{name: getattr(row, name) for name in ("day", "source", *COUNTS, "warnings")} for row in rows]


class SourceView(WritingView):
    """
    One source, by the name that it gives itself in its events.

    PUT states how far it is complete: everything that happened before `complete_through` was sent. Say so after each load,
    and on days without any event too, so that a quiet day is not taken for a broken sender.
    """

    operations: ClassVar = {"GET": "source.read", "PUT": "source.state"}
    bodies: ClassVar = {"PUT": SourceInput}
    outcomes: ClassVar = {"PUT": {200: "It is kept. A source of which nothing has come yet is made."}}
    examples: ClassVar = {"PUT": (STATEMENT, SOURCE)}
    Output: ClassVar[type[serializers.Serializer] | None] = SourceOutput

    def describe(self, row: SourceState) -> dict[str, Any]:
        """As read."""
        return dict(
            SourceOutput(
                {
                    "source": row.code,
                    "complete_through": row.complete_through,
                    "stated": row.is_stated,
                    "last_event_at": row.last_event_at,
                    "rhythm": row.rhythm,
                    "silent_since": row.silent_since,
                }
            ).data
        )

    def find_current(self) -> SourceState | None:
        """The one in the address."""
        return find_source_state(self.program_id, self.kwargs["code"], clock.now())

    def get(self, request: Request, code: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        row = self.find_current()
        if row is None:
            raise NotFound("source", code)
        return self.answer(row)

    def put(self, request: Request, code: str) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            at = clock.now()
            state_complete_through(
                program=get_program_by_id(self.program_id),
                code=code,
                complete_through=in_utc(given["complete_through"]),
                actor=self.actor,
                at=at,
            )
            return self.answer(self.find_current())

        return self.write(request, act)


def in_utc(instant: datetime | None) -> datetime | None:
    """The instant in UTC."""
    return instant.astimezone(UTC) if instant is not None else None
