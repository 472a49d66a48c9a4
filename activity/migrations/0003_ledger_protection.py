"""The ledger as the database keeps it: partitioned by month on PostgreSQL, append-only on both engines."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from plum_site.lib.append_only import POSTGRES_TRUNCATE, protect

# A partitioned table's key must contain the partitioning column; `id` alone is unique by construction.
PARTITIONED = """
ALTER TABLE activity_event RENAME TO activity_event_plain;
CREATE TABLE activity_event (LIKE activity_event_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (occurred_at);
DROP TABLE activity_event_plain;
ALTER TABLE activity_event ADD CONSTRAINT activity_event_pkey PRIMARY KEY (id, occurred_at);
CREATE INDEX activity_event_by_time ON activity_event (program_id, occurred_at);
CREATE INDEX activity_event_of_member ON activity_event (member_id, occurred_at);
CREATE TABLE activity_event_default PARTITION OF activity_event DEFAULT;
"""


def partition(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Turn the plain table, still empty, into a partitioned one with an empty default partition."""
    if editor.connection.vendor == "postgresql":
        editor.execute(PARTITIONED)


def guard_default(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Row triggers reach every partition by themselves; the statement trigger against TRUNCATE does not."""
    if editor.connection.vendor == "postgresql":
        editor.execute(POSTGRES_TRUNCATE.format(table="activity_event_default", function="activity_event"))


class Migration(migrations.Migration):
    dependencies = [("activity", "0002_initial")]

    operations = [
        migrations.RunPython(partition, migrations.RunPython.noop),
        protect("activity_event", permit_table="activity_ledgerpermit"),
        migrations.RunPython(guard_default, migrations.RunPython.noop),
        protect("activity_eventidentity", permit_table="activity_ledgerpermit"),
        protect("activity_ingestbatch"),
        protect("activity_seal"),
        protect("activity_attributeset"),
    ]
