"""Applying files that somebody confirmed: once, whatever happens to the worker on the way."""

from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.db import transaction

from activity.choices import ImportKind, ImportState
from activity.models import Import
from activity.services.canonical import UnableToReadFolder
from activity.services.import_checks import Progress, open_tables
from activity.services.import_files import REJECTS, as_folder, remove, store_rejects, store_report
from activity.services.loading import LoadReport, load_tables
from activity.services.people import apply_people
from activity.services.people_files import read_people
from activity.services.people_report import UnableToApplyPeople
from activity.services.rejects import RejectsFile

ENDED = (ImportState.APPLIED, ImportState.REFUSED, ImportState.EXPIRED, ImportState.DISCARDED)


def apply_import(
    *, import_id: int, at: datetime, attempt: int = 1, progress: Progress = lambda done, total, note: None
) -> dict[str, Any]:
    """
    Apply files that were confirmed; what was brought is removed, what was not taken can be downloaded until it expires.

    People are applied in one transaction with the end of the import, so that they count once. Partners, offers and events
    are loaded step by step; an attempt after a crash finds them there and calls them unchanged or duplicate.
    Raises: OSError where the storage cannot be read or written.
    Writes: activity_import, what apply_people and load_tables write; the default storage.
    """
    brought = Import.objects.select_related("program", "confirmed_by").get(pk=import_id)
    if brought.state in ENDED:
        remove(brought=brought, keeps_reports=True)
        return brought.result or {}
    try:
        result = _apply_people(brought, at, progress) if brought.kind == ImportKind.PEOPLE else _load(brought, at, progress)
    except (UnableToApplyPeople, UnableToReadFolder) as error:
        store_report(brought=brought, report={"problem": error.detail})
        Import.objects.filter(pk=brought.pk).update(state=ImportState.REFUSED, problem=error.code, finished_at=at)
        return {}
    if attempt > 1 and brought.kind == ImportKind.FOLDER:
        result["attempt"] = attempt
        Import.objects.filter(pk=brought.pk).update(result=result)
    remove(brought=brought, keeps_reports=True)
    return result


def _apply_people(brought: Import, at: datetime, progress: Progress) -> dict[str, Any]:
    program = brought.program
    with TemporaryDirectory(dir=settings.VAR) as scratch, as_folder(brought=brought) as folder:
        table = open_tables(brought=brought, folder=folder)["members.csv"]
        rejects = RejectsFile(Path(scratch) / REJECTS)
        with closing(rejects), transaction.atomic():
            # Whoever else applies the same import waits here, and then finds it applied.
            locked = Import.objects.select_for_update().get(pk=brought.pk)
            if locked.state != ImportState.APPLYING:
                return locked.result or {}
            report = apply_people(
                program=program,
                rows=read_people(table=table, attributes=program.member_attributes),
                source="console",
                mode=brought.mode,
                actor=brought.confirmed_by or "system",
                at=at,
                allow_leavers=brought.allows_leavers,
                progress=lambda done: progress(done, table.rows, "people applied"),
                on_fault=rejects.add_fault,
            )
            result = {"counts": {"members.csv": report.counts()}, "rejected": rejects.count}
            _finish(brought, result, at)
        store_rejects(brought=brought, path=rejects.path)
        store_report(brought=brought, report={"people": report.as_json()})
    return result


def _load(brought: Import, at: datetime, progress: Progress) -> dict[str, Any]:
    report = LoadReport(program=brought.program.code)
    with TemporaryDirectory(dir=settings.VAR) as scratch, as_folder(brought=brought) as folder:
        tables = open_tables(brought=brought, folder=folder)
        rejects = RejectsFile(Path(scratch) / REJECTS)
        with closing(rejects):
            load_tables(
                program=brought.program,
                tables=tables,
                rejects=rejects,
                report=report,
                actor=brought.confirmed_by or "system",
                at=at,
                source=brought.source,
                progress=lambda step, done, total: progress(done, total, step),
            )
        store_rejects(brought=brought, path=rejects.path)
        store_report(brought=brought, report={"faults": rejects.first})
    found = asdict(report)
    outcomes = {name: found[name] for name in ("received", "accepted", "duplicate", "conflict", "rejected")}
    counts: dict[str, Any] = {
        name: {"taken": found[noun]}
        for name, noun in (("partners.csv", "partners"), ("offers.csv", "offers"), ("members.csv", "members"))
        if name in tables
    }
    if "events" in tables:
        counts[tables["events"].path.name] = outcomes
    result = {"counts": counts, "rejected": report.rejected_rows, "warnings": dict(report.warnings), "ignored": report.ignored}
    _finish(brought, result, at)
    return result


def _finish(brought: Import, result: dict[str, Any], at: datetime) -> None:
    Import.objects.filter(pk=brought.pk).update(state=ImportState.APPLIED, result=result, finished_at=at)
