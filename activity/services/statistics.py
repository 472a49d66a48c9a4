"""What PostgreSQL's planner believes of the tables that a load has filled."""

from django.db import connection

# As autovacuum decides (its defaults); it would come by within a minute or so, and until then every plan is a guess. Not a table
# that holds nothing but what was rolled back: planned for as empty, it would be worse than a guess once it is filled.
CHANGED = """
SELECT relid::regclass::text FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND n_live_tup > 0 AND n_mod_since_analyze > 50 + 0.1 * n_live_tup
ORDER BY 1
"""


def refresh_statistics() -> None:
    """
    Have PostgreSQL look at the tables that have changed much, so that what reads them next is planned for what they hold: an
    export right after a load took fifteen times as long without. Nothing on SQLite, or within an outer transaction: what ANALYZE
    notes of a table's size stays when the rows are rolled back.

    Raises: nothing of its own.
    Writes: the statistics of the database.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")  # what this session has changed counts too
        cursor.execute(CHANGED)
        for (table,) in cursor.fetchall():
            cursor.execute(f"ANALYZE {table}")
