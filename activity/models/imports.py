"""Files that people bring to the console, until what is in them was loaded."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from activity.choices import ImportKind, ImportState, PeopleMode
from partners.models import Program


class Import(models.Model):
    """
    Files that somebody brought: checked first, applied once somebody confirmed it, then removed.

    Made by an upload. `findings` is what the check counted, `result` what applying did; neither names anybody. The files,
    and reports that name people, lie in the private storage under `uuid` while `has_files`; a day after the upload they
    are gone, whatever the state.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="imports")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=ImportKind.choices)
    mode = models.CharField(max_length=10, choices=PeopleMode.choices, default=PeopleMode.DELTA)
    source = models.CharField(max_length=200, default="file", help_text="The source of events that name none.")
    files = models.JSONField(default=dict, help_text="Canonical name to the name that it was brought under, and its bytes.")
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.RECEIVING)
    has_files = models.BooleanField(default=True)
    findings = models.JSONField(null=True)
    result = models.JSONField(null=True)
    problem = models.TextField(blank=True, help_text="Why it was refused.")
    allows_leavers = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=ImportKind.values), name="activity_import_kind_known"),
            models.CheckConstraint(condition=Q(mode__in=PeopleMode.values), name="activity_import_mode_known"),
            models.CheckConstraint(condition=Q(state__in=ImportState.values), name="activity_import_state_known"),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True, confirmed_by__isnull=True)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False),
                name="activity_import_both_confirmed_at_and_confirmed_by_set",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[ImportState.APPLYING, ImportState.APPLIED]) | Q(confirmed_at__isnull=False),
                name="activity_import_applied_is_confirmed",
            ),
        ]
        indexes = [
            # whose files must go?
            models.Index(fields=["expires_at"], condition=Q(has_files=True), name="activity_import_with_files"),
        ]

    def __str__(self) -> str:
        return f"Import {self.pk}: {', '.join(self.files) or self.get_kind_display()}"
