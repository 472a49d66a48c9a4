"""Raw exports: what was asked for, what was written, and who took it."""

import uuid

from django.db import models
from django.db.models import F, Q

from exports.choices import ExportFormat, ExportState
from partners.models import Program

WRITTEN = (ExportState.READY, ExportState.EXPIRED)


class Export(models.Model):
    """
    One package of events: asked for by a person, a token or the system, written by a job, taken by downloads.

    `[starts_date, ends_date)` are program days; filters: dimension to the values that are kept. cutoff: the last seal
    whose batches are in it, fixed when it first runs, so that a second attempt writes the same rows. attempt: which run
    may finish it. package: its folder within the storage, "" once the files are gone. sha256: of datapackage.json, which
    names the hashes of all other files. Expires by the schedule; the row is kept for ever.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="exports")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=ExportState.choices, default=ExportState.REQUESTED)
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    starts_date = models.DateField("first day")
    ends_date = models.DateField("day after the last")
    filters = models.JSONField(default=dict)
    format = models.CharField(max_length=10, choices=ExportFormat.choices, default=ExportFormat.CSV)
    is_identified = models.BooleanField("with outside ids", default=False)
    job_id = models.BigIntegerField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    cutoff = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    rows = models.BigIntegerField(null=True)
    bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    package = models.CharField(max_length=300, blank=True)
    expires_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ExportState.values), name="exports_export_state_known"),
            models.CheckConstraint(condition=Q(format__in=ExportFormat.values), name="exports_export_format_known"),
            models.CheckConstraint(condition=Q(ends_date__gt=F("starts_date")), name="exports_export_ends_after_start"),
            models.CheckConstraint(condition=Q(is_identified=False) | ~Q(reason=""), name="exports_export_identified_has_reason"),
            models.CheckConstraint(
                condition=~Q(state=ExportState.RUNNING) | Q(started_at__isnull=False, cutoff__isnull=False),
                name="exports_export_running_has_cutoff",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=WRITTEN)
                | (
                    Q(
                        rows__gte=0,
                        bytes__gte=0,
                        cutoff__isnull=False,
                        finished_at__isnull=False,
                        expires_at__gt=F("finished_at"),
                    )
                    & ~Q(sha256="")
                ),
                name="exports_export_written_is_described",
            ),
            models.CheckConstraint(
                condition=(Q(state=ExportState.READY) & ~Q(package="")) | (~Q(state=ExportState.READY) & Q(package="")),
                name="exports_export_only_ready_has_files",
            ),
            models.CheckConstraint(
                condition=(Q(state=ExportState.FAILED) & ~Q(error="")) | (~Q(state=ExportState.FAILED) & Q(error="")),
                name="exports_export_only_failed_has_error",
            ),
        ]
        indexes = [
            models.Index(fields=["program", "-asked_at"], name="exports_export_newest"),  # the program's exports, newest first
            models.Index(fields=["state", "expires_at"], name="exports_export_next_expiry"),  # whose files must go now?
        ]

    def __str__(self) -> str:
        return f"Export {str(self.uuid)[:8]}"


class ExportDownload(models.Model):
    """That somebody took a file of an export, or the whole package (`what` is "package"). Append-only."""

    export = models.ForeignKey(Export, on_delete=models.PROTECT, related_name="downloads")
    what = models.CharField(max_length=200)
    downloaded_by = models.CharField(max_length=200)
    downloaded_at = models.DateTimeField()

    class Meta:
        ordering = ["-downloaded_at", "-id"]
        constraints = [models.CheckConstraint(condition=~Q(what=""), name="exports_exportdownload_names_what")]

    def __str__(self) -> str:
        return f"{self.what} of {self.export}"
