from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("partners", "0004_people_revision")]

    operations = [
        migrations.AddField(
            model_name="program",
            name="refuses_withdrawn_unlocks",
            field=models.BooleanField(
                default=False,
                help_text="Whether an unlock after its offer was paused or retired is refused; "
                "otherwise it is recorded and marked.",
                verbose_name="refuses unlocks of withdrawn offers",
            ),
        ),
    ]
