"""The replacement of a partner: how far it is, who could take the place, what was agreed, and which offer follows which."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from activity.models import Member
from offers.models import CatalogTrial, Offer, Segment
from partners.models import Partner, Program
from reviews.choices import ContactKind, HolderState, ReplacementState, ReplacementStep
from reviews.models.actions import CorrectiveAction

PERSON = settings.AUTH_USER_MODEL
S = ReplacementState
UNAPPROVED = (S.OPENED, S.COMPARED, S.CHOSEN, S.AGREED, S.MAPPED, S.CANCELLED)
CUT_OVER = (S.CUT_OVER, S.VERIFIED, S.COMPLETED)


class Replacement(models.Model):
    """
    Another partner takes the place of one: of the whole partner, of its offers of one category, for one segment, or both.

    Begun by the corrective action that asks for it, which is executed once the replacement is complete. Its state changes only
    by a named transition, each with a row in ReplacementTransition. revision: grows with every change of what is approved.

    category: of the old partner's offers; empty: all of them. segment: whose members get the successor; empty: everyone.
    comparison: the candidates' figures when they were compared. is_without: it ends without a successor. accepted_gaps: what
    nobody offers any more afterwards, by the keys of reviews.rules.replacements.Gap, as somebody accepted it.
    mapper: who said last that the offers are mapped; another one approves. trial: the newest trial with a share of members;
    trial_before: what it found. before, after: what the cutover found and left; where a trial ran until then, the new offers
    and the successor are in before as the trial found them, so that a rollback takes both back.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="replacements")
    action = models.OneToOneField(CorrectiveAction, on_delete=models.PROTECT, related_name="replacement")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="replacements")
    category = models.CharField(max_length=200, blank=True)
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="replacements")
    state = models.CharField(max_length=12, choices=ReplacementState.choices, default=S.OPENED)
    revision = models.PositiveIntegerField(default=1)
    owner = models.ForeignKey(PERSON, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    comparison = models.JSONField(null=True)
    successor = models.ForeignKey(Partner, null=True, on_delete=models.PROTECT, related_name="succeeds")
    is_without = models.BooleanField(default=False)
    terms = models.TextField(blank=True, help_text="What was agreed with the successor, in words.")
    last_activation_days = models.PositiveSmallIntegerField(
        default=30, help_text="For so many days after the cutover, members activate what they have unlocked."
    )
    accepted_gaps = models.JSONField(default=list)
    mapper = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    mapped_at = models.DateTimeField(null=True)
    needs_two = models.BooleanField(default=True)
    is_solo = models.BooleanField(default=False)
    approver = models.ForeignKey(PERSON, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    trial = models.ForeignKey(CatalogTrial, null=True, on_delete=models.PROTECT, related_name="+")
    trial_before = models.JSONField(null=True)
    scheduled_at = models.DateTimeField(null=True)
    cut_over_at = models.DateTimeField(null=True)
    last_activation_date = models.DateField(null=True, help_text="Last program day on which holders activate old offers.")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    design = models.JSONField(null=True, help_text="How the effect is told, frozen in the cutover.")
    checks = models.JSONField(null=True, help_text="What the last verification found.")
    failure = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=S.values), name="reviews_replacement_state_known"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="reviews_replacement_revision_from_one"),
            models.CheckConstraint(
                condition=Q(successor__isnull=True) | (~Q(successor=F("partner")) & Q(is_without=False)),
                name="reviews_replacement_successor_is_another",
            ),
            models.CheckConstraint(
                condition=Q(approver__isnull=True, approved_at__isnull=True)
                | Q(approver__isnull=False, approved_at__isnull=False),
                name="reviews_replacement_both_approved_at_and_approver_set",
            ),
            models.CheckConstraint(
                condition=Q(state__in=(*UNAPPROVED, S.ROLLED_BACK)) | Q(approver__isnull=False),
                name="reviews_replacement_nothing_unapproved_goes_on",
            ),
            models.CheckConstraint(
                condition=~Q(state=S.TRIALLING) | Q(trial__isnull=False, trial_before__isnull=False),
                name="reviews_replacement_on_trial_has_trial",
            ),
            # The second person is another than whoever mapped the offers.
            models.CheckConstraint(
                condition=Q(needs_two=False)
                | Q(is_solo=True)
                | Q(approver__isnull=True)
                | (Q(mapper__isnull=False) & ~Q(approver=F("mapper"))),
                name="reviews_replacement_by_two_people",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=CUT_OVER)
                | Q(cut_over_at__isnull=False, before__isnull=False, after__isnull=False, last_activation_date__isnull=False),
                name="reviews_replacement_cut_over_has_before_and_after",
            ),
            models.CheckConstraint(
                condition=Q(state__in=(S.COMPLETED, S.CANCELLED), ended_at__isnull=False)
                | (~Q(state__in=(S.COMPLETED, S.CANCELLED))),
                name="reviews_replacement_ended_has_ended_at",
            ),
            models.CheckConstraint(
                condition=Q(last_activation_days__gte=1, last_activation_days__lte=365),
                name="reviews_replacement_last_activation_within_a_year",
            ),
        ]

    def __str__(self) -> str:
        return f"Replacement of {self.partner}"


