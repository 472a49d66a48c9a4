"""The API of the ladder: its rule, where a partner stands and why, and keeping one from being moved up."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from partners.choices import PartnerState
from partners.models import Partner
from partners.selectors import get_partner
from plum_site.lib import clock
from plum_site.lib.api_writes import Body, WritingView
from plum_site.lib.errors import DomainError
from plum_site.lib.periods import local_date, month_text
from plum_site.lib.problems import Problem
from reviews.choices import ActionKind, LadderName, LadderOutcome, Standing, Verdict
from reviews.models import LadderHold, LadderMove
from reviews.rules.ladder import LONGEST, MOST_TRIED, Judgement, LadderRule, MonthSeen, say_judgement, say_ladder
from reviews.selectors.ladder import LadderInForce, find_hold, list_moves_of, read_ladder, read_rungs
from reviews.services import end_hold, hold_on_ladder, save_ladder
from reviews.services.ladder import LONGEST_REASON

RULE: dict[str, Any] = LadderRule().as_json()
MADE = {"number": 1, "made_by": "token:4", "made_at": "2026-11-06T09:30:00Z"}
HOLD = {"until": "2026-12-31", "reason": "A new account manager starts in November."}


class StepBody(Body):
    """What one step up asks for, all of it."""

    months = serializers.IntegerField(
        min_value=1, max_value=LONGEST, help_text="Closed reviews in a row that stand against the partner."
    )
    flag_months = serializers.IntegerField(
        min_value=0, max_value=LONGEST, required=False, default=0, help_text="For how many months a flag must have stood."
    )
    tried = serializers.IntegerField(
        min_value=0, max_value=MOST_TRIED, required=False, default=0, help_text="Corrective actions that did not work in them."
    )


class LadderInput(Body):
    """When partners move on the ladder, whole."""

    is_on = serializers.BooleanField(required=False, default=True, help_text="False: nobody moves by rule.")
    notice = StepBody(help_text="From active to on notice.")
    plan = StepBody(help_text="From on notice to its improvement plan.")
    replacement = StepBody(help_text="From an improvement plan to replacing being due.")
    counts_watch = serializers.BooleanField(
        required=False, default=False, help_text="Whether a standing of watch counts against a partner too."
    )
    recovery_months = serializers.IntegerField(
        min_value=1, max_value=LONGEST, required=False, default=2, help_text="Good reviews in a row that bring it back."
    )
    writes = serializers.BooleanField(
        required=False, default=True, help_text="Whether a letter to the partner is proposed with a step up."
    )


class LadderOutput(LadderInput):
    """The rule in force."""

    said = serializers.ListField(child=serializers.CharField(), help_text="The rule in words, a sentence a step.")
    number = serializers.IntegerField(help_text="Of the version; 0: the one that every program begins with.")
    made_by = serializers.CharField(help_text="Empty for number 0.")
    made_at = serializers.DateTimeField(allow_null=True)


class TriedOutput(serializers.Serializer):
    """A corrective action that was measured and did not work."""

    action = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ActionKind.choices)
    verdict = serializers.ChoiceField(choices=Verdict.choices)


class MonthOutput(serializers.Serializer):
    """What one closed review says about a partner."""

    month = serializers.CharField()
    standing = serializers.ChoiceField(choices=Standing.choices, allow_blank=True, help_text="Empty: it was not reviewed.")


class EvidenceOutput(serializers.Serializer):
    """What a step rests on."""

    months = MonthOutput(many=True)
    flag = serializers.CharField(allow_blank=True, help_text="The flag that has stood longest.")
    flag_months = serializers.IntegerField()
    tried = TriedOutput(many=True)


class MoveOutput(serializers.Serializer):
    """What the rule asked for when a review was closed, and what became of it."""

    month = serializers.CharField()
    step = serializers.ChoiceField(choices=LadderName.choices)
    outcome = serializers.ChoiceField(choices=LadderOutcome.choices)
    from_state = serializers.ChoiceField(choices=PartnerState.choices)
    to_state = serializers.ChoiceField(choices=PartnerState.choices)
    version = serializers.IntegerField(help_text="Of the rule; 0: the one that every program begins with.")
    evidence = EvidenceOutput()
    said = serializers.CharField(help_text="The evidence in words.")
    action = serializers.IntegerField(allow_null=True, help_text="What was proposed with it.")
    at = serializers.DateTimeField()


class NextOutput(serializers.Serializer):
    """The step that the closed reviews ask for now; it is taken, or not, when the next one is closed."""

    step = serializers.ChoiceField(choices=LadderName.choices)
    said = serializers.CharField()


class HoldOutput(serializers.Serializer):
    """What keeps a partner from being moved up."""

    until = serializers.DateField(help_text="The last program day on which it holds.")
    reason = serializers.CharField()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()


class PartnerLadderOutput(serializers.Serializer):
    """Where one partner stands on the ladder, and why."""

    partner = serializers.CharField()
    state = serializers.ChoiceField(choices=PartnerState.choices, help_text="Its rung, where it is on the ladder.")
    since = serializers.DateTimeField(allow_null=True, help_text="From when its reviews count; null: from the beginning.")
    months = MonthOutput(many=True, help_text="The closed reviews that count, oldest first.")
    next = NextOutput(allow_null=True)
    hold = HoldOutput(allow_null=True)
    moves = MoveOutput(many=True, help_text="Newest first.")


class HoldInput(Body):
    """Until when a partner is not to be moved up, and why."""

    until = serializers.DateField(help_text="A program day, at most a year ahead; included.")
    reason = serializers.CharField(max_length=LONGEST_REASON)


class LadderView(WritingView):
    """
    When partners move on the ladder: on notice, improvement plan, replacing due, and back. PUT makes the next version, whole; the
    same again changes nothing. It counts for reviews that are closed from then on.
    """

    operations: ClassVar = {"GET": "review.read", "PUT": "rule.edit"}
    bodies: ClassVar = {"PUT": LadderInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now."}}
    examples: ClassVar = {"PUT": (RULE, {**RULE, "said": say_ladder(LadderRule()), **MADE})}
    Output: ClassVar[Any] = LadderOutput

    def describe(self, row: LadderInForce) -> dict[str, Any]:
        """As read."""
        made = {"made_by": row.row.made_by if row.row else "", "made_at": row.row.made_at if row.row else None}
        said = {"said": say_ladder(row.rule), "number": row.number, **made}
        return dict(LadderOutput(row.rule.as_json() | said).data)

    def find_current(self) -> LadderInForce:
        """The one in force."""
        return read_ladder(self.program_id)

    def get(self, request: Request) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.find_current())

    def put(self, request: Request) -> Response:
        """The next version."""

        def act(given: dict[str, Any]) -> Response:
            save_ladder(program_id=self.program_id, rule=LadderRule.from_json(given), actor=self.actor, at=clock.now())
            return self.answer(self.find_current())

        return self.write(request, act)

    def relocate(self, error: DomainError) -> Problem:
        """What is wrong with "plan.months" lies at `plan/months`."""
        error.fields = {name.replace(".", "/"): text for name, text in error.fields.items()}
        return super().relocate(error)


class PartnerLadderView(WritingView):
    """Where one partner stands on the ladder: its rung, the reviews that count, what moved it, and what keeps it."""

    operations: ClassVar = {"GET": "review.read"}
    Output: ClassVar[Any] = PartnerLadderOutput

    def describe(self, row: Partner) -> dict[str, Any]:
        """As read."""
        return describe_partner(row)

    def get(self, request: Request, external_id: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(get_partner(self.program_id, external_id))


class PartnerHoldView(WritingView):
    """
    Keep one partner from being moved up until a day is over, or let it be moved again. It may still come back down. PUT replaces
    a hold that stands.
    """

    operations: ClassVar = {"PUT": "ladder.hold", "DELETE": "ladder.hold"}
    bodies: ClassVar = {"PUT": HoldInput}
    outcomes: ClassVar = {"PUT": {200: "It is held."}, "DELETE": {200: "It is held no more."}}
    examples: ClassVar = {
        "PUT": (
            HOLD,
            {
                "partner": "P-17",
                "state": "on_notice",
                "since": "2026-11-06T09:30:00Z",
                "months": [],
                "next": None,
                "hold": {**HOLD, "made_by": "token:4", "made_at": "2026-11-09T09:30:00Z"},
                "moves": [],
            },
        )
    }
    Output: ClassVar[Any] = PartnerLadderOutput

    def describe(self, row: Partner) -> dict[str, Any]:
        """As it is read where the partner stands."""
        return describe_partner(row)

    def find_current(self) -> Partner:
        """The one in the address."""
        return get_partner(self.program_id, self.kwargs["external_id"])

    def put(self, request: Request, external_id: str) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            partner = self.find_current()
            hold_on_ladder(
                partner_id=partner.pk, until_date=given["until"], reason=given["reason"], actor=self.actor, at=clock.now()
            )
            return self.answer(partner)

        return self.write(request, act)

    def delete(self, request: Request, external_id: str) -> Response:
        """One service call; 404 where nobody holds it."""

        def act(given: Mapping[str, Any]) -> Response:
            partner = self.find_current()
            end_hold(partner_id=partner.pk, actor=self.actor, at=clock.now())
            return self.answer(partner)

        return self.write(request, act)


def describe_partner(partner: Partner) -> dict[str, Any]:
    """One partner's place on the ladder, as JSON."""
    rungs = read_rungs(partner.program_id, read_ladder(partner.program_id).rule, [partner.pk])
    rung = rungs[0] if rungs else None
    hold = find_hold(partner.pk, local_date(clock.now(), partner.program.time_zone))
    said = {
        "partner": partner.external_id,
        "state": partner.state,
        "since": rung.since if rung else None,
        "months": [describe_month(month) for month in rung.months] if rung else [],
        "next": describe_next(rung.next) if rung and rung.next else None,
        "hold": describe_hold(hold) if hold else None,
        "moves": [describe_move(move) for move in list_moves_of(partner.pk)],
    }
    return dict(PartnerLadderOutput(said).data)


def describe_month(month: MonthSeen) -> dict[str, Any]:
    """One closed review."""
    return {"month": month.month, "standing": month.standing}


def describe_next(step: Judgement) -> dict[str, Any]:
    """What the rule asks for."""
    return {"step": step.name, "said": say_judgement(step.as_json())}


def describe_hold(hold: LadderHold) -> dict[str, Any]:
    """What keeps it."""
    return {"until": hold.until_date, "reason": hold.reason, "made_by": hold.made_by, "made_at": hold.made_at}


def describe_move(move: LadderMove) -> dict[str, Any]:
    """What was asked for, and what became of it."""
    return {
        "month": month_text(move.cycle.month_start_date),
        "step": move.name,
        "outcome": move.outcome,
        "from_state": move.from_state,
        "to_state": move.to_state,
        "version": move.version,
        "evidence": move.evidence,
        "said": say_judgement(move.evidence),
        "action": move.action_id,
        "at": move.at,
    }
