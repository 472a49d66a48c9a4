"""
The API of corrective actions: proposed, edited, approved, called off and reverted by whoever made the token, within what
its scopes and that person's role allow at the moment.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from partners.selectors import get_partner
from plum_site.lib import clock
from plum_site.lib.access import actor_of, check
from plum_site.lib.api import ListView
from plum_site.lib.api_writes import TransitionInput, WritingView, make_etag
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from plum_site.lib.problems import Problem
from plum_site.lib.workflow import find_transition
from reviews.api import action_examples as examples
from reviews.api.action_serializers import (
    ActionEdit,
    ActionInput,
    ActionOutput,
    ActionRow,
    BulkApproval,
    BulkOutput,
    NoteInput,
)
from reviews.filters import ActionFilter
from reviews.models import CorrectiveAction
from reviews.selectors import find_valid_cycle, get_flag_case
from reviews.selectors.actions import get_action, list_actions
from reviews.services.actions import (
    ChangedSince,
    add_note,
    approve_action,
    approve_in_bulk,
    cancel_action,
    edit_action,
    propose_action,
    reject_action,
    retry_action,
    revert_action,
    take_up_action,
)
from reviews.workflow import ACTION_TRANSITIONS

LARGEST_ID = 2**63 - 1
STEPS: dict[str, Callable[..., CorrectiveAction]] = {
    "take_up": take_up_action,
    "reject": reject_action,
    "cancel": cancel_action,
    "retry": retry_action,
    "revert": revert_action,
}
UNSEEN = (
    "Whoever approves says what they saw: send the ETag of the action as If-Match. Nothing was changed. Read the action, look at "
    "its preview, and send the step with its ETag."
)


class ActionWriting(WritingView):
    """What every address that answers with one action shares."""

    Output: ClassVar[Any] = ActionOutput

    def describe(self, row: CorrectiveAction) -> dict[str, Any]:
        """As read."""
        return dict(ActionOutput(row, context={"request": self.request}).data)

    def etag_of(self, body: Mapping[str, Any], row: CorrectiveAction) -> str:
        """Of what was decided: neither notes nor what the catalog makes of the preview today change it."""
        return make_etag({name: body[name] for name in body if name not in ("preview", "notes")}, row)

    def relocate(self, error: DomainError) -> Problem:
        """What is wrong with a parameter lies in `params`."""
        if error.code == "invalid_params":
            error.fields = {f"params/{name}": text for name, text in error.fields.items()}
        return super().relocate(error)


class OneActionWriting(ActionWriting):
    """What every address of one action shares."""

    seen: CorrectiveAction | None = None  # what the preconditions were checked against

    def find_current(self) -> CorrectiveAction:
        """The one in the address."""
        self.seen = get_action(self.program_id, min(self.kwargs["action_id"], LARGEST_ID))
        return self.seen

    def find_seen(self, request: Request) -> tuple[CorrectiveAction, int | None]:
        """The action, and the revision that the caller saw, where If-Match says which (`*` says nothing)."""
        action = self.seen or self.find_current()
        return action, action.revision if request.headers.get("If-Match", "*").strip() != "*" else None


class ActionsView(ActionWriting, ListView):
    """
    The corrective actions of the token's program, newest first. Whoever made the token stands behind what it proposes; nothing
    is done before it is approved.
    """

    operations: ClassVar = {"GET": "review.read", "POST": "action.propose"}
    bodies: ClassVar = {"POST": ActionInput}
    outcomes: ClassVar = {"POST": {201: "It is proposed, and waits for an approval."}}
    examples: ClassVar = {"POST": (examples.PROPOSAL, examples.PROPOSED)}
    Output: ClassVar = {"GET": ActionRow, "POST": ActionOutput}
    order = ("-id",)
    filterset_class = ActionFilter

    def find_rows(self, query: Mapping[str, Any]) -> QuerySet[CorrectiveAction]:
        """Every action of the program."""
        return list_actions(self.program_id)

    def post(self, request: Request) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            partner = get_partner(self.program_id, given.pop("partner"))
            flag = given.pop("flag", None)
            case = get_flag_case(self.program_id, min(flag, LARGEST_ID)) if flag else None
            cycle = find_valid_cycle(self.program_id, case.newest_month_date) if case else None
            owner = find_owner(given.pop("owner", ""))
            action = propose_action(
                partner_id=partner.pk, case=case, cycle=cycle, owner=owner, actor=self.actor, at=clock.now(), **given
            )
            headers = {"Location": reverse("api:action", args=[action.pk])}
            return self.answer(get_action(self.program_id, action.pk), 201, headers)

        return self.write(request, act)


class ActionView(OneActionWriting):
    """
    One corrective action with what it would do now, or what it did, and its history. PATCH changes one that waits: whoever made
    the token stands behind it from then on, an approval is void, and it is proposed again. Null takes an owner, a due date or a
    scheduled time away. The same again changes nothing.
    """

    operations: ClassVar = {"GET": "review.read", "PATCH": "action.propose"}
    bodies: ClassVar = {"PATCH": ActionEdit}
    outcomes: ClassVar = {"PATCH": {200: "It is as sent now, and waits for an approval."}}
    examples: ClassVar = {"PATCH": ({"params": {"offers": ["O-101"], "how": "top"}}, examples.EDITED)}

    def get(self, request: Request, action_id: int) -> Response:
        """With its ETag."""
        self.read_query(request)
        return self.answer(self.find_current())

    def patch(self, request: Request, action_id: int) -> Response:
        """One service call, where anything differs."""

        def act(given: dict[str, Any]) -> Response:
            action, replaces = self.find_seen(request)
            if "owner" in given:
                given["owner"] = find_owner(given["owner"] or "")
            present = {**vars(action), "segment": action.segment.code if action.segment else "", "owner": action.owner}
            if any(given[name] != present[name] for name in given):
                emptied = [name for name in given if given[name] is None]
                edit_action(action_id=action.pk, actor=self.actor, at=clock.now(), emptied=emptied, replaces=replaces, **given)
            return self.answer(self.find_current())

        return self.write(request, act)


class ActionTransitionsView(OneActionWriting):
    """
    Take one step with an action: one of its `allowed_actions`. Taking up and cancelling need the scope `actions:propose`, the
    others `actions:approve`. To approve, send the ETag of the action that you looked at as `If-Match` (428 without it); where two
    people are needed, neither its proposer nor anybody who edited it may, by whatever token. A revert that would overwrite what
    somebody changed since is 409 `changed_since`, with `versions`: before the action, after it, and now.
    """

    operations: ClassVar = {"POST": "action.step"}
    bodies: ClassVar = {"POST": TransitionInput}
    outcomes: ClassVar = {"POST": {200: "The step was taken."}}
    problems: ClassVar = (428,)
    examples: ClassVar = {"POST": ({"name": "approve", "comment": "Go on."}, examples.APPROVED)}

    def post(self, request: Request, action_id: int) -> Response:
        """One service call, after the step's own operation was checked."""

        def act(given: dict[str, Any]) -> Response:
            action, replaces = self.find_seen(request)
            name = given["name"]
            if name in ACTION_TRANSITIONS:
                check(actor_of(request), ACTION_TRANSITIONS[name].operation, self.program_id)
            if name == "approve":
                if replaces is None:
                    raise Problem(428, "precondition_required", UNSEEN, headers={"ETag": self.find_etag(action)})
                approve_action(action_id=action.pk, actor=self.actor, at=clock.now(), comment=given["comment"], replaces=replaces)
            elif name in STEPS:
                take(action.pk, name, given["comment"], self.actor, clock.now())
            else:
                if name == "edit":
                    raise Problem(409, "transition_refused", "An action is edited with PATCH. Nothing was changed.")
                find_transition(ACTION_TRANSITIONS, name, action.state)
            return self.answer(self.find_current())

        return self.write(request, act)

    def find_etag(self, action: CorrectiveAction) -> str:
        """The present one."""
        return self.etag_of(self.describe(action), action)


