"""What the actions API reads and answers."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from plum_site.lib import clock
from plum_site.lib.api_writes import AllowedAction, Body, list_allowed_actions
from plum_site.lib.errors import DomainError
from plum_site.lib.models import ApiToken
from plum_site.lib.periods import month_text
from reviews.choices import ActionKind, ActionState, Cause, Severity, Standing, Verdict
from reviews.models import CorrectiveAction
from reviews.rules.actions import (
    AUDIENCES,
    BOUNDS,
    LONGEST_PERSISTENCE,
    MOST_LINES,
    PlacingSpec,
    check_params,
    say_action,
)
from reviews.selectors.actions import list_action_transitions, list_notes, read_approvals
from reviews.services.actions import HANDLINGS, is_undoable
from reviews.workflow import ACTION_TRANSITIONS, WAITING_ACTIONS

MOST_AT_ONCE = 200
SHOWN = WAITING_ACTIONS | {ActionState.FAILED}  # states in which the preview still matters


class ActionRow(serializers.Serializer):
    """One corrective action: what it does for whom, and how far it is."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ActionKind.choices)
    state = serializers.ChoiceField(choices=ActionState.choices)
    revision = serializers.IntegerField(help_text="Grows with every edit.")
    sentence = serializers.SerializerMethodField(help_text="What it does, in words.")
    partner = serializers.CharField(source="partner.external_id")
    partner_name = serializers.CharField(source="partner.name")
    segment = serializers.CharField(
        source="segment.code", allow_null=True, default=None, help_text="Code of the segment that it is for; null: everyone."
    )
    month = serializers.SerializerMethodField(help_text="YYYY-MM of the review that it answers; null: none.")
    flag = serializers.IntegerField(source="case_id", allow_null=True, help_text="Id of the flag that it answers; null: none.")
    owner = serializers.CharField(source="owner.username", allow_null=True, default=None, help_text="User name.")
    due_date = serializers.DateField(allow_null=True, help_text="Program day by which it should be decided.")
    scheduled_at = serializers.DateTimeField(allow_null=True, help_text="Not before; null: as soon as it is approved.")
    proposer = serializers.CharField(
        source="proposer.username",
        allow_null=True,
        default=None,
        help_text="Who stands behind it (for a token, whoever made it); null: a rule proposed it, and nobody took it up.",
    )
    proposed_at = serializers.DateTimeField()
    needs_two = serializers.BooleanField(help_text="Whether somebody else than its proposer and its editors has to approve it.")
    is_solo = serializers.BooleanField(help_text="Whether a waiting time stood for the second person.")
    approver = serializers.CharField(source="approver.username", allow_null=True, default=None, help_text="User name.")
    approved_at = serializers.DateTimeField(allow_null=True)
    executed_at = serializers.DateTimeField(allow_null=True)
    failure = serializers.CharField(help_text="Why it could not be carried out; empty where it was, or was not tried.")
    verdict = serializers.ChoiceField(choices=Verdict.choices, allow_blank=True, help_text="Empty while it is not measured.")
    allowed_actions = serializers.SerializerMethodField(
        help_text="The steps that this token may take with it now. What waits is changed with PATCH."
    )

    def get_sentence(self, action: CorrectiveAction) -> str:
        """One sentence."""
        segment = action.segment.name if action.segment else ""
        return say_action(action.kind, action.params, action.partner.name, segment)

    def get_month(self, action: CorrectiveAction) -> str | None:
        """As YYYY-MM."""
        return month_text(action.cycle.month_start_date) if action.cycle else None

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, action: CorrectiveAction) -> list[dict[str, Any]]:
        """Of the transition table, without what would be refused whoever asks or whoever stands behind this token."""
        offered = list_allowed_actions(self.context["request"], ACTION_TRANSITIONS, action.state)
        return [step for step in offered if self._is_open(action, step["name"])]

    def _is_open(self, action: CorrectiveAction, name: str) -> bool:
        if name == "take_up":
            return action.proposer_id is None
        if name == "revert":
            return is_undoable(action, clock.now())
        if name == "approve" and action.needs_two:
            person = cast(ApiToken, self.context["request"].auth).created_by_id
            is_second = action.proposer_id is not None and person not in (action.proposer_id, action.editor_id)
            return is_second or (self._is_solo(action) and person in (action.proposer_id, action.editor_id))
        return name != "edit"

    def _is_solo(self, action: CorrectiveAction) -> bool:
        """Whether the program lets one person do with a waiting time; asked once for a page."""
        known = cast(dict[str, Any], self.context)
        if "solo_mode" not in known:
            known["solo_mode"] = read_approvals(action.program_id).spec.solo_mode
        return bool(known["solo_mode"])


