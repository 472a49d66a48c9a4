"""The rules API: what is flagged, version by version; a change is tried on the closed months and may be rehearsed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_program_by_id
from plum_site.lib import clock
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import TransitionInput, WritingView, refuse_query
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from plum_site.lib.workflow import find_transition
from reviews.api.rule_serializers import NewRuleInput, RuleInput, RuleOutput, RulePreviewOutput, RuleRow
from reviews.models import Rule
from reviews.rules import RuleSpec
from reviews.selectors import (
    MOST_KEPT,
    backtest_rule,
    find_rule,
    get_rule,
    get_rule_preview,
    list_rules,
    spec_of,
    takes_long,
)
from reviews.services import activate_rule, check_named_rule, deactivate_rule, plan_rule_preview, save_rule
from reviews.workflow import RULE_TRANSITIONS

BESIDE = {"code", "name", "owner", "dry_run", "cycles", "preview"}  # of a body: what is no part of the rule itself
EXAMPLE = {
    "code": "redemption_rate_low",
    "name": "Redemption rate low",
    "metric": "redemption_rate",
    "direction": "below",
    "reference": "fixed",
    "threshold": 0.4,
    "minimum_denominator": 100,
    "dry_run": True,
}
SENTENCE = "Flag a partner when its redemption rate in the month is below 40 %, with at least 100 activations."
VERSION = {
    "number": 1,
    "sentence": SENTENCE,
    "target": "partner",
    "metric": "redemption_rate",
    "metric_definition": {"label": "Redemption rate", "formula": "redemptions ÷ activations"},
    "direction": "below",
    "reference": "fixed",
    "threshold": 0.4,
    "minimum_denominator": 100,
    "lookback_months": 6,
    "window_days": None,
    "persistence": 1,
    "persistence_unit": "cycles",
    "cooldown": 0,
    "cooldown_unit": "cycles",
    "is_strict": False,
    "severity": "warning",
    "owner": None,
    "made_by": "token:7",
    "made_at": "2026-07-15T09:30:00Z",
}
ANSWER = {
    "code": "redemption_rate_low",
    "name": "Redemption rate low",
    "is_active": True,
    **VERSION,
    "allowed_actions": [{"name": "deactivate", "label": "Take out of force", "needs_comment": False}],
    "versions": [VERSION],
    "backtest": {"sentence": SENTENCE, "present": None, "months": [], "totals": {"months": 0, "flags": 0}},
}


class RuleWriting(WritingView):
    """What every address that writes a rule shares."""

    Output: ClassVar[Any] = RuleOutput

    def describe(self, row: Rule) -> dict[str, Any]:
        """As read."""
        return dict(RuleOutput(row, context={"request": self.request}).data)

    def find_current(self) -> Rule | None:
        """The one in the address."""
        return find_rule(self.program_id, self.kwargs.get("code", ""))

    def store(self, request: Request, code: str, is_new: bool) -> Response:
        """Try it on the closed months, before anything is locked; then one service call, taken back where it is a rehearsal."""
        refuse_query(request)
        given = self.read_body(request)
        spec = RuleSpec(code=code or given["code"], **{name: given[name] for name in given if name not in BESIDE})
        try:
            owner = self.find_owner(given["owner"])
            check_named_rule(program_id=self.program_id, name=given["name"], spec=spec, owner=owner)
            if given["dry_run"] and takes_long(self.program_id, given["cycles"]):
                return self.try_later(request, spec, owner, is_new)
            tested = self.try_on(spec, owner, given)
        except DomainError as error:
            raise (self.relocate(error) if error.fields else error) from error

        def act(_: dict[str, Any]) -> Response:
            if is_new and find_rule(self.program_id, spec.code) is not None:
                sentence = f"There is a rule {spec.code!r} already. Nothing was changed. Change it with PUT."
                raise DomainError("already_exists", sentence, {"code": sentence})
            with transaction.atomic():
                before = find_rule(self.program_id, spec.code)
                save_rule(
                    program_id=self.program_id,
                    name=given["name"],
                    spec=spec,
                    actor=self.actor,
                    at=clock.now(),
                    owner=owner,
                    backtest=tested,
                )
                rule = get_rule(self.program_id, spec.code)
                is_made = before is None and not given["dry_run"]
                headers = {"Location": reverse("api:rule", args=[spec.code])} if is_made else {}
                response = self.answer(rule, 201 if is_made else 200, headers)
                if given["dry_run"]:
                    response.data["backtest"] = tested
                    transaction.set_rollback(True)
            return response

        return self.write(request, act)

    def try_on(self, spec: RuleSpec, owner: User | None, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The back-test of a change; None where nothing changes and nobody asked."""
        rule = find_rule(self.program_id, spec.code)
        newest = rule.newest if rule is not None else None
        if rule is not None and newest is not None and not given["dry_run"]:
            present = (spec_of(newest).digest, newest.owner, rule.name, rule.is_active)
            if present == (spec.digest, owner, given["name"], True):
                return None
        if given["preview"] is not None:
            return self.find_previewed(spec, owner, given)
        if takes_long(self.program_id, given["cycles"]):
            sentence = (
                "Trying it takes longer than a request may. Nothing was changed. Send it with dry_run, then with its preview."
            )
            raise InvalidInput("preview_needed", sentence, {"preview": sentence})
        return backtest_rule(get_program_by_id(self.program_id), spec, given["cycles"]).as_json(MOST_KEPT)

    def try_later(self, request: Request, spec: RuleSpec, owner: User | None, is_new: bool) -> Response:
        """Have it tried in the background; answered at once."""

        def act(given: dict[str, Any]) -> Response:
            job = plan_rule_preview(
                program_id=self.program_id,
                name=given["name"],
                spec=spec,
                owner=owner,
                actor=self.actor,
                at=clock.now(),
                is_new=is_new,
                months=given["cycles"],
            )
            said = RulePreviewOutput(get_rule_preview(self.program_id, job.pk)).data
            return Response(said, 202, headers={"Location": reverse("api:rule_preview", args=[job.pk])})

        return self.write(request, act)

    def find_previewed(self, spec: RuleSpec, owner: User | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """The back-test that was made of this very rule."""
        preview = get_rule_preview(self.program_id, given["preview"])
        rule = find_rule(self.program_id, spec.code)
        newest = rule.newest if rule is not None else None
        asked = (spec.digest, owner.pk if owner else None, given["name"], newest.number if newest else 0)
        if (preview.rule.digest, preview.owner_id, preview.name, preview.number) != asked:
            sentence = f"The preview {given['preview']} is of another rule, or of an older one. Nothing was changed. Try it anew."
            raise InvalidInput("other_preview", sentence, {"preview": sentence})
        if preview.result is None:
            sentence = f"The preview {given['preview']} is not done. Nothing was changed. Ask for it until its state is done."
            raise InvalidInput("preview_not_done", sentence, {"preview": sentence})
        return preview.result

    def find_owner(self, username: str | None) -> User | None:
        """The person that a body names."""
        if username is None:
            return None
        person = User.objects.filter(username=username).first()
        if person is None:
            sentence = f"There is nobody called {username!r}. Name somebody with a role in this program, or null."
            raise InvalidInput("invalid_rule", sentence, {"owner": sentence})
        return person


class RulesView(RuleWriting, ListView):
    """
    The rules of the token's program, by code, in force or not, as their newest version says. A new one is tried on the last
    closed months, and the answer says what it would have flagged; with `dry_run` nothing is saved.
    """

    operations: ClassVar = {"GET": "review.read", "POST": "rule.edit"}
    bodies: ClassVar = {"POST": NewRuleInput}
    outcomes: ClassVar = {
        "POST": {
            201: "It is in force.",
            200: "A rehearsal: nothing was saved.",
            202: "A rehearsal that takes long: see its address.",
        }
    }
    examples: ClassVar = {"POST": (EXAMPLE, ANSWER)}
    Output: ClassVar = {"GET": RuleRow, "POST": RuleOutput}
    order = ("code",)

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Rule]:
        """Every rule."""
        return list_rules(self.program_id)

    def post(self, request: Request) -> Response:
        """A new one; 409 if there is one with this code."""
        return self.store(request, "", is_new=True)


