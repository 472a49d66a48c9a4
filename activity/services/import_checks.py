"""What files would do: everything is read and counted, and nothing of the program changes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.db import transaction

from activity.choices import ImportKind, ImportState, Outcome
from activity.models import Import
from activity.rules import FILE_COLUMNS, unknown_columns
from activity.services.canonical import EVENT_FILES, REQUIRED, Table, UnableToReadFolder, check_table
from activity.services.directory import MemberDirectory
from activity.services.event_files import Chunk, read_chunks
from activity.services.import_files import REJECTS, as_folder, store_rejects, store_report
from activity.services.loading import load_rows
from activity.services.people import apply_people
from activity.services.people_files import read_people
from activity.services.people_report import PeopleReport
from activity.services.rehearsal import foresee_events
from activity.services.rejects import RejectsFile
from offers.resources import OfferResource
from offers.rules import OfferFacts, parse_offer
from offers.selectors import read_catalog
from offers.services import save_offers
from partners.models import Program
from partners.resources import PartnerResource
from partners.rules import SavedRows, parse_partner, parse_seasonal_index
from partners.services import save_partners, save_seasonal_index
from plum_site.lib import audit
from plum_site.lib.models import User
from plum_site.lib.resources import ServiceResource

SHOWN = 200
Progress = Callable[[int, int, str], None]


@dataclass
class Findings:
    """What a check found: counts by file (kept with the import), and the rows behind them (kept with the files)."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    people: PeopleReport | None = None
    ignored: list[str] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    strangers: int = 0
    missing_offers: bool = False


def check_import(*, import_id: int, at: datetime, progress: Progress = lambda done, total, note: None) -> dict[str, Any]:
    """
    Read files that were brought, and say what applying them would do. Safe to run again; one that was checked is left alone.

    Raises: OSError where the storage cannot be read.
    Writes: activity_import; plum_auditevent where a list of leavers is shown; the default storage.
    """
    brought = Import.objects.select_related("program", "created_by").get(pk=import_id)
    if brought.state != ImportState.CHECKING:
        return brought.findings or {}
    found = Findings()
    with TemporaryDirectory(dir=_scratch()) as scratch, as_folder(brought=brought) as folder:
        rejects = RejectsFile(Path(scratch) / REJECTS)
        try:
            tables = open_tables(brought=brought, folder=folder)
            with closing(rejects):
                _look(brought, tables, found, rejects, at, progress)
        except UnableToReadFolder as error:
            store_report(brought=brought, report={"problem": error.detail})
            return _settle(brought, {}, problem=error.code)
        store_rejects(brought=brought, path=rejects.path)
        store_report(brought=brought, report=_report(found) | {"faults": rejects.first})
    findings = _count(found, rejects.count)
    with transaction.atomic():
        if found.people and found.people.absent:
            shown = {"leavers": found.people.absent}
            audit.record(
                program_id=brought.program_id,
                actor=brought.created_by,
                action="activity.show_leavers",
                row=brought,
                at=at,
                after=shown,
            )
        return _settle(brought, findings)


def open_tables(*, brought: Import, folder: Path) -> dict[str, Table]:
    """
    The files of an import, each read through once; the events file as "events".

    Raises: UnableToReadFolder - missing_file, not_gzip, damaged, encoding, missing_column, not_parquet.
    Writes: nothing.
    """
    names = {("events" if name in EVENT_FILES else name): name for name in brought.files}
    return {key: check_table(folder / name, REQUIRED[key]) for key, name in sorted(names.items())}


