"""Corrective actions: what is done for a partner that falls behind, by whose leave, and with what effect."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from offers.models import Segment
from partners.models import Partner, Program
from reviews.choices import ActionKind, ActionState, Verdict
from reviews.models.cycles import ReviewCycle
from reviews.models.flags import FlagCase

PERSON = settings.AUTH_USER_MODEL
S = ActionState
UNDECIDED = (S.PROPOSED, S.REJECTED, S.CANCELLED)
DONE = (S.EXECUTED, S.MEASURING, S.MEASURED, S.REVERTED)


class Playbook(models.Model):
    """
    Which diagnosis leads to which proposal: one version. The newest is in force. Append-only.

    lines: rows in the order in which they are tried, as reviews.rules.actions.playbook describes them. placing: the lines for
    segments, as reviews.rules.actions.placing does; empty in versions from before there were any.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="playbooks")
    number = models.PositiveIntegerField()
    lines = models.JSONField()
    placing = models.JSONField(default=dict)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["program", "-number"]
        constraints = [models.UniqueConstraint(fields=["program", "number"], name="reviews_playbook_number_once")]

    def __str__(self) -> str:
        return f"Playbook version {self.number}"


class CorrectiveAction(models.Model):
    """
    One correction for one partner: proposed by a rule or a person, approved by risk, executed once, measured, revertible.

    Its state changes only by a named transition, each with a row in ActionTransition. params: what is to be done, by kind
    (reviews.rules.actions.params). revision: grows with every edit, which voids an approval. before, after: what execution
    found and what it left, by kind; a revert puts `before` back only where `after` still stands. design: how its effect will
    be told, frozen before execution; effect: what was measured.

    proposer: the person who proposed it or took up what a rule proposed (a token's maker for a token); empty for what a rule
    proposed and nobody took up. editor: who edited it last. proposal_key: set for what a rule proposes, so that the same
    finding proposes once. needs_two: two different people must stand behind it; is_solo: a waiting time stands for the second.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="actions")
    cycle = models.ForeignKey(ReviewCycle, null=True, on_delete=models.PROTECT, related_name="actions")
    case = models.ForeignKey(FlagCase, null=True, on_delete=models.PROTECT, related_name="actions")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="actions")
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="actions")
    kind = models.CharField(max_length=20, choices=ActionKind.choices)
    state = models.CharField(max_length=10, choices=ActionState.choices, default=ActionState.PROPOSED)
    params = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    reason = models.TextField(blank=True)
    proposal_key = models.CharField(max_length=300, null=True, editable=False)
    proposer = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    editor = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(null=True)
    needs_two = models.BooleanField()
    is_solo = models.BooleanField(default=False)
    approver = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    owner = models.ForeignKey(PERSON, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    due_date = models.DateField(null=True, blank=True, help_text="Program day by which it should be decided and done.")
    scheduled_at = models.DateTimeField(null=True, blank=True, help_text="Not before; empty: as soon as it is approved.")
    executed_at = models.DateTimeField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    failure = models.TextField(blank=True)
    reverted_at = models.DateTimeField(null=True)
    reverted_by = models.CharField(max_length=200, blank=True)
    design = models.JSONField(null=True)
    effect = models.JSONField(null=True)
    verdict = models.CharField(max_length=12, choices=Verdict.choices, blank=True)
    measured_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "corrective action"
        ordering = ["-id"]
        indexes = [
            # What waits for people, and what is due, in one program.
            models.Index(fields=["program", "state"], name="reviews_action_by_state"),
            models.Index(fields=["partner", "proposed_at"], name="reviews_action_of_partner"),  # what was done for a partner
        ]
        constraints = [
            models.UniqueConstraint(fields=["proposal_key"], name="reviews_action_proposed_once"),
            models.CheckConstraint(condition=Q(state__in=S.values), name="reviews_action_state_known"),
            models.CheckConstraint(condition=Q(kind__in=ActionKind.values), name="reviews_action_kind_known"),
            models.CheckConstraint(condition=Q(verdict__in=["", *Verdict.values]), name="reviews_action_verdict_known"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="reviews_action_revision_from_one"),
            models.CheckConstraint(
                condition=Q(approver__isnull=True, approved_at__isnull=True)
                | Q(approver__isnull=False, approved_at__isnull=False),
                name="reviews_action_both_approved_at_and_approver_set",
            ),
            models.CheckConstraint(
                condition=Q(editor__isnull=True, edited_at__isnull=True) | Q(editor__isnull=False, edited_at__isnull=False),
                name="reviews_action_both_edited_at_and_editor_set",
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNDECIDED) | Q(approver__isnull=False), name="reviews_action_nothing_unapproved_goes_on"
            ),
            # The second person is another than whoever proposed and whoever edited last.
            models.CheckConstraint(
                condition=Q(needs_two=False)
                | Q(is_solo=True)
                | Q(approver__isnull=True)
                | (Q(proposer__isnull=False) & ~Q(approver=F("proposer")) & (Q(editor__isnull=True) | ~Q(approver=F("editor")))),
                name="reviews_action_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(state__in=DONE, executed_at__isnull=False, before__isnull=False, after__isnull=False)
                | (~Q(state__in=DONE) & Q(executed_at__isnull=True)),
                name="reviews_action_done_has_before_and_after",
            ),
            models.CheckConstraint(
                condition=Q(state=S.REVERTED, reverted_at__isnull=False) | (~Q(state=S.REVERTED) & Q(reverted_at__isnull=True)),
                name="reviews_action_reverted_at_set",
            ),
            models.CheckConstraint(
                condition=Q(reverted_at__isnull=True, reverted_by="") | (Q(reverted_at__isnull=False) & ~Q(reverted_by="")),
                name="reviews_action_both_reverted_at_and_reverted_by_set",
            ),
            models.CheckConstraint(
                condition=~Q(state=S.MEASURED) | (~Q(verdict="") & Q(measured_at__isnull=False, effect__isnull=False)),
                name="reviews_action_measured_has_verdict",
            ),
            models.CheckConstraint(condition=~Q(state=S.FAILED) | ~Q(failure=""), name="reviews_action_failed_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.partner}"


class ActionTransition(models.Model):
    """One change of an action's state, its proposal included (from ""). Written with the change, append-only."""

    action = models.ForeignKey(CorrectiveAction, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10, choices=ActionState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)
    revision = models.PositiveIntegerField(help_text="Which revision of the action it was about.")

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.action}: {self.name}"


class ActionNote(models.Model):
    """A comment on an action, or a link to evidence for it. Append-only."""

    action = models.ForeignKey(CorrectiveAction, on_delete=models.PROTECT, related_name="notes")
    text = models.TextField()
    url = models.URLField(max_length=500, blank=True)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["made_at", "id"]
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="reviews_actionnote_says_something")]

    def __str__(self) -> str:
        return f"Note on {self.action}"
