"""
The foundation's tables: people, rights, tokens, audit, jobs and outgoing messages.

Program-bound rows hold a plain indexed `program_id`: this app knows no other, and `verify tenancy` checks the ids.
"""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from plum_site.lib.choices import AttemptStatus, JobState, OutboxState, Role


class User(AbstractUser):
    """A person who signs in. Made by an administrator; deactivated, never deleted, so that the audit stays readable."""

    email = models.EmailField("e-mail address", blank=True)

    class Meta:
        verbose_name = "user"


class RoleGrant(models.Model):
    """One person's role in one program. Granted and taken away by a program admin; a person may hold several."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="role_grants")
    program_id = models.BigIntegerField(db_index=True)  # which people work in this program?
    role = models.CharField(max_length=20, choices=Role.choices)
    granted_at = models.DateTimeField()
    granted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "program_id", "role"], name="plum_rolegrant_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="plum_rolegrant_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display()}"


class ApiToken(models.Model):
    """
    A machine's key to one program. Only `prefix` (for look-up) and a keyed digest of the secret are kept.

    Made with `create_token` or in the console, shown once, revoked by setting `revoked_at`; never deleted.
    """

    program_id = models.BigIntegerField(db_index=True)  # which tokens has this program?
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    secret_digest = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=list, help_text="List of scope codes.")
    is_sandbox = models.BooleanField(default=False, help_text="Events sent with it never count.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    revoked_by_token = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="The token that revoked it by API."
    )

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revoked_at__isnull=True, revoked_by__isnull=True, revoked_by_token__isnull=True)
                | models.Q(revoked_at__isnull=False, revoked_by__isnull=False, revoked_by_token__isnull=True)
                | models.Q(revoked_at__isnull=False, revoked_by__isnull=True, revoked_by_token__isnull=False),
                name="plum_apitoken_both_revoked_at_and_revoked_by_set",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="plum_apitoken_expires_after_creation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class KeptAnswer(models.Model):
    """
    The answer to one POST that came with an Idempotency-Key, given again when the same request comes again.

    Claimed (status empty) before the change, in a transaction of its own; the answer is written in the transaction of the
    change. A request that fails gives its claim back. `fence` grows with every claim, so that a request that was thought
    dead cannot finish. Removed a day after it was claimed.
    """

    program_id = models.BigIntegerField()
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="kept_answers")
    key_digest = models.CharField(max_length=64, help_text="SHA-256 of the key that the client chose.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    fence = models.PositiveIntegerField(default=1)
    claimed_at = models.DateTimeField(db_index=True)  # which are old enough to go?
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status; empty while the request is under way.")
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key_digest"], name="plum_keptanswer_once")]

    def __str__(self) -> str:
        return f"answer to {self.key_digest[:8]}"


class AuditEvent(models.Model):
    """
    One change: who did what to which object, when, with the values before and after.

    Written by `lib.audit.record` in the transaction of the change it describes, so there is no change without it.
    Append-only: triggers on both engines refuse UPDATE and DELETE.
    """

    program_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text='"user:ID", "token:ID" or "system".')
    action = models.CharField(max_length=80, help_text='"app.verb_noun", as the service is called.')
    object_ref = models.CharField(max_length=120, help_text='"app.Model:id".')
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    comment = models.TextField(blank=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["program_id", "-at", "-id"], name="plum_audit_newest"),  # the audit page, and a period of it
            models.Index(fields=["program_id", "actor", "-at", "-id"], name="plum_audit_of_actor"),  # what did they do?
            models.Index(fields=["program_id", "action", "-at", "-id"], name="plum_audit_of_action"),  # when was this done?
            models.Index(fields=["object_ref", "-id"], name="plum_audit_object_newest"),  # the history of one object
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_ref}"


class Job(models.Model):
    """
    One piece of work to be done once: the database is the queue.

    `key` says which effect it stands for and is unique, so nothing is planned twice. Claimed by lease: `fence`
    grows with every claim and a claimant whose fence is stale may not finish. Made by services and by
    `dispatch_due`; ends as done, or as dead after `max_attempts`.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    program_id = models.BigIntegerField(null=True, db_index=True)  # what runs for this program?
    name = models.CharField(max_length=80, help_text='"app.verb_noun", as registered with lib.jobs.')
    key = models.CharField(max_length=200, unique=True)
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.DUE)
    due_at = models.DateTimeField()
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When the sweep last sent a wake-up for it.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    progress_note = models.CharField(max_length=200, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=JobState.values), name="plum_job_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state=JobState.RUNNING) | models.Q(lease_until__isnull=False),
                name="plum_job_running_has_lease",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=[JobState.DONE, JobState.DEAD]) | models.Q(finished_at__isnull=False),
                name="plum_job_ended_has_finished_at",
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="plum_job_next_due")]  # what is due now?

    def __str__(self) -> str:
        return f"{self.name} {self.key}"


class Heartbeat(models.Model):
    """
    When a part of the running system last showed that it lives: "beat", "worker", "dispatch" (the last sweep).

    One row a part, made by its first beat and overwritten by every later one; never deleted.
    """

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"


class Outbox(models.Model):
    """
    One message that must leave: written in the transaction that causes it, sent after the commit.

    `channel` is mail or webhook; `dedup_key` makes a message unique, `message_id` stays the same over every attempt. The
    sender (lib.outbox) claims it by lease and ends it as sent or given up; the row stays, its payload is emptied in time.
    """

    program_id = models.BigIntegerField(null=True, db_index=True)  # what did this program send?
    channel = models.CharField(max_length=20)
    recipient = models.CharField(max_length=500)
    dedup_key = models.CharField(max_length=200, unique=True)
    message_id = models.CharField(max_length=200, unique=True)
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=OutboxState.choices, default=OutboxState.WAITING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "outgoing message"
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=OutboxState.values), name="plum_outbox_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state=OutboxState.SENT) | models.Q(sent_at__isnull=False), name="plum_outbox_sent_has_sent_at"
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="plum_outbox_next_due")]  # what must leave now?

    def __str__(self) -> str:
        return f"{self.channel} to {self.recipient}"


class OutboxAttempt(models.Model):
    """
    One attempt to deliver one outgoing message: what the other side answered, and how long that took.

    Written by the sender when an attempt ends, or when it finds that the one before was cut off; removed after 30 days.
    """

    message = models.ForeignKey(Outbox, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=AttemptStatus.choices)
    detail = models.TextField(blank=True)
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "delivery attempt"
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=AttemptStatus.values), name="plum_outboxattempt_status_known")
        ]
        indexes = [models.Index(fields=["at"], name="plum_outboxattempt_by_age")]  # which are old enough to go?

    def __str__(self) -> str:
        return f"{self.get_status_display()} at {self.at:%Y-%m-%d %H:%M:%S}"
