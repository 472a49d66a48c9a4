"""The API of restatements: reading and asking. A person answers, in the console: a token is nobody's second pair of eyes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import Body, WritingView
from plum_site.lib.periods import month_text, parse_month
from reviews.choices import RestatementState
from reviews.models import Restatement
from reviews.selectors import get_cycle, get_restatement, list_restatements
from reviews.services import ask_restatement

EXAMPLE = {
    "id": 3,
    "month": "2026-06",
    "revision": 1,
    "state": "asked",
    "reason": "A file of the shop came after the closing.",
    "asked_at": "2026-07-15T09:30:00Z",
    "answered_at": None,
    "answer": "",
    "revised": None,
}


class RestatementInput(Body):
    """Why a closed review has to be made anew."""

    reason = serializers.CharField(max_length=2000, help_text="Kept with the name of whoever asks.")


class RestatementOutput(serializers.Serializer):
    """A closed review that somebody asked to be made anew."""

    id = serializers.IntegerField()
    month = serializers.SerializerMethodField(help_text="YYYY-MM.")
    revision = serializers.IntegerField(source="cycle.revision", help_text="The closed one, which stays.")
    state = serializers.ChoiceField(choices=RestatementState.choices)
    reason = serializers.CharField()
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField()
    revised = serializers.SerializerMethodField(help_text="The new revision, once approved.")

    def get_month(self, row: Restatement) -> str:
        """As YYYY-MM."""
        return month_text(row.cycle.month_start_date)

    def get_revised(self, row: Restatement) -> int | None:
        """Its number."""
        return row.revised.revision if row.revised else None


class RestatementsView(ListView):
    """The restatements that were asked for, newest first. They are answered by a person, in the console."""

    operations: ClassVar = {"GET": "review.read"}
    Output = RestatementOutput
    order = ("-asked_at", "-id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Restatement]:
        """Those of the program."""
        return list_restatements(self.program_id)


class AskRestatementView(WritingView):
    """
    Ask for a closed month to be made anew as its next revision. A person has to approve it in the console, and not the one who
    made this token.
    """

    operations: ClassVar = {"POST": "restatement.ask"}
    bodies: ClassVar = {"POST": RestatementInput}
    outcomes: ClassVar = {"POST": {201: "It is asked for, and waits for somebody's answer."}}
    examples: ClassVar = {"POST": ({"reason": EXAMPLE["reason"]}, EXAMPLE)}
    Output: ClassVar[type[serializers.Serializer] | None] = RestatementOutput

    def describe(self, row: Restatement) -> dict[str, Any]:
        """As read."""
        return dict(RestatementOutput(row, context={"request": self.request}).data)

    def post(self, request: Request, month: str) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            cycle = get_cycle(self.program_id, parse_month(month))
            row = ask_restatement(cycle_id=cycle.pk, reason=given["reason"], actor=self.actor, at=clock.now())
            return self.answer(get_restatement(self.program_id, row.pk), 201)

        return self.write(request, act)
