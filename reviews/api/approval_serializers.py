"""What the API says of approvals, and of requests to lower them."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions
from plum_site.lib.models import ApiToken
from reviews.choices import Approval, ApprovalRequestState
from reviews.models import ApprovalRequest
from reviews.rules.actions import LARGEST_LIMIT, is_theirs
from reviews.workflow import APPROVAL_REQUEST_TRANSITIONS

KINDS = "Every kind of action, to `one` or `two`."
LIMIT = "A push to more recipients needs two people whatever its kind says."
SOLO = "Where two are needed, the proposer may do, and it waits for 24 hours."


class ApprovalsInput(Body):
    """How many people each kind of action needs."""

    approvals = serializers.DictField(child=serializers.ChoiceField(choices=Approval.choices), help_text=KINDS)
    push_limit = serializers.IntegerField(min_value=0, max_value=LARGEST_LIMIT, help_text=LIMIT)
    solo_mode = serializers.BooleanField(help_text=SOLO)


class ApprovalRequestOutput(serializers.Serializer):
    """Approvals that ask for less than those in force: they wait for another person, or for their time."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ApprovalRequestState.choices)
    replaces = serializers.IntegerField(help_text="The number of the version that was in force when it was asked.")
    approvals = serializers.DictField(child=serializers.ChoiceField(choices=Approval.choices), help_text=KINDS)
    push_limit = serializers.IntegerField(help_text=LIMIT)
    solo_mode = serializers.BooleanField(help_text=SOLO)
    asked_by = serializers.CharField(source="asker.username", help_text="Who stands behind it: for a token whoever made it.")
    asked_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(help_text="When it takes force by itself, if nobody has answered.")
    answered_by = serializers.SerializerMethodField(help_text="Null: nobody has, or Plum did.")
    answered_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(help_text="Why it was answered so.")
    allowed_actions = serializers.SerializerMethodField(help_text="The steps that this token may take with it now.")

    def get_answered_by(self, row: ApprovalRequest) -> str | None:
        """The user name."""
        return row.answerer.username if row.answerer else None

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, row: ApprovalRequest) -> list[dict[str, Any]]:
        """Of the transition table, those that are for the person behind this token."""
        request = self.context["request"]
        person = cast(ApiToken, request.auth).created_by_id
        offered = list_allowed_actions(request, APPROVAL_REQUEST_TRANSITIONS, row.state)
        return [step for step in offered if is_theirs(step["name"], row.asker_id, person)]


class ApprovalsOutput(serializers.Serializer):
    """The approvals in force."""

    number = serializers.IntegerField(help_text="Of the version; 0: those that every program begins with.")
    approvals = serializers.DictField(child=serializers.ChoiceField(choices=Approval.choices))
    push_limit = serializers.IntegerField()
    solo_mode = serializers.BooleanField()
    made_by = serializers.CharField(help_text="Empty for number 0.")
    made_at = serializers.DateTimeField(allow_null=True)
    request = ApprovalRequestOutput(allow_null=True, help_text="What somebody asked to lower and is not in force yet; or null.")