class ActionChange(serializers.Serializer):
    """One line of a preview."""

    what = serializers.CharField(help_text="What is changed: an offer, or a part of a listing.")
    before = serializers.CharField()
    after = serializers.CharField()


class ActionPreview(serializers.Serializer):
    """What an action would do now."""

    is_possible = serializers.BooleanField()
    refusal = serializers.CharField(help_text="Why it could not be done now; empty where it could.")
    changes = ActionChange(many=True)
    members = serializers.IntegerField(allow_null=True, help_text="How many people it concerns; null: not counted by people.")
    notes = serializers.ListField(child=serializers.CharField())


class ActionStep(serializers.Serializer):
    """One change of an action's state."""

    name = serializers.CharField()
    from_state = serializers.CharField(help_text="Empty for the first.")
    to_state = serializers.ChoiceField(choices=ActionState.choices)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    comment = serializers.CharField()
    revision = serializers.IntegerField(help_text="Which revision it was about.")


class ActionNoteOutput(serializers.Serializer):
    """What somebody wrote about an action."""

    text = serializers.CharField()
    url = serializers.CharField(help_text="A link to evidence; empty: none.")
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()


class ActionOutput(ActionRow):
    """One corrective action with all that is known about it."""

    params = serializers.DictField(help_text="What is to be done, by kind.")
    reason = serializers.CharField()
    editor = serializers.CharField(source="editor.username", allow_null=True, default=None, help_text="Who edited it last.")
    edited_at = serializers.DateTimeField(allow_null=True)
    preview = serializers.SerializerMethodField(help_text="What it would do now; null once that no longer matters.")
    before = serializers.DictField(allow_null=True, help_text="What execution found.")
    after = serializers.DictField(allow_null=True, help_text="What execution left.")
    reverted_at = serializers.DateTimeField(allow_null=True)
    reverted_by = serializers.CharField()
    replacement = serializers.SerializerMethodField(help_text="Id of the replacement that it opened; null: none.")
    design = serializers.DictField(allow_null=True, help_text="How its effect is told, fixed when it begins.")
    effect = serializers.DictField(allow_null=True, help_text="What was measured.")
    measured_at = serializers.DateTimeField(allow_null=True)
    notes = serializers.SerializerMethodField(help_text="Oldest first.")
    history = serializers.SerializerMethodField(help_text="Oldest first.")

    @extend_schema_field(ActionPreview(allow_null=True))
    def get_preview(self, action: CorrectiveAction) -> dict[str, Any] | None:
        """Computed from the catalog and the members as they are now."""
        return find_preview(action) if action.state in SHOWN else None

    def get_replacement(self, action: CorrectiveAction) -> int | None:
        """Of an action that replaces a partner, once it began."""
        opened = getattr(action, "replacement", None)
        return opened.pk if opened is not None else None

    @extend_schema_field(ActionNoteOutput(many=True))
    def get_notes(self, action: CorrectiveAction) -> list[dict[str, Any]]:
        """Every one."""
        return list(ActionNoteOutput(list_notes(action.pk), many=True).data)

    @extend_schema_field(ActionStep(many=True))
    def get_history(self, action: CorrectiveAction) -> list[dict[str, Any]]:
        """Every change of its state."""
        return list(ActionStep(list_action_transitions(action.pk), many=True).data)


def find_preview(action: CorrectiveAction) -> dict[str, Any]:
    """What an action would do now, or the sentence that says why it could not be done, in the shape of ActionPreview."""
    try:
        check_params(action.kind, action.params)
        shown = HANDLINGS[action.kind].preview(action, clock.now())
    except DomainError as error:
        faults = " ".join(f"{name}: {text}" for name, text in error.fields.items())
        return {"is_possible": False, "refusal": f"{error} {faults}".strip(), "changes": [], "members": None, "notes": []}
    return {
        "is_possible": True,
        "refusal": "",
        "changes": [{"what": row.what, "before": row.before, "after": row.after} for row in shown.changes],
        "members": shown.members,
        "notes": list(shown.notes),
    }


class ActionBody(Body):
    """What an action is told when it is proposed and when it is edited."""

    params = serializers.DictField(help_text="What is to be done, by kind: docs/rules/actions.md.")
    segment = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=60, help_text="Code, for kinds that have one; empty: everyone."
    )
    reason = serializers.CharField(required=False, default="", allow_blank=True, help_text="Why.")


class ActionEdit(ActionBody):
    """What may be changed about an action that waits; null takes away what may be missing."""

    due_date = serializers.DateField(required=False, allow_null=True, help_text="Program day by which it should be decided.")
    scheduled_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Not before; null: as soon as it is approved."
    )
    owner = serializers.CharField(required=False, allow_null=True, max_length=150, help_text="User name; null: nobody.")