def _scratch() -> Path:
    folder = Path(settings.VAR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _settle(brought: Import, findings: dict[str, Any], problem: str = "") -> dict[str, Any]:
    state = ImportState.REFUSED if problem or findings.get("refusal") not in (None, "", "too_many_leavers") else ImportState.READY
    Import.objects.filter(pk=brought.pk, state=ImportState.CHECKING).update(
        state=state, findings=findings, problem=problem or (findings.get("refusal", "") if state == ImportState.REFUSED else "")
    )
    return findings


def _look(
    brought: Import, tables: dict[str, Table], found: Findings, rejects: RejectsFile, at: datetime, progress: Progress
) -> None:
    program = brought.program
    catalog = _look_at_catalog(program, tables, found, rejects, brought.created_by, at)
    named: set[str] = set()
    if members := tables.get("members.csv"):
        found.ignored += [f"members.csv: {name}" for name in unknown_columns(members.columns, program.member_attributes)]
        needs_names = brought.kind == ImportKind.FOLDER and not program.creates_unknown_members
        rows = read_people(table=members, attributes=program.member_attributes)
        found.people = apply_people(
            program=program,
            rows=_naming(rows, named) if needs_names else rows,
            source="console",
            mode=brought.mode,
            actor=brought.created_by,
            at=at,
            dry_run=True,
            progress=lambda done: progress(done, members.rows, "people read"),
            on_fault=rejects.add_fault,
        )
        found.counts["members.csv"] = found.people.counts()
    if events := tables.get("events"):
        found.missing_offers = not catalog
        _look_at_events(brought, events, catalog, named, found, rejects, at, progress)


def _naming(rows: Iterator[Any], named: set[str]) -> Iterator[Any]:
    """Rows of people, remembering whom they name: their events will find them."""
    for row in rows:
        if hasattr(row, "person"):
            named.add(row.person.external_id)
        yield row


def _look_at_catalog(
    program: Program, tables: dict[str, Table], found: Findings, rejects: RejectsFile, actor: User, at: datetime
) -> dict[str, OfferFacts]:
    """Save partners and offers for real, look at what changed, and take all of it back; the catalog as it would be."""
    bound: dict[str, Any] = {"program_id": program.pk, "actor": actor, "at": at}
    kept: dict[str, SavedRows] = {}

    def keep(name: str, save: Callable[..., SavedRows]) -> Callable[[list[Any]], SavedRows]:
        def run(rows: list[Any]) -> SavedRows:
            kept[name] = save(rows=rows, **bound)
            return kept[name]

        return run

    steps = (
        ("partners.csv", parse_partner, save_partners, PartnerResource),
        ("seasonal_index.csv", parse_seasonal_index, save_seasonal_index, None),
        ("offers.csv", parse_offer, save_offers, OfferResource),
    )
    with transaction.atomic():
        for name, parse, save, resource in steps:
            table = tables.get(name)
            if table is None:
                continue
            before = _stored(resource, program)
            first_reject = rejects.count
            load_rows(table, rejects, parse, keep(name, save))
            saved = kept[name]
            found.counts[name] = {
                "rows": saved.created + saved.changed + saved.unchanged + rejects.count - first_reject,
                "created": saved.created,
                "changed": saved.changed,
                "unchanged": saved.unchanged,
                "rejected": rejects.count - first_reject,
            }
            found.changes[name] = _differences(before, _stored(resource, program))
            if resource is not None:
                found.ignored += [f"{name}: {column}" for column in table.columns if column not in resource.columns]
        catalog = read_catalog(program.pk, program.time_zone)
        transaction.set_rollback(True)
    return catalog


def _stored(resource: type[ServiceResource] | None, program: Program) -> dict[str, dict[str, str]]:
    return resource(program_id=program.pk).stored() if resource is not None else {}


def _differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """The first rows that are new or different: their id and, for each column that differs, both values."""
    found = []
    for key, row in after.items():
        old = before.get(key)
        if old == row:
            continue
        cells = [[name, (old or {}).get(name, ""), value] for name, value in row.items() if (old or {}).get(name, "") != value]
        found.append({"external_id": key, "is_new": old is None, "cells": cells})
        if len(found) == SHOWN:
            break
    return found


def _look_at_events(
    brought: Import,
    table: Table,
    catalog: dict[str, OfferFacts],
    named: set[str],
    found: Findings,
    rejects: RejectsFile,
    at: datetime,
    progress: Progress,
) -> None:
    program, directory, counts = brought.program, MemberDirectory(brought.program), Counter[str]()
    found.ignored += [f"{table.path.name}: {name}" for name in table.columns if name not in FILE_COLUMNS]
    for chunk in read_chunks(table, source=brought.source, at=at):
        events = chunk.events
        strangers = _strangers(events, named, directory) if not program.creates_unknown_members else set()
        receipt = foresee_events(program=program, events=events, catalog=catalog, strangers=strangers)
        _note_rejects(table.path.name, chunk, receipt.notable, rejects, found)
        for name in ("accepted", "duplicate", "conflict", "rejected"):
            counts[name] += getattr(receipt, name)
        counts["rows"] += receipt.received
        progress(counts["rows"], table.rows, "events read")
    found.counts[table.path.name] = {name: counts[name] for name in ("rows", "accepted", "duplicate", "conflict", "rejected")}


def _strangers(events: Sequence[Any], named: set[str], directory: MemberDirectory) -> set[str]:
    return directory.look_up({event.member for event in events if hasattr(event, "member")} - named)


def _note_rejects(name: str, chunk: Chunk, results: Sequence[Any], rejects: RejectsFile, found: Findings) -> None:
    for result in results:
        if result.outcome in (Outcome.REJECTED, Outcome.CONFLICT):
            rejects.add(name, chunk.row(result.index), result.field, result.code, result.detail)
        elif result.warning and result.outcome == Outcome.ACCEPTED:
            found.warnings[result.warning] += 1


def _count(found: Findings, rejected: int) -> dict[str, Any]:
    """What is kept with the import: it names nobody."""
    return {
        "counts": found.counts,
        "ignored": found.ignored,
        "warnings": dict(found.warnings),
        "rejected": rejected,
        "missing_offers": found.missing_offers,
        "refusal": found.people.refusal if found.people else "",
        "active_before": found.people.active_before if found.people else 0,
    }


def _report(found: Findings) -> dict[str, Any]:
    return {
        "people": found.people.as_json() if found.people else None,
        "refusal": found.people.refusal_in_words() if found.people else "",
        "changes": found.changes,
    }