class ApproveActionsView(WritingView):
    """
    Approve several actions, each checked anew and for itself: those that are refused stay as they are, with the reason, and do
    not keep the others back.
    """

    operations: ClassVar = {"POST": "action.approve"}
    bodies: ClassVar = {"POST": BulkApproval}
    outcomes: ClassVar = {"POST": {200: "What became of each."}}
    examples: ClassVar = {"POST": (examples.SEEN, examples.RESULTS)}
    Output: ClassVar = BulkOutput

    def post(self, request: Request) -> Response:
        """One service call for those of this program."""

        def act(given: dict[str, Any]) -> Response:
            wanted = {row["id"]: row["revision"] for row in given["actions"]}
            named = list_actions(self.program_id).filter(pk__in=[pk for pk in wanted if pk <= LARGEST_ID])
            known = set(named.values_list("pk", flat=True))
            done = approve_in_bulk(
                actions={pk: wanted[pk] for pk in wanted if pk in known},
                actor=self.actor,
                at=clock.now(),
                comment=given["comment"],
            )
            told = {row.action_id: {"code": row.code, "detail": row.refused} for row in done}
            results = [
                {"id": pk, "is_approved": pk in told and not told[pk]["code"], **told.get(pk, say_unknown(pk))} for pk in wanted
            ]
            return Response({"results": results})

        return self.write(request, act)


class ActionNotesView(OneActionWriting):
    """Keep a comment on an action, with a link to evidence where there is one. Notes are never changed nor removed."""

    operations: ClassVar = {"POST": "action.step"}
    bodies: ClassVar = {"POST": NoteInput}
    outcomes: ClassVar = {"POST": {201: "It is kept."}}
    examples: ClassVar = {"POST": (examples.NOTE, examples.NOTED)}

    def post(self, request: Request, action_id: int) -> Response:
        """One service call."""

        def act(given: dict[str, Any]) -> Response:
            action, _ = self.find_seen(request)
            add_note(action_id=action.pk, actor=self.actor, at=clock.now(), **given)
            return self.answer(self.find_current(), 201)

        return self.write(request, act)


def take(action_id: int, name: str, comment: str, actor: str, at: datetime) -> None:
    """One step; a revert that is refused shows the three versions."""
    try:
        STEPS[name](action_id=action_id, actor=actor, at=at, comment=comment)
    except ChangedSince as error:
        raise Problem(409, error.code, error.detail, versions=error.versions) from error


def find_owner(username: str) -> User | None:
    """The person that a body names."""
    person = User.objects.filter(username=username).first() if username else None
    if username and person is None:
        sentence = f"There is nobody called {username!r}. Name somebody with a role in this program. Nothing was changed."
        raise InvalidInput("unknown_owner", sentence, {"owner": sentence})
    return person


def say_unknown(action_id: int) -> dict[str, str]:
    """What is told about an action that is not there, or another program's: both look alike."""
    return {"code": "not_found", "detail": f"There is no corrective action {action_id!r} in this program."}
