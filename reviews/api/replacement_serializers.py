"""What the replacements API answers."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from partners.choices import PartnerState
from plum_site.lib import clock
from plum_site.lib.api_writes import AllowedAction, list_allowed_actions
from plum_site.lib.models import ApiToken
from reviews.choices import ContactKind, HolderState, ReplacementState, ReplacementStep
from reviews.models import Replacement, ReplacementTask
from reviews.rules.actions import ApprovalSpec
from reviews.rules.replacements import gap_from_key, step_of
from reviews.selectors.actions import read_approvals
from reviews.selectors.replacements import list_losses, list_replacement_steps, read_pairs
from reviews.selectors.replacements.candidates import list_candidates
from reviews.selectors.replacements.holders import count_notices
from reviews.selectors.replacements.steps import is_open, needs_another
from reviews.workflow import BEFORE_CUTOVER, REPLACEMENT_TRANSITIONS

USER_NAME = "User name; null: nobody."
# States in which it still matters who would lose what; in the first two, nobody was chosen yet whose offers could follow.
SHOWN = (*BEFORE_CUTOVER, ReplacementState.ROLLED_BACK)
UNCHOSEN = (ReplacementState.OPENED, ReplacementState.COMPARED)


class ReplacementTaskOutput(serializers.Serializer):
    """One step of a replacement: who does it, and by when."""

    step = serializers.ChoiceField(choices=ReplacementStep.choices)
    owner = serializers.CharField(source="owner.username", allow_null=True, default=None, help_text=USER_NAME)
    due_date = serializers.DateField(allow_null=True, help_text="Program day.")
    is_next = serializers.BooleanField(help_text="Whether the replacement waits for this step now.")


class ReplacementRow(serializers.Serializer):
    """One replacement: who is replaced, by whom, and how far it is."""

    id = serializers.IntegerField()
    action = serializers.IntegerField(source="action_id", help_text="Id of the corrective action that asked for it.")
    state = serializers.ChoiceField(choices=ReplacementState.choices)
    revision = serializers.IntegerField(help_text="Grows with every change of what is approved.")
    partner = serializers.CharField(source="partner.external_id", help_text="Who is replaced.")
    partner_name = serializers.CharField(source="partner.name")
    category = serializers.CharField(help_text="Of the partner's offers that are replaced; empty: all of them.")
    segment = serializers.CharField(
        source="segment.code",
        allow_null=True,
        default=None,
        help_text="Code of the segment whose members it is for; null: everyone.",
    )
    owner = serializers.CharField(source="owner.username", allow_null=True, default=None, help_text=USER_NAME)
    opened_at = serializers.DateTimeField()
    next = serializers.SerializerMethodField(help_text="The step that it waits for; null: none.")
    successor = serializers.CharField(
        source="successor.external_id",
        allow_null=True,
        default=None,
        help_text="External id of who takes the place; null: nobody.",
    )
    successor_name = serializers.CharField(source="successor.name", allow_null=True, default=None)
    is_without = serializers.BooleanField(help_text="Whether it ends without a successor.")
    scheduled_at = serializers.DateTimeField(allow_null=True, help_text="When the cutover is to be.")
    cut_over_at = serializers.DateTimeField(allow_null=True, help_text="When it was.")
    last_activation_date = serializers.DateField(
        allow_null=True, help_text="Last program day on which members activate what they had unlocked; null before the cutover."
    )
    failure = serializers.CharField(help_text="Why the last cutover could not be carried out; empty: it was, or was not tried.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it was completed or called off.")
    allowed_actions = serializers.SerializerMethodField(help_text="The steps that this token may take with it now.")

    @extend_schema_field(ReplacementTaskOutput(allow_null=True))
    def get_next(self, replacement: Replacement) -> dict[str, Any] | None:
        """The task of the present step."""
        return next((task for task in describe_tasks(replacement) if task["is_next"]), None)

    @extend_schema_field(AllowedAction(many=True))
    def get_allowed_actions(self, replacement: Replacement) -> list[dict[str, Any]]:
        """Of the transition table, without what would be refused whoever asks or whoever stands behind this token."""
        request, spec, at = self.context["request"], self.read_spec(replacement), clock.now()
        person = cast(ApiToken, request.auth).created_by_id
        offered = list_allowed_actions(request, REPLACEMENT_TRANSITIONS, replacement.state)
        return [step for step in offered if is_open(replacement, step["name"], person, spec, at)]

    def read_spec(self, replacement: Replacement) -> ApprovalSpec:
        """The approvals in force; asked once for a page."""
        known = cast(dict[str, Any], self.context)
        if "approvals" not in known:
            known["approvals"] = read_approvals(replacement.program_id).spec
        return cast(ApprovalSpec, known["approvals"])


class GapOutput(serializers.Serializer):
    """A category of which some members can choose nothing any more. It is accepted as it stands here."""

    group = serializers.CharField(help_text="Code of a segment, `attribute=value`, or empty for everyone.")
    category = serializers.CharField(help_text="Of partners; of offers where the replacement is of one category. Empty: none.")


class LossOutput(serializers.Serializer):
    """What one group of members loses."""

    group = serializers.CharField(help_text="As in gaps.")
    label = serializers.CharField()  # type: ignore[assignment]
    members = serializers.IntegerField(allow_null=True, help_text="Of today; null: too few to be told.")
    before = serializers.IntegerField(help_text="Offers that they can choose now.")
    after = serializers.IntegerField(help_text="The same once it is cut over.")
    categories = serializers.ListField(child=serializers.CharField(), help_text="In which they can choose nothing afterwards.")
    redemptions = serializers.IntegerField(
        allow_null=True, help_text="Of the old offers by them in the last 90 days; null: hidden, because they are too few."
    )


class PairOutput(serializers.Serializer):
    """Which offer follows which, by external id."""

    old = serializers.CharField(allow_null=True, help_text="Null: the new one goes live beside.")
    new = serializers.CharField(allow_null=True, help_text="Null: nothing follows.")


class CandidateOutput(serializers.Serializer):
    """A partner that could take the place, or that refused."""

    partner = serializers.CharField(source="partner.external_id")
    partner_name = serializers.CharField(source="partner.name")
    partner_state = serializers.ChoiceField(source="partner.state", choices=PartnerState.choices)
    is_possible = serializers.BooleanField(help_text="Whether it can be chosen.")
    added_by = serializers.CharField(help_text="Who named it; empty: found by its category.")
    added_at = serializers.DateTimeField(allow_null=True)
    refused_at = serializers.DateTimeField(allow_null=True, help_text="When it, or somebody for it, refused the terms.")
    refusal = serializers.CharField(help_text="Why; empty: it was not.")


class CheckOutput(serializers.Serializer):
    """One thing that must hold after a cutover."""

    check = serializers.CharField()
    holds = serializers.BooleanField()
    sentence = serializers.CharField()
    counted = serializers.IntegerField(help_text="How much was looked at.")
    faults = serializers.ListField(child=serializers.CharField(), help_text="What does not hold, one line each.")


class TrialArmOutput(serializers.Serializer):
    """One arm of a trial. Null: it is too small to be shown."""

    members = serializers.IntegerField()
    on_old = serializers.IntegerField(allow_null=True, help_text="Events on the old offers.")
    on_new = serializers.IntegerField(allow_null=True, help_text="Events on the new offers.")
    per_member = serializers.FloatField(allow_null=True, help_text="Events on either, for each member.")


class TrialFigureOutput(serializers.Serializer):
    """One metric in both arms."""

    metric = serializers.CharField()
    champion = TrialArmOutput(help_text="Who is shown the old offers.")
    challenger = TrialArmOutput(help_text="Who is shown the new ones.")
    estimate = serializers.FloatField(
        source="effect.estimate", allow_null=True, help_text="Relative change: 0.2 is a fifth more."
    )
    low = serializers.FloatField(source="effect.low", allow_null=True, help_text="Lower end of the 95 % interval.")
    high = serializers.FloatField(source="effect.high", allow_null=True)
    sentence = serializers.CharField()


class TrialFiguresOutput(serializers.Serializer):
    """A trial over its whole program days."""

    share_percent = serializers.IntegerField(source="trial.share_percent")
    starts_on = serializers.DateField(source="starts_date", help_text="First day that counts.")
    ends_on = serializers.DateField(source="ends_date", help_text="The day after the last one that counts.")
    is_over = serializers.BooleanField(help_text="Whether the trial has ended.")
    sentence = serializers.CharField(help_text="Why nothing can be compared yet; empty otherwise.")
    figures = TrialFigureOutput(many=True)


class TrialOutput(serializers.Serializer):
    """The newest trial of a replacement."""

    trial = TrialFiguresOutput(allow_null=True)


class ChecksOutput(serializers.Serializer):
    """Everything that must hold after a cutover, as it stands now."""

    holds = serializers.BooleanField(help_text="Whether all of it does.")
    checks = CheckOutput(many=True)


class ReplacementStepOutput(serializers.Serializer):
    """One change of a replacement's state."""

    name = serializers.CharField()
    from_state = serializers.CharField(help_text="Empty for the first.")
    to_state = serializers.ChoiceField(choices=ReplacementState.choices)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    comment = serializers.CharField()
    revision = serializers.IntegerField(help_text="Which revision it was about.")


