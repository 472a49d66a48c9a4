"""The API of scorecards over all months, and of the coverage certificate: who had to be reviewed, and what became of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import AllowedAction, list_allowed_actions
from plum_site.lib.errors import NotFound
from plum_site.lib.periods import month_text, parse_month
from reviews.api.serializers import CrossingOutput, ReviewDecision
from reviews.choices import CycleState, Standing
from reviews.models import ReviewCycle, Scorecard
from reviews.rules import EVENTS, LIVE
from reviews.selectors import certify, describe_scorecard, find_latest_cycle, get_cycle
from reviews.workflow import DECISIONS, TRANSITIONS

ROW = ("partner", "name", "category", "rank", "standing", "score", "flags", "diagnosis", "decision")


class ScorecardsQuery(serializers.Serializer):
    """Which scorecards; everything may be left out."""

    month = serializers.CharField(required=False, help_text="A program month, YYYY-MM.")
    standing = serializers.ChoiceField(choices=Standing.choices, required=False)
    partner = serializers.CharField(required=False, help_text="External id.")
    category = serializers.CharField(required=False)
    flagged = serializers.BooleanField(required=False, allow_null=True, default=None, help_text="With or without flags.")


class ScorecardRow(serializers.Serializer):
    """One partner in one month. What it rests on is at /reviews/{month}/scorecards/{partner}."""

    month = serializers.CharField(help_text="YYYY-MM.")
    revision = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CycleState.choices, help_text="Of the month's review.")
    partner = serializers.CharField(help_text="External id.")
    name = serializers.CharField()
    category = serializers.CharField()
    rank = serializers.IntegerField(allow_null=True)
    standing = serializers.ChoiceField(choices=Standing.choices)
    score = serializers.FloatField(allow_null=True, help_text="0 to 100.")
    flags = CrossingOutput(many=True)
    diagnosis = serializers.DictField(allow_null=True)
    decision = ReviewDecision(allow_null=True)
    allowed_actions = serializers.SerializerMethodField(help_text="The decisions that this token may make about it now.")

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """None while the month runs, and once it is closed."""
        return list_allowed_actions(self.context["request"], DECISIONS, row["state"])


class ScorecardsView(ListView):
    """The scorecards of every month in its newest revision, newest month first, then by partner."""

    operations: ClassVar = {"GET": "review.read"}
    problems = (422,)
    Query = ScorecardsQuery
    Output = ScorecardRow
    order = ("-cycle__month_start_date", "partner__external_id", "id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Scorecard]:
        """Of the program, as asked for."""
        newer = ReviewCycle.objects.filter(
            program=OuterRef("cycle__program"),
            month_start_date=OuterRef("cycle__month_start_date"),
            revision__gt=OuterRef("cycle__revision"),
        )
        cards = Scorecard.objects.filter(~Exists(newer), cycle__program_id=self.program_id)
        if "month" in query:
            cards = cards.filter(cycle__month_start_date=parse_month(query["month"]))
        named = {"standing": "standing", "partner": "partner__external_id", "category": "partner__category__code"}
        cards = cards.filter(**{column: query[name] for name, column in named.items() if name in query})
        if query.get("flagged") is not None:
            cards = cards.filter(flags__isnull=not query["flagged"]).distinct()
        return cards.select_related("cycle", "partner__category", "decision").prefetch_related("flags__rule_version__rule")

    def prepare_page(self, page: list[Any]) -> list[Any]:
        """The standard form without what it rests on."""
        return [describe_row(card) for card in page]


def describe_row(card: Scorecard) -> dict[str, Any]:
    """A scorecard in the shape of ScorecardRow."""
    cycle = card.cycle
    described = describe_scorecard(card, cycle.config)
    own = {"month": month_text(cycle.month_start_date), "revision": cycle.revision, "state": cycle.state}
    return own | {name: described[name] for name in ROW}


class CoverageQuery(serializers.Serializer):
    """Of which month."""

    month = serializers.CharField(required=False, help_text="YYYY-MM; the newest reviewed month where it is left out.")


class CoveredPartner(serializers.Serializer):
    """One partner of a month."""

    partner = serializers.CharField(help_text="External id.")
    reasons = serializers.ListField(
        child=serializers.ChoiceField(choices=(LIVE, EVENTS)),
        help_text="Why it had to be reviewed; empty where it need not be.",
    )
    standing = serializers.ChoiceField(choices=Standing.choices, allow_null=True, help_text="Null without a scorecard.")
    decision = ReviewDecision(allow_null=True)
    gap = serializers.CharField(help_text="What is missing or too much; empty where nothing is.")


class CoverageOutput(serializers.Serializer):
    """Exactly one outcome for each partner that had to be reviewed, or what is missing."""

    month = serializers.CharField()
    revision = serializers.IntegerField()
    state = serializers.ChoiceField(choices=CycleState.choices)
    complete = serializers.BooleanField(help_text="Whether there is no gap.")
    required = serializers.IntegerField(help_text="Partners that had to be reviewed.")  # type: ignore[assignment]
    gaps = serializers.ListField(child=serializers.CharField(), help_text="Each in a sentence.")
    partners = CoveredPartner(many=True)
    allowed_actions = serializers.SerializerMethodField(help_text="What this token may do with the month's review now.")

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        """From the table of a cycle's states."""
        return list_allowed_actions(self.context["request"], TRANSITIONS, found["state"])


class CoverageView(ApiView):
    """
    The coverage certificate of one month: who had to be reviewed and why, from the catalog's history and the ledger, never
    from scorecards; and exactly one outcome for each, or the gap.
    """

    operations: ClassVar = {"GET": "review.read"}
    problems = (404, 422)
    Query = CoverageQuery
    Output = CoverageOutput

    def get(self, request: Request) -> Response:
        """By partner."""
        query = self.read_query(request)
        found = (
            get_cycle(self.program_id, parse_month(query["month"])) if "month" in query else find_latest_cycle(self.program_id)
        )
        if found is None or found.consolidated_at is None:
            raise NotFound("consolidated review of", query.get("month", "any month"))
        return Response(CoverageOutput(self.describe(found), context={"request": request}).data)

    def describe(self, cycle: ReviewCycle) -> dict[str, Any]:
        """A certificate in the shape of CoverageOutput."""
        certificate = certify(cycle, get_program_by_id(self.program_id))
        cards = Scorecard.objects.filter(cycle=cycle).select_related("decision", "partner").order_by("partner__external_id")
        found = {card.partner.external_id: card for card in cards}
        problems = {gap.partner: gap.problem for gap in certificate.gaps}
        return {
            "month": month_text(cycle.month_start_date),
            "revision": cycle.revision,
            "state": cycle.state,
            "complete": not certificate.gaps,
            "required": len(certificate.required),
            "gaps": [str(gap) for gap in certificate.gaps],
            "partners": [
                {
                    "partner": partner,
                    "reasons": sorted(certificate.required.get(partner, ()), reverse=True),
                    "standing": found[partner].standing if partner in found else None,
                    "decision": describe_decision(found.get(partner)),
                    "gap": problems.get(partner, ""),
                }
                for partner in sorted({*certificate.required, *found})
            ],
        }


def describe_decision(card: Scorecard | None) -> dict[str, Any] | None:
    """What was decided about a partner, or None."""
    decision = getattr(card, "decision", None)
    return None if decision is None else {"kind": decision.kind, "by_rule": decision.is_by_rule}
