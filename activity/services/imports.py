"""Files that people bring: received, checked, confirmed once, applied once, and removed within a day."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core.files.base import File
from django.db import transaction
from django.db.models import Q

from activity.choices import ImportKind, ImportState, PeopleMode
from activity.models import Import
from activity.services.canonical import EVENT_FILES
from activity.services.import_files import remove, store
from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.choices import JobState
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import Job, User

KEPT_FOR = timedelta(days=1)
CHECK, APPLY = "activity.check_import", "activity.apply_import"
FOLDER_FILES = ("partners.csv", "offers.csv", "members.csv", "seasonal_index.csv", *EVENT_FILES)
OPEN = (ImportState.READY, ImportState.REFUSED)


def start_import(
    *,
    program: Program,
    kind: str,
    files: Mapping[str, File],
    actor: User,
    at: datetime,
    mode: str = PeopleMode.DELTA,
    source: str = "file",
) -> Import:
    """
    Keep files privately and have them checked in the background; nothing of the program changes yet.

    files: by canonical name, at most one of them with events.
    Raises: InvalidInput (code "no_files", "unknown_file" or "events_file").
    Writes: activity_import, plum_job, plum_auditevent; the default storage.
    """
    _check_names(kind, list(files))
    told = {name: {"name": str(file.name or name)[:200], "size": file.size} for name, file in files.items()}
    # The row comes first: whatever happens to this process, somebody knows of the files and removes them.
    brought = Import.objects.create(
        program=program,
        kind=kind,
        mode=mode,
        source=source,
        files=told,
        created_by=actor,
        created_at=at,
        expires_at=at + KEPT_FOR,
    )
    for name, file in files.items():
        store(brought=brought, name=name, contents=file)
    with transaction.atomic():
        brought.state = ImportState.CHECKING
        brought.save(update_fields=["state"])
        after = {"kind": kind, "mode": mode, "files": sorted(files)}
        audit.record(program_id=program.pk, actor=actor, action="activity.start_import", row=brought, at=at, after=after)
        _plan(brought, CHECK, at)
    return brought


def _check_names(kind: str, names: list[str]) -> None:
    wanted = ("members.csv",) if kind == ImportKind.PEOPLE else FOLDER_FILES
    strange = [name for name in names if name not in wanted]
    if strange:
        raise InvalidInput("unknown_file", f"{strange[0]} is no file that Plum reads here. Nothing was kept.")
    if not names:
        raise InvalidInput("no_files", "Choose at least one file. Nothing was kept.")
    if sum(name in EVENT_FILES for name in names) > 1:
        raise InvalidInput("events_file", "There can be one events file at a time. Nothing was kept.")


def _plan(brought: Import, name: str, at: datetime) -> Job:
    return jobs.plan(
        name=name,
        key=f"{name}:{brought.uuid}",
        program_id=brought.program_id,
        arguments={"import_id": brought.pk},
        due_at=at,
        at=at,
    )


def find_job(*, brought: Import) -> Job | None:
    """
    The job that works on an import now, or that was given up; None once it has done its work.

    Raises: nothing of its own.
    Writes: nothing.
    """
    name = {ImportState.CHECKING: CHECK, ImportState.APPLYING: APPLY}.get(ImportState(brought.state))
    return Job.objects.filter(key=f"{name}:{brought.uuid}").first() if name else None


def confirm_import(*, import_id: int, allow_leavers: bool = False, actor: User, at: datetime) -> Import:
    """
    Have checked files applied in the background. Confirming again, or by two people at once, does it once.

    allow_leavers: a person has looked at the list of those who would be deactivated, and means it.
    Raises: DomainError (code "not_ready" or "leavers_not_allowed").
    Writes: activity_import, plum_job, plum_auditevent; locks the import; one transaction.
    """
    with transaction.atomic():
        brought = Import.objects.select_for_update().get(pk=import_id)
        if brought.state in (ImportState.APPLYING, ImportState.APPLIED):
            return brought
        if brought.state != ImportState.READY:
            label = brought.get_state_display().lower()
            raise DomainError("not_ready", f"These files are {label}. Nothing was changed. Bring them again to apply them.")
        if (brought.findings or {}).get("refusal") == "too_many_leavers" and not allow_leavers:
            raise DomainError(
                "leavers_not_allowed",
                "Tick the box to say that everyone on the list has left. Nothing was changed.",
                {"allow_leavers": "Tick this to go on, or bring a complete file."},
            )
        brought.state, brought.allows_leavers = ImportState.APPLYING, allow_leavers
        brought.confirmed_at, brought.confirmed_by = at, actor
        brought.save(update_fields=["state", "allows_leavers", "confirmed_at", "confirmed_by"])
        after = {"files": sorted(brought.files), "allow_leavers": allow_leavers}
        audit.record(
            program_id=brought.program_id, actor=actor, action="activity.confirm_import", row=brought, at=at, after=after
        )
        _plan(brought, APPLY, at)
    return brought


def discard_import(*, import_id: int, actor: User, at: datetime) -> Import:
    """
    Throw checked files away; nothing of the program changes.

    Raises: DomainError (code "not_open") where they are being checked or applied, or were.
    Writes: activity_import, plum_auditevent; locks the import; the default storage.
    """
    with transaction.atomic():
        brought = Import.objects.select_for_update().get(pk=import_id)
        if brought.state not in OPEN:
            label = brought.get_state_display().lower()
            raise DomainError("not_open", f"These files are {label}, so there is nothing to discard. Nothing was changed.")
        brought.state, brought.finished_at = ImportState.DISCARDED, at
        brought.save(update_fields=["state", "finished_at"])
        audit.record(program_id=brought.program_id, actor=actor, action="activity.discard_import", row=brought, at=at)
    forget_files(brought=brought)
    return brought


def expire_imports(*, program_id: int, at: datetime) -> int:
    """
    Remove the files of imports that are a day old, and close those that nobody confirmed; how many. Safe to run twice.

    What is being applied keeps its files, unless its job was given up.
    Raises: OSError where the storage cannot be written.
    Writes: activity_import; the default storage.
    """
    expired = 0
    for brought in list_expired(program_id=program_id, at=at):
        job = find_job(brought=brought)
        if brought.state == ImportState.APPLYING and job is not None and job.state != JobState.DEAD:
            continue
        # Only from the state that was seen: a confirmation that came meanwhile wins.
        still = Import.objects.filter(pk=brought.pk, state=brought.state)
        closed = brought.state in (ImportState.APPLIED, ImportState.DISCARDED, ImportState.REFUSED)
        if closed or still.update(state=ImportState.EXPIRED, finished_at=at):
            forget_files(brought=brought)
            expired += 1
    return expired


def list_expired(*, program_id: int, at: datetime) -> list[Import]:
    """
    The imports of a program whose files must go.

    Raises: nothing of its own.
    Writes: nothing.
    """
    return list(Import.objects.filter(Q(expires_at__lte=at), program_id=program_id, has_files=True).order_by("pk"))


def forget_files(*, brought: Import) -> None:
    """
    Remove everything that was brought and found.

    Raises: OSError where the storage cannot be written.
    Writes: activity_import.has_files; the default storage.
    """
    remove(brought=brought, keeps_reports=False)
    Import.objects.filter(pk=brought.pk).update(has_files=False)