class ReplacementOutput(ReplacementRow):
    """One replacement with all that is known about it."""

    tasks = serializers.SerializerMethodField(help_text="In the order of the steps.")
    comparison = serializers.DictField(
        allow_null=True,
        help_text="The candidates side by side, as they were compared last: docs/rules/replacement.md. A rate with the `status` "
        "`suppressed` has too few members behind it to be shown; null: nothing was seen.",
    )
    candidates = serializers.SerializerMethodField(help_text="Those that were named first.")
    terms = serializers.CharField(help_text="What was agreed with the successor, in words.")
    last_activation_days = serializers.IntegerField(
        help_text="For so many days after the cutover, members activate what they have unlocked."
    )
    pairs = serializers.SerializerMethodField(help_text="Which offer follows which.")
    losses = serializers.SerializerMethodField(
        help_text="What each group of members loses by the mapping as it is; before a candidate is chosen, if nothing followed. "
        "Null once it is cut over or called off."
    )
    gaps = serializers.SerializerMethodField(
        help_text="The categories in which `losses` leave a group nothing; null as they are."
    )
    accepted_gaps = serializers.SerializerMethodField(help_text="Those that somebody has accepted.")
    mapper = serializers.CharField(
        source="mapper.username",
        allow_null=True,
        default=None,
        help_text="Who put the mapping forward (for a token, who made it).",
    )
    mapped_at = serializers.DateTimeField(allow_null=True)
    needs_two = serializers.SerializerMethodField(help_text="Whether somebody else than the mapper has to approve it.")
    is_solo = serializers.BooleanField(help_text="Whether a waiting time stood for the second person.")
    approver = serializers.CharField(source="approver.username", allow_null=True, default=None, help_text="User name.")
    approved_at = serializers.DateTimeField(allow_null=True)
    holders = serializers.SerializerMethodField(
        help_text="How many unlocks of old offers there were at the cutover, by how far their holders were told of the last day."
    )
    checks = CheckOutput(many=True, allow_null=True, help_text="What the last verification found; null: there was none.")
    history = serializers.SerializerMethodField(help_text="Oldest first.")

    def to_representation(self, instance: Replacement) -> dict[str, Any]:
        """With what each group loses, looked at once."""
        self.found_losses = find_losses(instance)
        return dict(super().to_representation(instance))

    @extend_schema_field(ReplacementTaskOutput(many=True))
    def get_tasks(self, replacement: Replacement) -> list[dict[str, Any]]:
        """Every one."""
        return describe_tasks(replacement)

    @extend_schema_field(CandidateOutput(many=True))
    def get_candidates(self, replacement: Replacement) -> list[dict[str, Any]]:
        """Refused ones too."""
        return list(CandidateOutput(list_candidates(replacement), many=True).data)

    @extend_schema_field(PairOutput(many=True))
    def get_pairs(self, replacement: Replacement) -> list[dict[str, Any]]:
        """As they are mapped."""
        return list(PairOutput(read_pairs(replacement), many=True).data)

    @extend_schema_field(LossOutput(many=True, allow_null=True))
    def get_losses(self, replacement: Replacement) -> list[dict[str, Any]] | None:
        """As find_losses."""
        return self.found_losses

    @extend_schema_field(GapOutput(many=True, allow_null=True))
    def get_gaps(self, replacement: Replacement) -> list[dict[str, str]] | None:
        """Of what is lost; groups that lose nothing have none."""
        if self.found_losses is None:
            return None
        return [{"group": loss["group"], "category": category} for loss in self.found_losses for category in loss["categories"]]

    @extend_schema_field(GapOutput(many=True))
    def get_accepted_gaps(self, replacement: Replacement) -> list[dict[str, str]]:
        """By their keys."""
        return list(GapOutput(map(gap_from_key, replacement.accepted_gaps), many=True).data)

    def get_needs_two(self, replacement: Replacement) -> bool:
        """As it was asked for, or would be now."""
        return needs_another(replacement, self.read_spec(replacement))

    @extend_schema_field(
        {"type": "object", "propertyNames": {"enum": HolderState.values}, "additionalProperties": {"type": "integer"}}
    )
    def get_holders(self, replacement: Replacement) -> dict[str, int]:
        """Every state that there is."""
        return count_notices(replacement.pk)

    @extend_schema_field(ReplacementStepOutput(many=True))
    def get_history(self, replacement: Replacement) -> list[dict[str, Any]]:
        """Every change of its state."""
        return list(ReplacementStepOutput(list_replacement_steps(replacement.pk), many=True).data)