class ReplacementTransition(models.Model):
    """One change of a replacement's state, the opening included (from ""). Written with the change, append-only."""

    replacement = models.ForeignKey(Replacement, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, choices=ReplacementState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)
    revision = models.PositiveIntegerField(help_text="Which revision of the replacement it was about.")

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.replacement}: {self.name}"


class ReplacementTask(models.Model):
    """One step of a replacement: who does it, and by when. Done is what the transitions say; edited while it is not."""

    replacement = models.ForeignKey(Replacement, on_delete=models.CASCADE, related_name="tasks")
    step = models.CharField(max_length=10, choices=ReplacementStep.choices)
    owner = models.ForeignKey(PERSON, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    due_date = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["replacement", "step"], name="reviews_replacementtask_once"),
            models.CheckConstraint(condition=Q(step__in=ReplacementStep.values), name="reviews_replacementtask_step_known"),
        ]

    def __str__(self) -> str:
        return self.get_step_display()


class ReplacementCandidate(models.Model):
    """A partner that could take the place. refused_at: when it, or somebody for it, refused the terms, and why."""

    replacement = models.ForeignKey(Replacement, on_delete=models.CASCADE, related_name="candidates")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="candidacies")
    added_by = models.CharField(max_length=200)
    added_at = models.DateTimeField()
    refused_at = models.DateTimeField(null=True)
    refusal = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["replacement", "partner"], name="reviews_replacementcandidate_once"),
            models.CheckConstraint(
                condition=Q(refused_at__isnull=True, refusal="") | (Q(refused_at__isnull=False) & ~Q(refusal="")),
                name="reviews_replacementcandidate_refused_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner} as a candidate"


class ReplacementContact(models.Model):
    """What was spoken with a partner in a replacement: the log of contacts. Append-only."""

    replacement = models.ForeignKey(Replacement, on_delete=models.PROTECT, related_name="contacts")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=ContactKind.choices)
    text = models.TextField()
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["made_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=ContactKind.values), name="reviews_replacementcontact_kind_known"),
            models.CheckConstraint(condition=~Q(text=""), name="reviews_replacementcontact_says_something"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} with {self.partner}"


class ReplacementFile(models.Model):
    """A file of a replacement, such as signed terms: kept as it came, given out only as a download. Append-only."""

    replacement = models.ForeignKey(Replacement, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    content = models.BinaryField()
    brought_by = models.CharField(max_length=200)
    brought_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["replacement", "sha256"], name="reviews_replacementfile_once")]

    def __str__(self) -> str:
        return self.name


class ReplacementOffer(models.Model):
    """
    Which offer follows which. Without a new one, nothing follows the old one; without an old one, a new one goes live beside.
    """

    replacement = models.ForeignKey(Replacement, on_delete=models.CASCADE, related_name="offers")
    old = models.ForeignKey(Offer, null=True, on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey(Offer, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["id"]
        verbose_name = "mapped offer"
        constraints = [
            models.UniqueConstraint(fields=["replacement", "old"], name="reviews_replacementoffer_old_once"),
            models.CheckConstraint(
                condition=Q(old__isnull=False) | Q(new__isnull=False), name="reviews_replacementoffer_names_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old or 'nothing'} → {self.new or 'nothing'}"


class ReplacementHolder(models.Model):
    """
    A member who has unlocked an old offer and not activated it: told until when it can be activated. No address is here.

    Written at the cutover, and later for unlocks from before it that arrive late. settled_at: when the notice left.
    recalled_at: after a rollback, when the member was told that the offer stays.
    """

    replacement = models.ForeignKey(Replacement, on_delete=models.PROTECT, related_name="holders", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="+")
    unlocked_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=HolderState.choices, default=HolderState.WAITING)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    recalled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            # who is told next, and how many are?
            models.Index(fields=["replacement", "state", "member"], name="reviews_replacementholder_next"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["replacement", "member", "offer"], name="reviews_replacementholder_once"),
            models.CheckConstraint(condition=Q(state__in=HolderState.values), name="reviews_replacementholder_state_known"),
            models.CheckConstraint(
                condition=Q(state=HolderState.WAITING, settled_at__isnull=True)
                | (~Q(state=HolderState.WAITING) & Q(settled_at__isnull=False)),
                name="reviews_replacementholder_settled_has_settled_at",
            ),
        ]

    def __str__(self) -> str:
        return f"Holder {self.pk} of {self.replacement_id}"
