"""
Loading a canonical folder: the program, its catalog, its members and its events, through the same services as everything else.

Resuming is loading again: what is there already is unchanged or a duplicate.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any

from django.db import connection

from activity.choices import Outcome
from activity.rules import FILE_COLUMNS, unknown_columns
from activity.rules.people import PERSON_COLUMNS
from activity.services.canonical import REQUIRED, Table, UnableToReadFolder, check_table, find_events_file, read_rows
from activity.services.chunk_recording import record_chunks
from activity.services.event_files import read_chunks
from activity.services.people import apply_people, without_repeats
from activity.services.people_files import read_people
from activity.services.read_ahead import one_ahead
from activity.services.rejects import RejectsFile, rejects_path
from activity.services.sealing import seal_ledger
from activity.services.statistics import refresh_statistics
from offers.rules import parse_offer
from offers.services import save_offers
from partners.models import Program
from partners.rules import SavedRows, parse_partner, parse_seasonal_index
from partners.selectors import find_program
from partners.services import create_program, save_partners, save_seasonal_index
from plum_site.lib import jobs
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User

MEMBERS_AT_ONCE = 5000
SEALED_TOGETHER = 100_000  # events that are recorded before they are sealed beside
KNOWN_FILES = {"partners.csv", "offers.csv", "members.csv", "seasonal_index.csv"}
MOST_SETS = 64


@dataclass(frozen=True)
class NewProgram:
    """What a program is created with if it is new; empty values take the defaults."""

    code: str
    name: str = ""
    time_zone: str = ""
    currency: str = ""
    attributes: Sequence[str] | None = None
    report_by: Sequence[str] | None = None
    minimum_group: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class LoadReport:
    """What a load did: rows per noun, outcomes per event, rejected rows and where they were written, and how long it took."""

    program: str
    partners: int = 0
    offers: int = 0
    members: int = 0
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    rejected_rows: int = 0
    rejects_file: str | None = None
    ignored: list[str] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


Progress = Callable[[str, int, int], None]


def loading_mark(program_id: int) -> str:
    """The name under which `jobs.is_busy` says whether a folder is being loaded into a program."""
    return f"activity.load_folder:{program_id}"


def load_folder(
    *,
    folder: Path,
    new_program: NewProgram,
    actor: User | str,
    at: datetime,
    source: str = "file",
    progress: Progress = lambda step, done, total: None,
    processes: int = 1,
) -> LoadReport:
    """
    Load a canonical folder into a program, which is created if its code is new.

    Faults of files are found first and write nothing; faulty rows go to a rejects file and the others are kept.
    Every stage that a confirmed event carries is added to the program's recorded stages. Seals the ledger. While it
    runs, the program is marked as being loaded, so that no month of it is reviewed half. processes: how many record events
    beside each other, where the engine can.
    Raises: UnableToReadFolder, InvalidInput, DomainError (settings that an existing program has otherwise).
    Writes: partners, offers, activity, plum_auditevent, plum_heartbeat; var/rejects/.
    Source: docs/tour.md
    """
    started = monotonic()
    tables = _check_folder(folder)
    report = LoadReport(program=new_program.code)
    report.ignored = sorted(path.name for path in folder.iterdir() if path.name not in KNOWN_FILES | {tables["events"].path.name})
    program = _prepare_program(new_program, tables, actor, at)
    rejects = RejectsFile(rejects_path(program=program.code, at=at))
    with closing(rejects):
        load_tables(
            program=program,
            tables=tables,
            rejects=rejects,
            report=report,
            actor=actor,
            at=at,
            source=source,
            progress=progress,
            processes=processes,
        )
    report.rejects_file = str(rejects.path) if rejects.count else None
    report.seconds = monotonic() - started
    return report


def load_tables(
    *,
    program: Program,
    tables: dict[str, Table],
    rejects: RejectsFile,
    report: LoadReport,
    actor: User | str,
    at: datetime,
    source: str = "file",
    progress: Progress = lambda step, done, total: None,
    processes: int = 1,
) -> None:
    """
    Load checked files into a program, each through the service of its door; what is missing is left as it is.

    tables: by canonical name; the events file as "events". processes: as in `load_folder`. Safe to run again: what is there
    already is unchanged or a duplicate. While it runs, the program is marked as being loaded. Seals the ledger if there were
    events.
    Raises: nothing of its own; faulty rows go to `rejects`.
    Writes: partners, offers, activity, plum_auditevent, plum_heartbeat; `report` and `rejects` are filled.
    """
    bound: dict[str, Any] = {"program_id": program.pk, "actor": actor, "at": at}
    with jobs.busy(loading_mark(program.pk)) as still_here:

        def show(step: str, done: int, total: int) -> None:
            still_here()
            progress(step, done, total)

        if partners := tables.get("partners.csv"):
            report.partners = load_rows(partners, rejects, parse_partner, lambda rows: save_partners(rows=rows, **bound))
        if seasons := tables.get("seasonal_index.csv"):
            load_rows(seasons, rejects, parse_seasonal_index, lambda rows: save_seasonal_index(rows=rows, **bound))
        if offers := tables.get("offers.csv"):
            report.offers = load_rows(offers, rejects, parse_offer, lambda rows: save_offers(rows=rows, **bound))
        if members := tables.get("members.csv"):
            ignored = unknown_columns(members.columns, program.member_attributes)
            report.ignored += [f"members.csv: column {name}" for name in ignored]
            report.members = _load_members(program, members, rejects, actor, at, show)
            refresh_statistics()
        if events := tables.get("events"):
            with _sealing_beside(program, at) as seal_now_and_then:
                _load_events(program, events, rejects, report, source, at, show, processes, seal_now_and_then)
            seal_ledger(program_id=program.pk, at=at)
            refresh_statistics()
    report.rejected_rows = rejects.count


def _check_folder(folder: Path) -> dict[str, Table]:
    if not folder.is_dir():
        raise UnableToReadFolder("missing_folder", f"{folder} is not a folder.")
    tables = {name: check_table(folder / name, REQUIRED[name]) for name in ("partners.csv", "offers.csv", "members.csv")}
    if (folder / "seasonal_index.csv").exists():
        tables["seasonal_index.csv"] = check_table(folder / "seasonal_index.csv", REQUIRED["seasonal_index.csv"])
    tables["events"] = check_table(find_events_file(folder), REQUIRED["events"])
    return tables


def _prepare_program(wanted: NewProgram, tables: dict[str, Table], actor: User | str, at: datetime) -> Program:
    offered = [name for name in tables["members.csv"].columns if name not in PERSON_COLUMNS]
    kept = list(offered if wanted.attributes is None else wanted.attributes)
    _check_names(kept, offered, "--attributes", "a column of members.csv")
    program = find_program(wanted.code)
    if program:
        _check_unchanged(program, wanted)
        return program
    report_by = _default_reporting(tables["members.csv"], kept) if wanted.report_by is None else list(wanted.report_by)
    _check_names(report_by, kept, "--report-by", "a kept attribute")
    optional: dict[str, Any] = {} if wanted.minimum_group is None else {"minimum_group": wanted.minimum_group}
    return create_program(
        code=wanted.code,
        name=wanted.name or wanted.code,
        time_zone=wanted.time_zone or "UTC",
        currency=wanted.currency or "USD",
        member_attributes=kept,
        reporting_attributes=report_by,
        actor=actor,
        at=at,
        **optional,
        **wanted.extra,
    )


def _check_names(names: Sequence[str], allowed: Sequence[str], option: str, what: str) -> None:
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise InvalidInput(
            "unknown_attribute",
            f"{option}: {', '.join(unknown)} is not {what} ({', '.join(allowed) or 'there is none'}). Nothing was loaded.",
        )


def _check_unchanged(program: Program, wanted: NewProgram) -> None:
    """A load never changes a program's settings: months and groups of the past would change with them."""
    asked = {
        "name": wanted.name,
        "time_zone": wanted.time_zone,
        "currency": wanted.currency,
        "member_attributes": wanted.attributes and list(wanted.attributes),
        "reporting_attributes": wanted.report_by and list(wanted.report_by),
        "minimum_group": wanted.minimum_group,
    }
    differing = [name for name, value in asked.items() if value and value != getattr(program, name)]
    if differing:
        raise DomainError(
            "program_differs",
            f"Program {program.code} exists with another {', '.join(differing)}. Nothing was loaded. "
            "Leave the option out, or choose another code.",
        )


