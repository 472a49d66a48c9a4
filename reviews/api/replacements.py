"""
The API of replacements of partners: opened by the corrective action that asks for one, then led step by step by whoever made
the token, within what its scopes and that person's role allow at the moment.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.access import actor_of, check
from plum_site.lib.api import ApiView, ListView
from plum_site.lib.api_writes import WritingView, make_etag
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.problems import Problem
from plum_site.lib.workflow import find_transition
from reviews.api import replacement_examples as examples
from reviews.api.actions import LARGEST_ID, find_owner
from reviews.api.replacement_inputs import CandidateInput, MappingInput, ReplacementTransitionInput, TaskInput
from reviews.api.replacement_serializers import ChecksOutput, ReplacementOutput, ReplacementRow, TrialOutput
from reviews.choices import ReplacementStep
from reviews.filters import ReplacementFilter
from reviews.models import Replacement, ReplacementTask
from reviews.rules.replacements import Gap, Pair
from reviews.selectors.replacements import check_replacement, compare_arms, get_replacement, list_replacements
from reviews.services.actions import ChangedSince
from reviews.services.replacements.candidates import add_candidate, add_prospect
from reviews.services.replacements.mapping import save_mapping
from reviews.services.replacements.planning import plan_step
from reviews.services.replacements.steps import STEPS
from reviews.workflow import REPLACEMENT_TRANSITIONS

# What the day makes of it, and who was told since: whoever saw these otherwise has seen the same replacement.
PASSING = ("candidates", "gaps", "holders", "losses")
TASKS = Prefetch("tasks", ReplacementTask.objects.select_related("owner"))
MAKES_PARTNERS = "catalog.edit"
UNSEEN = (
    "Whoever approves says what they saw: send the `revision` that you looked at, or its ETag as If-Match. Nothing was changed. "
    "Read the replacement, look at its pairs and its gaps, and send the step again."
)


class ReplacementWriting(WritingView):
    """What every address of one replacement shares that answers with all of it."""

    Output: ClassVar[Any] = ReplacementOutput

    def describe(self, row: Replacement) -> dict[str, Any]:
        """As read."""
        return dict(ReplacementOutput(row, context={"request": self.request}).data)

    def etag_of(self, body: Mapping[str, Any], row: Replacement) -> str:
        """Of what was decided."""
        return make_etag({name: body[name] for name in body if name not in PASSING}, row)

    def find_current(self) -> Replacement:
        """The one in the address."""
        return find_replacement(self.program_id, self.kwargs["replacement_id"])

    def relocate(self, error: DomainError) -> Problem:
        """Faults of a mapping are named by the offers at fault: told in words, since no name of the body is theirs."""
        if error.code != "invalid_mapping":
            return super().relocate(error)
        place = "/pairs" if self.request.method == "PUT" else ""
        errors = [{"pointer": place, "detail": f"{offer}: {text}"} for offer, text in error.fields.items()]
        return Problem(error.status, error.code, error.detail, errors=errors)


class ReplacementsView(ListView):
    """
    The replacements of partners of the token's program, newest first. One is opened by a corrective action of the kind
    `replace_partner`, once it is approved; its answer names it as `replacement`.
    """

    operations: ClassVar = {"GET": "review.read"}
    Output = ReplacementRow
    order = ("-id",)
    filterset_class = ReplacementFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[Replacement]:
        """Every replacement of the program."""
        return list_replacements(self.program_id).prefetch_related(TASKS)


class ReplacementView(ReplacementWriting):
    """
    One replacement with everything that is known about it: how far it is, who does what, the candidates side by side, what each
    group of members would lose, which offer follows which, who stands behind it, and its history.
    """

    operations: ClassVar = {"GET": "review.read"}

    def get(self, request: Request, replacement_id: int) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.find_current())


class ReplacementTransitionsView(ReplacementWriting):
    """
    Take one step with a replacement: one of its `allowed_actions`. Those up to the mapping, verifying, going back and calling
    off need the scope `actions:propose`, the others `actions:approve`. To approve, say what you looked at: its `revision`, or
    its ETag as `If-Match` (428 without); where two people are needed, whoever put the mapping forward may not, by any token.
    A rollback that would overwrite what somebody changed since is 409 `changed_since`, with `versions`: before the cutover,
    after it, and now.
    """

    operations: ClassVar = {"POST": "action.step"}
    bodies: ClassVar = {"POST": ReplacementTransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    problems: ClassVar = (428,)
    examples: ClassVar = {"POST": (examples.MAPPING_STEP, examples.MAPPED)}

    def post(self, request: Request, replacement_id: int) -> Response:
        """One service call, after the step's own operation was checked."""

        def act(given: dict[str, Any]) -> Response:
            replacement, name = self.find_current(), given.pop("name")
            if name not in REPLACEMENT_TRANSITIONS:
                find_transition(REPLACEMENT_TRANSITIONS, name, replacement.state)
            check(actor_of(request), REPLACEMENT_TRANSITIONS[name].operation, self.program_id)
            replaces = given.pop("revision", None)
            if name == "approve" and replaces is None:
                replaces = self.find_seen(request, replacement)
            if replaces is not None:
                given["replaces"] = replaces
            if name in ("map", "go_without"):
                given["gaps"] = [Gap(**gap).key for gap in given.get("gaps", ())]
            take(name, replacement_id=replacement.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(self.find_current())

        return self.write(request, act)

    def find_seen(self, request: Request, replacement: Replacement) -> int:
        """The revision that If-Match has shown to be the one that was seen; 428 where it says nothing."""
        if request.headers.get("If-Match", "*").strip() == "*":
            etag = self.etag_of(self.describe(replacement), replacement)
            raise Problem(428, "precondition_required", UNSEEN, headers={"ETag": etag})
        return replacement.revision


class ReplacementCandidatesView(ReplacementWriting):
    """
    Name a partner as a candidate that its category alone would not make one, or ask one again that refused. With `external_id`
    and `name` instead, a new partner is made as a prospect, which needs the scope `catalog:write` too; its offers are drafted as
    any partner's, and go live at the cutover.
    """

    operations: ClassVar = {"POST": "action.propose"}
    bodies: ClassVar = {"POST": CandidateInput}
    outcomes: ClassVar = {"POST": {201: "It can be compared and chosen."}}
    examples: ClassVar = {"POST": ({"external_id": "P-88", "name": "Tea House", "country": "DE"}, examples.COMPARED)}

    def post(self, request: Request, replacement_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            replacement = self.find_current()
            add: Callable[..., Any] = add_candidate
            if "partner" not in given:
                check(actor_of(request), MAKES_PARTNERS, self.program_id)
                add = add_prospect
            add(replacement_id=replacement.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(self.find_current(), 201)

        return self.write(request, act)


class ReplacementMappingView(ReplacementWriting):
    """
    Say which offer follows which, whole, while the terms are agreed; the same again changes nothing. The step `map` puts it
    forward to be approved.
    """

    operations: ClassVar = {"PUT": "action.propose"}
    bodies: ClassVar = {"PUT": MappingInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now."}}
    examples: ClassVar = {"PUT": (examples.MAPPING, examples.AGREED)}

    def put(self, request: Request, replacement_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            pairs = [Pair(**pair) for pair in given["pairs"]]
            save_mapping(
                replacement_id=self.find_current().pk,
                pairs=pairs,
                actor=self.actor,
                at=clock.now(),
                replaces=given.get("revision"),
            )
            return self.answer(self.find_current())

        return self.write(request, act)


class ReplacementTaskView(ReplacementWriting):
    """Say who does one step of a replacement, and by which day; the same again changes nothing."""

    operations: ClassVar = {"PUT": "action.propose"}
    bodies: ClassVar = {"PUT": TaskInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now."}}
    examples: ClassVar = {"PUT": ({"owner": "otis", "due_date": "2026-11-27"}, examples.AGREED)}

    def put(self, request: Request, replacement_id: int, step: str) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            replacement = self.find_current()
            if step not in ReplacementStep.values:
                raise NotFound("step of a replacement", step)
            owner = find_owner(given["owner"] or "")
            plan_step(
                replacement_id=replacement.pk,
                step=step,
                owner=owner,
                due_date=given["due_date"],
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(self.find_current())

        return self.write(request, act)


class ReplacementChecksView(ApiView):
    """
    What must hold after the cutover of a replacement, looked at now: nobody stranded, ranks continuous, the way back intact.
    Nothing is changed by looking; the step `verify` says that it holds.
    """

    operations: ClassVar = {"GET": "review.read"}
    Output = ChecksOutput

    def get(self, request: Request, replacement_id: int) -> Response:
        """One selector call."""
        self.read_query(request)
        checks = check_replacement(find_replacement(self.program_id, replacement_id), clock.now())
        said = {"holds": all(check.holds for check in checks), "checks": [check.as_json() for check in checks]}
        return Response(ChecksOutput(said).data)


class ReplacementTrialView(ApiView):
    """
    The newest trial of a replacement with a share of members: challengers, who are shown the new offers, against everybody else,
    counted now. `trial` is null where there was none. Nothing is changed by looking.
    """

    operations: ClassVar = {"GET": "review.read"}
    Output = TrialOutput

    def get(self, request: Request, replacement_id: int) -> Response:
        """One selector call."""
        self.read_query(request)
        compared = compare_arms(find_replacement(self.program_id, replacement_id), clock.now())
        return Response(TrialOutput({"trial": compared}).data)


def find_replacement(program_id: int, replacement_id: int) -> Replacement:
    """One replacement of the program; others are unknown."""
    return get_replacement(program_id, min(replacement_id, LARGEST_ID))


def take(name: str, **given: Any) -> None:
    """One step; a rollback that is refused shows the three versions."""
    try:
        STEPS[name](**given)
    except ChangedSince as error:
        raise Problem(409, error.code, error.detail, versions=error.versions) from error
