"""The playbook speaks of segments too; versions from before say nothing about them."""

from django.db import migrations, models

from plum_site.lib.append_only import alter_protected


class Migration(migrations.Migration):
    dependencies = [("reviews", "0017_lowered_approvals")]

    operations = alter_protected(
        migrations.AddField(model_name="playbook", name="placing", field=models.JSONField(default=dict)),
    )