def _default_reporting(table: Table, kept: Sequence[str]) -> list[str]:
    """The first kept attributes, at most two, while the combinations of their values stay at 64 or fewer."""
    values: dict[str, set[str]] = {name: set() for name in kept[:2]}
    for row in read_rows(table):
        for name, seen in values.items():
            if len(seen) <= MOST_SETS:
                seen.add(row.cells.get(name, ""))
    chosen: list[str] = []
    for name in kept[:2]:
        if prod(len(values[other]) or 1 for other in [*chosen, name]) > MOST_SETS:
            break
        chosen.append(name)
    return chosen


def load_rows(
    table: Table, rejects: RejectsFile, parse: Callable[[dict[str, str]], Any], save: Callable[[list[Any]], SavedRows]
) -> int:
    """Parse each row and save them together; rows that cannot be read, parsed or saved are rejected, each with its reason."""
    rows, parsed = [], []
    for row in read_rows(table):
        if row.fault:
            rejects.add(table.path.name, row, "", "unreadable", row.fault)
            continue
        try:
            parsed.append(parse(row.cells))
            rows.append(row)
        except DomainError as error:
            rejects.add_error(table.path.name, row, error)
    saved = save(parsed)
    for fault in saved.faults:
        rejects.add_error(table.path.name, rows[fault.index], fault.error)
    return len(rows) - len(saved.faults)


