from django.db import migrations

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [("plum", "0001_initial")]

    operations = [protect("plum_auditevent")]
