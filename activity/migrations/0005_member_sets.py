"""Sets of members beside the rollups, filled from the ledger that is there."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from activity.services.member_sets import fill_sets


def fill(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """Every program with anything sealed: the sealer only adds what it seals from now on."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT program_id FROM activity_seal ORDER BY program_id")
        programs = [row[0] for row in cursor.fetchall()]
    for program_id in programs:
        fill_sets(program_id=program_id)


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0004_imports"),
        ("partners", "0003_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="DayPartnerMembers",
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
                (
                    "member_count",
                    models.PositiveIntegerField(help_text="How many are in it: large groups are known without reading them."),
                ),
                ("members", models.BinaryField()),
                (
                    "partner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="partners.partner",
                    ),
                ),
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("program", "local_date", "partner", "kind", "status"), name="activity_daypartnermembers_cell"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DaySegmentMembers",
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
                (
                    "member_count",
                    models.PositiveIntegerField(help_text="How many are in it: large groups are known without reading them."),
                ),
                ("members", models.BinaryField()),
                ("offer_type", models.CharField(max_length=100)),
                (
                    "attribute_set",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="activity.attributeset",
                    ),
                ),
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("program", "local_date", "offer_type", "attribute_set", "kind", "status"),
                        name="activity_daysegmentmembers_cell",
                    )
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
