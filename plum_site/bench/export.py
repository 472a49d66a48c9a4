"""A package of events as CSV, against the database's own COPY of the same rows into a file."""

import os
from collections.abc import Callable
from datetime import date
from typing import Any

from django.db import connection

from exports.models import Export
from exports.selectors.rows import MEMBERS, make_selection, read_parts, read_totals, rows_statement
from exports.services import check_package, request_export, run_export
from exports.services.members import prepare_members
from exports.services.places import package_folder
from plum_site.bench.lab import Lab
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median
from plum_site.lib.clock import now

FIRST, AFTER = date(2026, 5, 1), date(2026, 6, 1)
MEMORY_MB = 80
# What the ledger has of each event, as it lies there: numbers in place of names, and no hashes.
STORED = (
    "event_key, source_id, occurred_at, local_date, received_at, kind, status, reason_code, member_id, offer_id, "
    "attribute_set_id, spend_minor, spend_currency, reward_cost_minor, reward_cost_currency, transaction_ref, reverses, medium, "
    "position"
)


@benchmark("export", title="Events as a CSV package", events=1_000_000)
def measure_export(lab: Lab) -> list[Result]:
    """The whole export, with its manifest, hashes and counts; against COPY of the same rows, and of the stored columns."""
    program = lab.make_ledger(lab.events, starts=FIRST, days=(AFTER - FIRST).days)
    made: list[Export] = []

    def run() -> None:
        asked = request_export(
            program_id=program.pk,
            starts_date=FIRST,
            ends_date=AFTER,
            format="csv",
            filters={},
            actor="system",
            at=now(),
            in_background=False,
        )
        made.append(run_export(export_id=asked.pk, actor="system", at=now()))

    run()
    export = made[0]
    ways = {"plum": run}
    if connection.vendor == "postgresql":
        same, bare = prepare_references(export)
        ways |= {"same rows": lambda: copy_to_file(lab, *same), "stored columns": lambda: copy_to_file(lab, *bare)}
    seconds = lab.interleave(ways)
    memory = measure_memory(lab, run)
    for each in made:
        fault, _described = check_package(folder=package_folder(each))
        if fault is not None or each.rows != lab.events:
            raise RuntimeError(f"Export {each.uuid} holds {each.rows} rows: {fault or 'whole'}")
    plum = median(seconds["plum"])
    lab.notes |= {"events a second": round(lab.events / plum), "bytes": export.bytes}
    if len(ways) == 1:
        return [memory]
    # The second reference has less to do: it names no offer, no partner and no member, and formats nothing.
    lab.notes["ratio to COPY of the columns as they are stored"] = round(median(seconds["stored columns"]) / plum, 4)
    return [Result("speed", median(seconds["same rows"]) / plum, "× COPY TO", 0.9, 0.5, details={"seconds": seconds}), memory]


def prepare_references(export: Export) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """COPY of exactly the rows of the export, and of the same events as they lie in the ledger."""
    selection = make_selection(export.program, FIRST, AFTER, {}, export.cutoff or 0)
    totals, first, last = read_totals(selection)
    [part] = read_parts(selection, totals.rows, first, last)[:1]
    prepare_members(export=export, selection=selection, still_here=lambda: None)
    with connection.cursor() as cursor:  # under a name that the export does not drop
        cursor.execute(f"ALTER TABLE {MEMBERS} RENAME TO bench_member")
    sql, params = rows_statement(selection, part)
    stored = f"SELECT {STORED} FROM activity_event WHERE program_id = %(program)s"  # noqa: S608 - names of our own
    return (sql.replace(f"JOIN {MEMBERS} ", "JOIN bench_member "), params), (stored, {"program": export.program_id})


def copy_to_file(lab: Lab, sql: str, params: dict[str, Any]) -> None:
    """What psycopg alone does: COPY TO STDOUT, each line written to a file, the file put on disk."""
    with (lab.folder / "reference.csv").open("wb") as file:
        with connection.connection.cursor().copy(f"COPY ({sql}) TO STDOUT (FORMAT csv, HEADER)", params) as copy:
            for line in copy:
                file.write(line)
        file.flush()
        os.fsync(file.fileno())


def measure_memory(lab: Lab, run: Callable[[], None]) -> Result:
    """How much one export adds to the memory of its worker at its peak."""
    return Result("memory of the worker, peak above its start", lab.growth_of_memory(run), "MB", MEMORY_MB, MEMORY_MB, "lower")
