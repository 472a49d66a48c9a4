"""What has to go: files that expired, what killed workers left behind, and exports that nobody will write any more."""

import shutil
from datetime import datetime
from functools import partial

from django.db import transaction

from exports.choices import ExportState
from exports.models import Export
from exports.selectors.exports import list_expired, list_stuck
from exports.services.places import WORK, list_folders, package_folder
from exports.services.requests import lock_export
from exports.services.running import fail_export
from exports.workflow import TRANSITIONS
from plum_site.lib import audit
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import Job, User
from plum_site.lib.workflow import find_transition


def expire_export(*, export_id: int, actor: User | str, at: datetime) -> Export:
    """
    Remove the files of an export for good; its row and its log stay.

    The row changes first: nobody can begin to take files that are going.
    Raises: NotFound; DomainError - transition_refused.
    Writes: exports_export, plum_auditevent, files in the storage.
    """
    with transaction.atomic():
        export = lock_export(export_id)
        folder = package_folder(export)
        export.state = find_transition(TRANSITIONS, "expire", export.state).target
        before = {"state": str(ExportState.READY), "package": export.package}
        export.package = ""
        export.save(update_fields=["state", "package"])
        after = {"state": str(export.state)}
        audit.record(
            program_id=export.program_id,
            actor=actor,
            action="exports.expire_export",
            row=export,
            at=at,
            before=before,
            after=after,
        )
        # What is in a transaction that is taken back stays where it is.
        transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))
    return export


def tidy_exports(*, at: datetime) -> int:
    """
    Expire what is due, give up what no worker will write, and remove folders that belong to neither; how many of each.

    Raises: nothing of its own.
    Writes: exports_export, plum_auditevent, files in the storage.
    """
    done = 0
    for export in list_expired(at):
        expire_export(export_id=export.pk, actor=SYSTEM, at=at)
        done += 1
    for export in list_stuck():
        job = Job.objects.filter(pk=export.job_id).first() if export.job_id is not None else None
        last = (job.error.strip().splitlines() or [""])[-1] if job else "its job is gone"
        error = f"It was tried several times and given up: {last} Try again, or ask whoever runs Plum."
        fail_export(export_id=export.pk, error=error, actor=SYSTEM, at=at)
        done += 1
    return done + _remove_leftovers()


def _remove_leftovers() -> int:
    """Folders of attempts that are over, and of packages that no ready export has."""
    removed = 0
    for folder in list_folders():
        name, _, attempt = folder.name.rpartition("-") if folder.parent.name == WORK else (folder.name, "", "")
        export = Export.objects.filter(uuid=name).first() if len(name) == 36 else None
        is_running = export is not None and export.state == ExportState.RUNNING
        if attempt:
            is_kept = is_running and export is not None and str(export.attempt) == attempt
        else:  # a package is moved into its place a moment before its row is ready
            is_kept = is_running or (export is not None and export.state == ExportState.READY)
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
