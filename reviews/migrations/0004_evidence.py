from django.db import migrations, models

from plum_site.lib.append_only import alter_protected


class Migration(migrations.Migration):
    dependencies = [("reviews", "0003_closed_takes_no_rows")]

    operations = alter_protected(
        migrations.AddField(
            model_name="scorecard",
            name="evidence",
            field=models.JSONField(default=dict, help_text="How the score came about, crossings that are no flags, late events."),
        ),
    )
