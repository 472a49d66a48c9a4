"""The checks of `manage.py verify` that look at the foundation's own rows, and the summary of all checks together."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Q
from django.utils.module_loading import autodiscover_modules

from plum_site.lib import jobs
from plum_site.lib import verify as registry
from plum_site.lib.audit import SYSTEM
from plum_site.lib.choices import JobState, OutboxState
from plum_site.lib.models import ApiToken, AuditEvent, Job, Outbox, User
from plum_site.lib.outbox import list_late
from plum_site.lib.verify import Finding, check

LATE = timedelta(seconds=90)
SHOWN = 20  # violations kept in a summary; `manage.py verify` prints all


def load_checks() -> list[str]:
    """Import every app's `verify` module, which registers its checks; the names of the areas."""
    autodiscover_modules("verify")
    return sorted(registry.CHECKS)


def summarise_all(*, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """
    Run every check.

    Shape: {"checks": number of lines, "checked": rows looked at, "violations": number, "first": the first sentences}.
    """
    areas = load_checks()
    findings: list[Finding] = []
    for number, area in enumerate(areas):
        progress(number, len(areas), area)
        findings += registry.run(area)
    violations = [f"{finding.check}: {text}" for finding in findings for text in finding.violations]
    return {
        "checks": len(findings),
        "checked": sum(finding.checked for finding in findings),
        "violations": len(violations),
        "first": violations[:SHOWN],
    }


@check("jobs")
def check_jobs() -> Iterator[Finding]:
    """No job waits unclaimed for over 90 s, none runs with a lease that ran out, none was given up."""
    at = jobs.database_now()
    waiting = Job.objects.filter(state=JobState.DUE)
    late = waiting.filter(due_at__lt=at - LATE).order_by("due_at", "pk")
    yield Finding(
        "jobs: due and not claimed for over 90 s",
        waiting.count(),
        [f"job {job.pk} {job.key} due {job.due_at:%Y-%m-%d %H:%M:%S}" for job in late],
    )
    running = Job.objects.filter(state=JobState.RUNNING)
    orphans = running.filter(lease_until__lt=at - LATE).order_by("pk")
    yield Finding("jobs: running without a lease", running.count(), [f"job {job.pk} {job.key}" for job in orphans])
    dead = Job.objects.filter(state=JobState.DEAD).order_by("pk")
    reasons = [f"job {job.pk} {job.key}: {(job.error.strip().splitlines() or ['no error text'])[-1]}" for job in dead]
    yield Finding("jobs: given up", Job.objects.count(), reasons)


@check("jobs")
def check_outbox() -> Iterator[Finding]:
    """No message waits past its schedule without a sender (I22)."""
    late = list_late(jobs.database_now(), LATE)
    yield Finding(
        "outbox: undone past its schedule",
        Outbox.objects.filter(state=OutboxState.WAITING).count(),
        [f"message {row.pk} ({row.channel}) due {row.due_at:%Y-%m-%d %H:%M:%S}, {row.attempts} attempts" for row in late],
    )


@check("audit")
def check_audit() -> Iterator[Finding]:
    """The audit log is still append-only, and every row names an actor and a kind of object that exist."""
    verbs = ("edit", "truncate") if connection.vendor == "postgresql" else ("UPDATE", "DELETE")
    missing = sorted({f"plum_auditevent_no_{verb}" for verb in verbs} - _enabled_triggers())
    yield Finding("audit: append-only", 2, [f"trigger {name} is missing or switched off: rows can be edited" for name in missing])
    people = {f"user:{pk}" for pk in User.objects.values_list("pk", flat=True)}
    tokens = {f"token:{pk}" for pk in ApiToken.objects.values_list("pk", flat=True)}
    known = Q(actor=SYSTEM) | Q(actor__in=people | tokens)
    unknown = AuditEvent.objects.exclude(known).order_by("pk").values_list("pk", "actor")
    total = AuditEvent.objects.count()
    yield Finding("audit: actors", total, [f"row {pk} was written by {actor!r}, who is not there" for pk, actor in unknown])
    labels = {model._meta.label for model in apps.get_models()}
    odd = [
        f"row {pk} is about {reference!r}, which names no kind of object"
        for pk, reference in AuditEvent.objects.order_by("pk").values_list("pk", "object_ref").iterator()
        if reference.partition(":")[0] not in labels
    ]
    yield Finding("audit: objects", total, odd)


def _enabled_triggers() -> set[str]:
    """The names of the triggers on the audit log that are in force."""
    table = AuditEvent._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled IN ('O', 'A')", [table])
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table])
        return {str(row[0]) for row in cursor.fetchall()}
