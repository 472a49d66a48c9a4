from django.db import migrations

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [("partners", "0002_initial")]

    operations = [protect("partners_partnertransition")]
