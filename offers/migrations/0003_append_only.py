from django.db import migrations

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [("offers", "0002_initial")]

    operations = [protect("offers_offertransition"), protect("offers_listing"), protect("offers_rankingrevision")]
