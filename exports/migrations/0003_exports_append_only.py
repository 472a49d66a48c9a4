"""Who took an export stays on record; an export that has expired never changes."""

from django.db import migrations

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [("exports", "0002_exports")]

    operations = [
        protect("exports_export", when="OLD.state = 'expired'"),
        protect("exports_exportdownload"),
    ]
