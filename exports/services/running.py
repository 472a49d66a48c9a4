"""Writing an export from start to end: safe to run twice, and nothing can be taken before all of it is there."""

import errno
import shutil
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import transaction

from activity.selectors import head_of
from activity.services import seal_ledger
from exports.choices import ExportState
from exports.models import Export
from exports.rules import MANIFEST
from exports.selectors.exports import describe_export
from exports.selectors.rows import make_selection
from exports.services.packages import Progress, UnableToWriteExport, write_package
from exports.services.places import put_in_place, work_folder
from exports.services.requests import lock_export
from exports.workflow import TRANSITIONS
from plum_site.lib import audit
from plum_site.lib.announcements import address_of, announce
from plum_site.lib.errors import DomainError
from plum_site.lib.models import User
from plum_site.lib.people import names_of
from plum_site.lib.workflow import find_transition

KEPT = timedelta(days=7)
ERROR_LENGTH = 1000
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def run_export(*, export_id: int, actor: User | str, at: datetime, progress: Progress = lambda done, total, note: None) -> Export:
    """
    Write the package of an export and make it ready; one that ended already comes back as it is.

    Everything committed by now is sealed first; the head of the ledger is the cut-off. Where it ran before and was
    killed, the same cut-off holds again. Where the package cannot be written (no room on disk, a filter that no
    longer fits), the export has failed and says why; a fault of the database is raised, so that the job tries again.
    Raises: NotFound; what the database raises.
    Writes: exports_export, plum_auditevent, files in the storage; what seal_ledger and listeners of "export.ready" write.
    Source: docs/exports.md
    """
    export = _start(export_id, at)
    if export.state != ExportState.RUNNING:
        return export
    folder = work_folder(export)
    try:
        selection = make_selection(export.program, export.starts_date, export.ends_date, export.filters, export.cutoff or 0)
        requester = names_of([export.asked_by])[export.asked_by]
        manifest = write_package(export=export, selection=selection, folder=folder, requester=requester, at=at, progress=progress)
        return _finish(export, folder, manifest, actor, at)
    except (OSError, DomainError) as error:
        return fail_export(export_id=export.pk, attempt=export.attempt, error=_sentence(error), actor=actor, at=at)
    finally:
        for left in folder.parent.glob(f"{export.uuid}-*"):  # those of attempts that were killed, too
            if int(left.name.rpartition("-")[2]) <= export.attempt:
                shutil.rmtree(left, ignore_errors=True)


@transaction.atomic
def fail_export(*, export_id: int, error: str, actor: User | str, at: datetime, attempt: int | None = None) -> Export:
    """
    Give an export up, with a sentence that says why. attempt: which one failed; a later one is left alone.

    Raises: NotFound.
    Writes: exports_export, plum_auditevent.
    """
    export = lock_export(export_id)
    is_overtaken = attempt is not None and export.attempt != attempt
    if is_overtaken or export.state not in TRANSITIONS["fail"].sources:
        return export
    before = str(export.state)
    export.state, export.error, export.finished_at = ExportState.FAILED, error[:ERROR_LENGTH], at
    export.save(update_fields=["state", "error", "finished_at"])
    audit.record(
        program_id=export.program_id,
        actor=actor,
        action="exports.fail_export",
        row=export,
        at=at,
        before={"state": before},
        after={"state": str(export.state), "error": export.error},
    )
    return export


def _start(export_id: int, at: datetime) -> Export:
    """Take the export: a new attempt, with the cut-off of the first one. Later attempts shut out earlier ones."""
    with transaction.atomic():
        export = lock_export(export_id)
        if export.state not in TRANSITIONS["start"].sources:
            return export
    seal_ledger(program_id=export.program_id, at=at)
    with transaction.atomic():
        export = lock_export(export_id)
        if export.state not in TRANSITIONS["start"].sources:
            return export
        if export.cutoff is None:
            head = head_of(export.program_id)
            export.cutoff = head.number if head else 0
        export.state = find_transition(TRANSITIONS, "start", export.state).target
        export.attempt += 1
        export.started_at = at
        export.save(update_fields=["state", "attempt", "cutoff", "started_at"])
        return export


@transaction.atomic
def _finish(started: Export, folder: Path, manifest: dict[str, Any], actor: User | str, at: datetime) -> Export:
    export = lock_export(started.pk)
    if export.state != ExportState.RUNNING or export.attempt != started.attempt:
        return export  # another attempt has begun: this one leaves nothing
    described = manifest["plum"]
    export.state = find_transition(TRANSITIONS, "finish", export.state).target
    export.rows, export.bytes = described["rows"], described["bytes"]
    export.sha256 = sha256((folder / MANIFEST).read_bytes()).hexdigest()
    export.finished_at, export.expires_at = at, at + KEPT
    export.package = put_in_place(export, folder)
    export.save()
    after = {"state": str(export.state), "rows": export.rows, "bytes": export.bytes, "cutoff": export.cutoff}
    audit.record(
        program_id=export.program_id,
        actor=actor,
        action="exports.finish_export",
        row=export,
        at=at,
        before={"state": str(ExportState.RUNNING)},
        after=after | {"sha256": export.sha256},
    )
    facts = describe_export(export)
    announce(
        type="export.ready",
        program_id=export.program_id,
        key=str(export.uuid),
        data={**{name: facts[name] for name in ("id", "program", "from", "to")}, "rows": export.rows}
        | {"url": address_of("api:export", export.uuid)},
        at=at,
    )
    return export


def _sentence(error: Exception) -> str:
    """What went wrong, for the person who asked."""
    if isinstance(error, UnableToWriteExport):
        return error.detail
    if isinstance(error, DomainError):
        return f"It can no longer be written as it was asked for: {error.detail}"
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return "There is no room left on the disk for the files. Nothing can be taken. Make room, then try again."
    return f"The files could not be written ({error}). Nothing can be taken. Try again, or ask whoever runs Plum."
