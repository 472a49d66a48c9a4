"""The API of what stands behind corrective actions: how many people each kind needs, and what the playbook proposes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from plum_site.lib import clock
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import TransitionInput, WritingView
from plum_site.lib.errors import DomainError
from plum_site.lib.problems import Problem
from reviews.api import action_examples as examples
from reviews.api.action_serializers import PlaybookInput, PlaybookOutput
from reviews.api.approval_serializers import ApprovalRequestOutput, ApprovalsInput, ApprovalsOutput
from reviews.models import ApprovalPolicy, ApprovalRequest, Playbook
from reviews.rules.actions import ApprovalSpec, PlacingSpec, read_lines, write_lines
from reviews.selectors.actions import Approvals, PlaybookInForce, read_approvals, read_playbook
from reviews.selectors.approvals import find_open_request, get_approval_request, list_approval_requests
from reviews.services.actions import answer_approval_request, save_approvals, save_playbook


class ApprovalsView(WritingView):
    """
    How many people each kind of corrective action needs. PUT makes the next version; the same again changes nothing. What was
    proposed before never needs fewer people than it did then.

    What asks for less in anything (one person where there were two, a larger push, solo mode) does not take force at once: the
    answer is 202 with the `request`, which takes force when another person confirms it, or after 24 hours. Every admin of the
    program is told at once. Asking again takes its place; saving what asks for no less ends it.
    """

    operations: ClassVar = {"GET": "review.read", "PUT": "rule.edit"}
    bodies: ClassVar = {"PUT": ApprovalsInput}
    outcomes: ClassVar = {"PUT": {200: "They are as sent now.", 202: "They ask for less: as before, and the request waits."}}
    examples: ClassVar = {"PUT": (examples.APPROVALS, {**examples.APPROVALS, **examples.MADE, "request": None})}
    Output: ClassVar[Any] = ApprovalsOutput

    def describe(self, row: Approvals) -> dict[str, Any]:
        """As read."""
        spec, waiting = row.spec, find_open_request(self.program_id)
        said = {"approvals": dict(spec.approvals), "push_limit": spec.push_limit, "solo_mode": spec.solo_mode, "request": waiting}
        return dict(ApprovalsOutput(said | say_version(row.number, row.row), context={"request": self.request}).data)

    def find_current(self) -> Approvals:
        """Those in force."""
        return read_approvals(self.program_id)

    def get(self, request: Request) -> Response:
        """With their ETag."""
        self.read_query(request)
        return self.answer(self.find_current())

    def put(self, request: Request) -> Response:
        """The next version, or a request for it."""

        def act(given: dict[str, Any]) -> Response:
            row = save_approvals(program_id=self.program_id, spec=ApprovalSpec(**given), actor=self.actor, at=clock.now())
            return self.answer(self.find_current(), 202 if isinstance(row, ApprovalRequest) else 200)

        return self.write(request, act)

    def relocate(self, error: DomainError) -> Problem:
        """What is wrong with a kind of action lies in `approvals`."""
        error.fields = {name if name == "push_limit" else f"approvals/{name}": text for name, text in error.fields.items()}
        return super().relocate(error)


class ApprovalRequestsView(ListView):
    """Requests to lower the approvals, newest first: who asked, and what came of it."""

    operations: ClassVar = {"GET": "review.read"}
    Output = ApprovalRequestOutput
    order = ("-asked_at", "-id")

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[ApprovalRequest]:
        """Those of the program."""
        return list_approval_requests(self.program_id)


class ApprovalRequestTransitionsView(WritingView):
    """
    Confirm, refuse or withdraw a request to lower the approvals: one of its `allowed_actions`. Whoever made the token stands
    behind it: the one who asked withdraws, and only somebody else confirms or refuses, by whatever token.
    """

    operations: ClassVar = {"POST": "rule.edit"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    examples: ClassVar = {"POST": ({"name": "refuse", "comment": "Two of us are here."}, examples.REFUSED_REQUEST)}
    Output: ClassVar[type[serializers.Serializer] | None] = ApprovalRequestOutput

    def describe(self, row: ApprovalRequest) -> dict[str, Any]:
        """As read."""
        return dict(ApprovalRequestOutput(row, context={"request": self.request}).data)

    def find_current(self) -> ApprovalRequest:
        """The one in the address."""
        return get_approval_request(self.program_id, self.kwargs["request_id"])

    def post(self, request: Request, request_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            row = get_approval_request(self.program_id, request_id)
            answer_approval_request(
                request_id=row.pk, name=given["name"], actor=self.actor, at=clock.now(), comment=given["comment"]
            )
            return self.answer(self.find_current())

        return self.write(request, act)


class PlaybookView(WritingView):
    """
    What is proposed for which diagnosis: the first line that fits; and what for segments once a month is over. PUT makes the next
    version, whole; the same again changes nothing.
    """

    operations: ClassVar = {"GET": "review.read", "PUT": "rule.edit"}
    bodies: ClassVar = {"PUT": PlaybookInput}
    outcomes: ClassVar = {"PUT": {200: "It is as sent now."}}
    examples: ClassVar = {"PUT": (examples.PLAYBOOK, {**examples.PLAYBOOK, **examples.MADE})}
    Output: ClassVar[Any] = PlaybookOutput

    def describe(self, row: PlaybookInForce) -> dict[str, Any]:
        """As read."""
        said = {"lines": write_lines(row.lines), "placing": row.placing.as_json()}
        return dict(PlaybookOutput(said | say_version(row.number, row.row)).data)

    def find_current(self) -> PlaybookInForce:
        """The one in force."""
        return read_playbook(self.program_id)

    def get(self, request: Request) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.find_current())

    def put(self, request: Request) -> Response:
        """The next version."""

        def act(given: Mapping[str, Any]) -> Response:
            save_playbook(
                program_id=self.program_id,
                lines=read_lines(given["lines"]),
                placing=PlacingSpec(**given["placing"]) if "placing" in given else None,
                actor=self.actor,
                at=clock.now(),
            )
            return self.answer(self.find_current())

        return self.write(request, act)

    def relocate(self, error: DomainError) -> Problem:
        """What is wrong with "line 2" lies at the second place of `lines`."""
        places = {name: int(name.removeprefix("line ")) - 1 for name in error.fields if name.startswith("line ")}
        error.fields = {f"lines/{places[name]}" if name in places else name: text for name, text in error.fields.items()}
        return super().relocate(error)


def say_version(number: int, row: ApprovalPolicy | Playbook | None) -> dict[str, Any]:
    """Which version it is, by whom and since when; nobody's and for ever where it is the one that a program begins with."""
    return {"number": number, "made_by": row.made_by if row else "", "made_at": row.made_at if row else None}