class ContactOutput(serializers.Serializer):
    """What was spoken with a partner."""

    id = serializers.IntegerField()
    partner = serializers.CharField(source="partner.external_id")
    kind = serializers.ChoiceField(choices=ContactKind.choices)
    text = serializers.CharField()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()


class FileOutput(serializers.Serializer):
    """A file, without what is in it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of its bytes, in hexadecimal digits.")
    brought_by = serializers.CharField()
    brought_at = serializers.DateTimeField()


class HolderOutput(serializers.Serializer):
    """One member and one old offer that they had unlocked and not activated before the cutover."""

    reference = serializers.CharField(help_text="The member, as the webhook `holders.notice_requested` names them.")
    member = serializers.CharField(help_text="The member's outside id.")
    offer = serializers.CharField(help_text="External id.")
    state = serializers.ChoiceField(choices=HolderState.choices, help_text="How far they were told of the last day.")
    recalled_at = serializers.DateTimeField(
        allow_null=True, help_text="When they were told, after a rollback, that the offer stays."
    )


def describe_tasks(replacement: Replacement) -> list[dict[str, Any]]:
    """The tasks of a replacement in the order of its steps, in the shape of ReplacementTaskOutput."""
    present = step_of(replacement.state)
    order = {str(step): place for place, step in enumerate(ReplacementStep)}
    tasks: list[ReplacementTask] = sorted(replacement.tasks.all(), key=lambda task: order[task.step])
    for task in tasks:
        task.is_next = task.step == present  # type: ignore[attr-defined]
    return list(ReplacementTaskOutput(tasks, many=True).data)


def find_losses(replacement: Replacement) -> list[dict[str, Any]] | None:
    """What each group loses, in the shape of LossOutput; None once that no longer matters."""
    if replacement.state not in SHOWN:
        return None
    pairs = () if replacement.state in UNCHOSEN else None
    return list(LossOutput(list_losses(replacement, clock.now(), pairs), many=True).data)
