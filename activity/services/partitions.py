"""On PostgreSQL the ledger is partitioned by UTC month: partitions are made before rows need them."""

from datetime import date

from django.db import connection, transaction

from plum_site.lib.append_only import POSTGRES_TRUNCATE
from plum_site.lib.periods import month_start, next_month

PRESENT = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'activity_event'::regclass"
)
PARTITION = "CREATE TABLE {name} PARTITION OF activity_event FOR VALUES FROM ('{start} 00:00+00') TO ('{end} 00:00+00')"

_known: set[tuple[str, date]] = set()


def partition_name(month: date) -> str:
    """The table of one UTC month, `activity_event_2026_03`."""
    return f"activity_event_{month:%Y_%m}"


def prepare_partitions(*, months: set[date]) -> int:
    """
    Make the partitions of the given UTC months where they are missing; does nothing on SQLite.

    Must run outside the ingest transaction, because it locks the table's definition. Months already seen by this
    process cost nothing. Returns how many were made.
    Raises: nothing of its own.
    Writes: tables activity_event_YYYY_MM.
    """
    database = str(connection.settings_dict["NAME"])
    missing = {month_start(month) for month in months if (database, month_start(month)) not in _known}
    if connection.vendor != "postgresql" or not missing:
        return 0
    made = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('activity_event partitions'))")
        cursor.execute(PRESENT)
        present = {row[0] for row in cursor.fetchall()}
        for month in sorted(missing):
            name = partition_name(month)
            if name in present:
                continue
            cursor.execute(PARTITION.format(name=name, start=month, end=next_month(month)))
            cursor.execute(POSTGRES_TRUNCATE.format(table=name, function="activity_event"))
            made += 1
    if not connection.in_atomic_block:  # what an outer transaction makes may still be rolled back
        _known.update((database, month) for month in missing)
    return made