class ActionInput(ActionBody):
    """A corrective action for one partner."""

    due_date = serializers.DateField(required=False, help_text="Program day by which it should be decided.")
    scheduled_at = serializers.DateTimeField(required=False, help_text="Not before; without it as soon as it is approved.")

    partner = serializers.CharField(max_length=200, help_text="External id.")
    kind = serializers.ChoiceField(choices=ActionKind.choices)
    flag = serializers.IntegerField(required=False, min_value=1, help_text="Id of the partner's flag that it answers.")
    owner = serializers.CharField(
        required=False, max_length=150, help_text="User name; without it whoever owns the flag, else the partner."
    )


class NoteInput(Body):
    """A comment on an action, or a link to evidence for it."""

    text = serializers.CharField(help_text="At most 10,000 characters.")
    url = serializers.CharField(required=False, default="", allow_blank=True, help_text="https://… or http://…")


class SeenAction(Body):
    """One action, as it was seen."""

    id = serializers.IntegerField(min_value=1)
    revision = serializers.IntegerField(min_value=1, help_text="The one that you looked at; another one is refused.")


class BulkApproval(Body):
    """Several actions to approve."""

    actions = serializers.ListField(child=SeenAction(), min_length=1, max_length=MOST_AT_ONCE, help_text="Each once.")
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000, help_text="It is logged.")

    def validate_actions(self, rows: list[dict[str, int]]) -> list[dict[str, int]]:
        """Each action once."""
        if len({row["id"] for row in rows}) < len(rows):
            raise serializers.ValidationError("An action is named twice.", "repeated")
        return rows


class ApprovedAction(serializers.Serializer):
    """What became of one action."""

    id = serializers.IntegerField()
    is_approved = serializers.BooleanField()
    code = serializers.CharField(help_text="Why it was refused, for programs; empty where it was not.")
    detail = serializers.CharField(help_text="The same for people.")


class BulkOutput(serializers.Serializer):
    """What became of each action, in the order in which they were named."""

    results = ApprovedAction(many=True)


class PlaybookLineBody(Body):
    """Which diagnosis leads to which proposal."""

    cause = serializers.ChoiceField(choices=Cause.choices, allow_blank=True, help_text="Of the diagnosis; empty: any.")
    kind = serializers.ChoiceField(choices=ActionKind.choices)
    severity = serializers.ChoiceField(
        choices=Severity.choices, allow_blank=True, required=False, default="", help_text="Of the flag; empty: any."
    )
    standing = serializers.ChoiceField(
        choices=Standing.choices, allow_blank=True, required=False, default="", help_text="Of the partner; empty: any."
    )
    months = serializers.IntegerField(
        required=False, default=1, min_value=1, max_value=LONGEST_PERSISTENCE, help_text="For how many the flag must have stood."
    )
    audience = serializers.ChoiceField(
        choices=[(name, name) for name in AUDIENCES],
        required=False,
        default="everyone",
        help_text="`carriers`: the segments that carry the fall, one action for each.",
    )
    params = serializers.DictField(required=False, default=dict, help_text="Of the action; words may be left to people.")


def bounded(name: str, text: str) -> serializers.IntegerField:
    """A number of the lines for segments, within its bounds."""
    least, most = BOUNDS[name]
    return serializers.IntegerField(
        required=False, default=getattr(PlacingSpec, name), min_value=least, max_value=most, help_text=text
    )


class PlacingBody(Body):
    """What is proposed for segments once a month is over."""

    surfaces = serializers.BooleanField(
        required=False, default=True, help_text="Surface, in a segment that redeems little, partners that do well with its peers."
    )
    lowers = serializers.BooleanField(
        required=False, default=True, help_text="Lower, in a segment, partners whose activation has been poor there."
    )
    share = bounded("share", "Per cent of what the peers let expect, at which something is little.")
    lower_months = bounded("lower_months", "For how many months on end activation must have been poor.")
    places = bounded("places", "By how many places offers are lowered then.")
    minimum = bounded("minimum", "Observations that are needed.")
    most = bounded("most", "Proposals a month, of each of the two.")
    quiet_months = bounded("quiet_months", "For how long the same is not proposed again.")


class PlaybookInput(Body):
    """What is proposed for which diagnosis: the first line that fits; and for segments. Without `placing`, that stays."""

    lines = serializers.ListField(child=PlaybookLineBody(), max_length=MOST_LINES)
    placing = PlacingBody(required=False)


class PlaybookOutput(serializers.Serializer):
    """The playbook in force."""

    number = serializers.IntegerField(help_text="Of the version; 0: the one that every program begins with.")
    lines = PlaybookLineBody(many=True)
    placing = PlacingBody()
    made_by = serializers.CharField(help_text="Empty for number 0.")
    made_at = serializers.DateTimeField(allow_null=True)
