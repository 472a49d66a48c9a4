"""How much waits in quarantine is answered from an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0007_blanked_identities"),
        ("partners", "0004_people_revision"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(
                fields=["program", "refusal_code", "kept_at", "expires_at"], name="activity_quarantinedevent_told"
            ),
        ),
    ]