class RuleView(RuleWriting):
    """
    One rule with all its versions, and what was shown before the newest was saved. PUT makes the next version, or the rule where
    there is none; the same again changes nothing.
    """

    operations: ClassVar = {"GET": "review.read", "PUT": "rule.edit"}
    bodies: ClassVar = {"PUT": RuleInput}
    outcomes: ClassVar = {
        "PUT": {
            200: "It is as sent now, or would be (`dry_run`).",
            201: "There was none: it was made.",
            202: "A rehearsal that takes long: see its address.",
        }
    }
    examples: ClassVar = {"PUT": ({name: EXAMPLE[name] for name in EXAMPLE if name != "code"}, ANSWER)}

    def get(self, request: Request, code: str) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(get_rule(self.program_id, code))

    def put(self, request: Request, code: str) -> Response:
        """Create or change."""
        return self.store(request, code, is_new=False)


class RulePreviewView(ApiView):
    """A back-test that is made in the background, because it takes longer than a request may: how far it is, and what it says."""

    operations: ClassVar = {"GET": "review.read"}
    Output = RulePreviewOutput

    def get(self, request: Request, job_id: int) -> Response:
        """By its id."""
        self.read_query(request)
        return Response(RulePreviewOutput(get_rule_preview(self.program_id, job_id)).data)


class RuleTransitionsView(RuleWriting):
    """Take a rule out of force, or put it in force again: one of its `allowed_actions`."""

    operations: ClassVar = {"POST": "rule.edit"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "It was done."}}
    examples: ClassVar = {"POST": ({"name": "deactivate"}, {**ANSWER, "is_active": False})}

    def post(self, request: Request, code: str) -> Response:
        """One step."""

        def act(given: dict[str, Any]) -> Response:
            rule = get_rule(self.program_id, code)
            step = find_transition(RULE_TRANSITIONS, given["name"], rule.state)
            service = activate_rule if step.name == "activate" else deactivate_rule
            service(program_id=self.program_id, code=code, actor=self.actor, at=clock.now())
            return self.answer(get_rule(self.program_id, code))

        return self.write(request, act)
