"""Proving the ledger: every event hashed again, and every rollup made again, beside a plain read of the same rows."""

from typing import Any

from django.db import connection

from activity.services import verify_ledger, verify_rollups
from partners.models import Program
from plum_site.bench.lab import Lab
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median

MILLION = 1_000_000
GOAL, FLOOR = 5, 15  # seconds for a million events
ROLLUPS_GOAL, ROLLUPS_FLOOR = 10, 20
MEMORY_MB = 300


@benchmark("verify", title="The ledger proved from its rows", events=MILLION)
def measure_verify(lab: Lab) -> list[Result]:
    """
    `verify ledger` and `verify rollups` of a ledger that came in through ingest, in turns with the database's own count(*)
    and, on PostgreSQL, its COPY of the same rows to nowhere.
    """
    program = lab.make_ledger(lab.events)

    def prove_ledger() -> None:
        check(verify_ledger(program=program), lab.events)

    ways = {
        "ledger": prove_ledger,
        "rollups": lambda: check(verify_rollups(program=program), 0),
        "count": lambda: count_rows(program, lab.events),
    }
    if connection.vendor == "postgresql":
        ways["copy"] = lambda: copy_rows(program)
    seconds = lab.interleave(ways)
    memory = lab.growth_of_memory(prove_ledger)
    medians = {name: median(times) for name, times in seconds.items()}
    details: dict[str, Any] = {"seconds": seconds}
    for name in ("count", "copy"):
        if name in medians:
            lab.notes[f"ledger, times as long as {name}"] = round(medians["ledger"] / max(medians[name], 1e-4), 1)
    lab.notes["events a second"] = round(lab.events / medians["ledger"])
    scale = MILLION / lab.events
    return [
        Result("ledger, for a million events", medians["ledger"] * scale, "s", GOAL, FLOOR, "lower", details),
        Result("rollups, for a million events", medians["rollups"] * scale, "s", ROLLUPS_GOAL, ROLLUPS_FLOOR, "lower"),
        Result("memory, peak above its start", memory, "MB", MEMORY_MB, MEMORY_MB, "lower"),
    ]


def check(verdicts: list[Any], events: int) -> None:
    """RuntimeError where something is wrong with the ledger, or fewer events were looked at than there are."""
    faults = [text for verdict in verdicts for text in verdict.violations]
    if faults or max(verdict.checked for verdict in verdicts) < events:
        raise RuntimeError(
            f"{len(faults)} violations in {[verdict.checked for verdict in verdicts]} things looked at: {faults[:3]}"
        )


def count_rows(program: Program, events: int) -> None:
    """What the database needs to look at every row without hashing it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM activity_event WHERE program_id = %s", [program.pk])
        if cursor.fetchone()[0] != events:
            raise RuntimeError("The ledger has another number of events than were recorded.")


def copy_rows(program: Program) -> None:
    """What psycopg needs to get every row, as bytes that nobody looks at."""
    statement = "COPY (SELECT * FROM activity_event WHERE program_id = {}) TO STDOUT (FORMAT binary)"
    with connection.connection.cursor().copy(statement.format(int(program.pk))) as copy:
        for _block in copy:
            pass
