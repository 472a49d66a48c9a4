"""Operations: background jobs with live progress, and outgoing messages."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString

from plum_site.lib import outbox
from plum_site.lib.admin import Button, KeysetModelAdmin, allowed, console_admin, go, person_of, show_progress, try_to
from plum_site.lib.choices import AttemptStatus, JobState, OutboxState
from plum_site.lib.clock import now
from plum_site.lib.jobs import revive
from plum_site.lib.models import Job, Outbox
from plum_site.lib.present import Table, badge, count, instant

JOB_TONES = {JobState.DUE: "idle", JobState.RUNNING: "info", JobState.DONE: "good", JobState.DEAD: "bad"}
ATTEMPT_TONES = {AttemptStatus.OK: "good", AttemptStatus.LATER: "warn", AttemptStatus.REFUSED: "bad"}
MESSAGE_TONES = {OutboxState.WAITING: "idle", OutboxState.SENT: "good", OutboxState.DEAD: "bad"}


@console_admin(Job)
class JobAdmin(KeysetModelAdmin):
    """What runs in the background for this program."""

    program_path = "program_id"
    has_history = False
    read_operation = "job.read"
    list_display = ["name", "state_now", "progress", "created_at", "started_at", "finished_at", "attempts"]
    list_filter = ["state"]
    intro = "Work that runs in the background. A job that fails is tried again; one that was given up says why."
    empty_text = "No job yet. Running a review plans one."
    fields = [
        "name",
        "state_now",
        "progress",
        "key",
        "arguments",
        "due_at",
        "created_at",
        "started_at",
        "finished_at",
        "attempts",
        "max_attempts",
        "result",
        "error",
    ]
    readonly_fields = ["state_now", "progress"]

    def get_urls(self) -> list[URLPattern]:
        revive = self.act("<int:pk>/revive/", self.revive, "revive", "job.revive")
        return [revive, self.act("<int:pk>/progress/", self.tell_progress, "progress", "job.read", "GET"), *super().get_urls()]

    def buttons(self, request: HttpRequest, row: Job) -> list[Button]:
        if row.state != JobState.DEAD or not allowed(request, "job.revive"):
            return []
        return [Button("Try again", reverse("admin:plum_job_revive", args=[row.pk]), posts=True, is_primary=True)]

    def revive(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: all its attempts again."""
        job = self.row_or_404(request, pk)

        def act() -> str:
            revive(job_id=job.pk, actor=person_of(request), at=now())
            return "The job is tried again."

        try_to(request, act)
        return go(request, "plum_job_change", pk)

    def tell_progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far one job is, for the page that shows it."""
        job = self.row_or_404(request, pk)
        return JsonResponse(
            {
                "state": job.state,
                "label": job.get_state_display(),
                "done": job.progress_done,
                "total": job.progress_total,
                "note": job.progress_note,
                "ended": job.state in (JobState.DONE, JobState.DEAD),
            }
        )

    def state_now(self, row: Job) -> SafeString:
        return badge(row.get_state_display(), JOB_TONES[JobState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]

    def progress(self, row: Job) -> SafeString | str:
        return show_progress(row)


@console_admin(Outbox)
class OutboxAdmin(KeysetModelAdmin):
    """Messages that leave or have left."""

    program_path = "program_id"
    has_history = False
    read_operation = "job.read"
    list_display = ["channel", "recipient", "subject", "state_now", "created_at", "sent_at", "attempts"]
    list_filter = ["state", "channel"]
    fields = [
        "channel",
        "recipient",
        "subject",
        "state_now",
        "message_id",
        "created_at",
        "due_at",
        "sent_at",
        "attempts",
        "error",
    ]
    readonly_fields = ["subject", "state_now"]
    intro = (
        "Mail and webhooks, each written in the transaction that caused it and sent after the commit. What fails is tried again "
        "by itself, for two days and more; what was given up says why."
    )
    empty_text = "Nothing has been sent yet. Reports, flags for owners and webhooks appear here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Outbox]:
        # A report is a megabyte with its attachment: lists read its subject only.
        rows = super().get_queryset(request).defer("payload")
        return rows.annotate(mail_subject=KT("payload__headers__Subject"))

    def get_urls(self) -> list[URLPattern]:
        return [self.act("<int:pk>/revive/", self.revive, "revive", "message.revive"), *super().get_urls()]

    def buttons(self, request: HttpRequest, row: Outbox) -> list[Button]:
        if row.state != OutboxState.DEAD or not row.payload or not allowed(request, "message.revive"):
            return []
        return [Button("Try again", reverse("admin:plum_outbox_revive", args=[row.pk]), posts=True, is_primary=True)]

    def revive(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One service call: all its attempts again."""
        message = self.row_or_404(request, pk)

        def act() -> str:
            outbox.revive(message_id=message.pk, actor=person_of(request), at=now())
            return "The message is tried again."

        try_to(request, act)
        return go(request, "plum_outbox_change", pk)

    def tables(self, request: HttpRequest, row: Outbox) -> list[Table]:
        rows = [
            [
                instant(one.at),
                badge(one.get_status_display(), ATTEMPT_TONES[AttemptStatus(one.status)]),
                one.detail or "no answer kept",
                count(one.milliseconds),
            ]
            for one in row.tries.order_by("-at", "-pk")
        ]
        empty = "None yet." if row.state == OutboxState.WAITING else "None is kept any more: they are removed after 30 days."
        headers = ["When", "How it ended", "What the other side said", "Milliseconds"]
        return [Table("Attempts, newest first", headers, rows, empty, frozenset({3}))]

    def subject(self, row: Any) -> str:
        return row.mail_subject or ""

    def state_now(self, row: Outbox) -> SafeString:
        return badge(row.get_state_display(), MESSAGE_TONES[OutboxState(row.state)])

    state_now.short_description = "state"  # type: ignore[attr-defined]
