"""Cells and sets are changed in their page: a page of a rollup is half full at first, so that an update needs no index entry."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = (
    "activity_daysegmentrollup",
    "activity_dayofferrollup",
    "activity_daypartnerrollup",
    "activity_daysourcerollup",
    "activity_daysegmentmembers",
    "activity_daypartnermembers",
)


def set_room(editor: BaseDatabaseSchemaEditor, change: str) -> None:
    """Change how full pages of the rollups become; what is stored stays where it is."""
    if editor.connection.vendor == "postgresql":
        for table in TABLES:
            editor.execute(f"ALTER TABLE {table} {change}", params=None)


class Migration(migrations.Migration):
    dependencies = [("activity", "0009_source_days")]

    operations = [
        migrations.RunPython(
            lambda apps, editor: set_room(editor, "SET (fillfactor = 50)"),
            lambda apps, editor: set_room(editor, "RESET (fillfactor)"),
        ),
    ]
