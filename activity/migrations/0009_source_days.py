"""What came of each source day by day, filled from the sealed ledger; a source of which nobody said anything is learnt."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from activity.services.rollups import BY_SOURCE, cell_columns, cells_sql


def fill(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """The sealer only adds what it seals from now on."""
    sealed = "EXISTS (SELECT 1 FROM activity_seal s WHERE s.batch_id = e.id / 8192)"
    columns = cell_columns(BY_SOURCE)
    editor.execute(f"INSERT INTO {BY_SOURCE} ({columns}) SELECT * FROM ({cells_sql(BY_SOURCE, sealed)}) AS cells", params=None)  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0008_quarantine_told"),
        ("partners", "0004_people_revision"),
    ]

    operations = [
        migrations.AlterField(
            model_name="eventsource",
            name="rhythm",
            field=models.CharField(
                choices=[
                    ("none", "Learnt from what it sends"),
                    ("hourly", "Hourly"),
                    ("daily", "Daily"),
                    ("weekly", "Weekly"),
                    ("monthly", "Monthly"),
                ],
                default="none",
                help_text="How often something from this source is expected. It is silent once that and the grace have passed.",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="DaySourceRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("local_date", models.DateField()),
                (
                    "kind",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "impression"), (2, "viewed"), (3, "unlocked"), (4, "activated"), (5, "redeemed")]
                    ),
                ),
                ("status", models.PositiveSmallIntegerField(choices=[(1, "confirmed"), (2, "failed"), (3, "reversed")])),
                ("measure", models.PositiveSmallIntegerField(choices=[(1, "events"), (2, "spend"), (3, "reward_cost")])),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("event_count", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField(default=0)),
                (
                    "program",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="partners.program",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="activity.eventsource",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("program", "source", "local_date", "kind", "status", "measure", "currency"),
                        name="activity_daysourcerollup_cell",
                    )
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