def _load_members(
    program: Program, table: Table, rejects: RejectsFile, actor: User | str, at: datetime, progress: Progress
) -> int:
    """People come as a delta: a folder says what it knows, and nobody leaves by not standing in it."""
    count = 0
    rows = without_repeats(rows=read_people(table=table, attributes=program.member_attributes))
    for part in one_ahead(iter(lambda: list(islice(rows, MEMBERS_AT_ONCE)), [])):
        done = apply_people(program=program, rows=part, source="file", actor=actor, at=at, on_fault=rejects.add_fault)
        count += done.rows - done.rejected
        progress("members", count, table.rows)
    return count


def _load_events(
    program: Program,
    table: Table,
    rejects: RejectsFile,
    report: LoadReport,
    source: str,
    at: datetime,
    progress: Progress,
    processes: int,
    seal_now_and_then: Callable[[], None],
) -> None:
    report.ignored += [f"{table.path.name}: column {name}" for name in table.columns if name not in FILE_COLUMNS]
    seal_from = SEALED_TOGETHER
    chunks = read_chunks(table, source=source, at=at)
    with closing(record_chunks(program=program, chunks=chunks, at=at, processes=processes)) as recorded:
        for chunk, receipt in recorded:
            for result in receipt.notable:
                if result.outcome in (Outcome.REJECTED, Outcome.CONFLICT):
                    rejects.add(table.path.name, chunk.row(result.index), result.field, result.code, result.detail)
                elif result.warning and result.outcome == Outcome.ACCEPTED:
                    report.warnings[result.warning] += 1
            for name in ("received", "accepted", "duplicate", "conflict", "rejected"):
                setattr(report, name, getattr(report, name) + getattr(receipt, name))
            progress("events", report.received, table.rows)
            if report.accepted >= seal_from:
                seal_now_and_then()
                seal_from = report.accepted + SEALED_TOGETHER


@contextmanager
def _sealing_beside(program: Program, at: datetime) -> Iterator[Callable[[], None]]:
    """
    A function that has what is recorded so far sealed while loading goes on, over a connection of its own; waited for at the end.

    Only where two connections can write at once: SQLite has one writer, and nobody sees what an outer transaction has made.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield lambda: None
        return

    def seal() -> None:
        try:
            seal_ledger(program_id=program.pk, at=at)
        finally:
            connection.close()

    running: list[Future[None]] = []
    with ThreadPoolExecutor(1, thread_name_prefix="sealer") as pool:

        def seal_unless_it_still_runs() -> None:
            if running and not running[-1].done():
                return
            for ended in running:
                ended.result()
            running[:] = [pool.submit(seal)]

        yield seal_unless_it_still_runs
    for ended in running:
        ended.result()
