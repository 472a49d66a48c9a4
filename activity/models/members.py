"""Members: pseudonymous inside; who they are outside lies in the vault and nowhere else."""

from django.db import models
from django.db.models import Q

from activity.choices import MemberState
from partners.models import Program


class Member(models.Model):
    """
    One person in one program, known by a random 128-bit key. Created by a people file or by an event of someone
    unknown; made inactive when they leave; the row outlives an erasure, which destroys the vault entry.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="members")
    key = models.BinaryField(max_length=16, unique=True)
    state = models.CharField(max_length=10, choices=MemberState.choices, default=MemberState.ACTIVE)
    joined_date = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()
    deactivated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state=MemberState.ACTIVE, deactivated_at__isnull=True)
                | Q(state=MemberState.INACTIVE, deactivated_at__isnull=False),
                name="activity_member_inactive_has_deactivated_at",
            ),
        ]

    def __str__(self) -> str:
        return f"Member {self.pk}"


class VaultEntry(models.Model):
    """
    The only link from a member to the outside: an HMAC look-up and values sealed under the member's own key.

    Destroyed by erasure, after which nothing leads back to the person.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE, primary_key=True, related_name="vault_entry")
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="+")
    lookup = models.BinaryField(max_length=32)
    wrapped_key = models.BinaryField(max_length=60)
    external_id_sealed = models.BinaryField()
    email_sealed = models.BinaryField(null=True)
    display_name_sealed = models.BinaryField(null=True)
    language = models.CharField(max_length=10, blank=True)
    push_opt_out = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "vault entries"
        constraints = [models.UniqueConstraint(fields=["program", "lookup"], name="activity_vaultentry_lookup_once")]

    def __str__(self) -> str:
        return f"Vault entry of member {self.member_id}"


class AttributeSet(models.Model):
    """
    One combination of a program's reporting attributes, as some member had it at the moment of some event.

    `values` maps attribute to text ("" for unknown); `digest` is SHA-256 of its canonical JSON. Insert-only.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="attribute_sets")
    values = models.JSONField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["program", "digest"], name="activity_attributeset_once")]

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value or 'unknown'}" for name, value in sorted(self.values.items())) or "no attributes"


class MemberVersion(models.Model):
    """
    A member's kept attributes from one instant on. The first version is open to the past (`valid_from` empty),
    so that events older than the people file have a segment. Written by people sync; a change is a new version.
    """

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="versions")
    valid_from = models.DateTimeField(null=True, blank=True)
    values = models.JSONField(default=dict)
    attribute_set = models.ForeignKey(AttributeSet, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["member", "id"]
        constraints = [
            models.UniqueConstraint(fields=["member", "valid_from"], name="activity_memberversion_once"),
            models.UniqueConstraint(
                fields=["member"], condition=Q(valid_from__isnull=True), name="activity_memberversion_one_open_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member} from {self.valid_from or 'ever'}"
