"""The ladder: versions of its rule and what it moved are appended only; a hold that has ended stays as it ended."""

import django.db.models.deletion
from django.db import migrations, models

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0006_ladder_by_rule"),
        ("reviews", "0014_pushes"),
    ]

    operations = [
        migrations.CreateModel(
            name="LadderHold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until_date", models.DateField()),
                ("reason", models.TextField()),
                ("made_by", models.CharField(max_length=200)),
                ("made_at", models.DateTimeField()),
                ("ended_by", models.CharField(blank=True, max_length=200)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ladder_holds", to="partners.partner"
                    ),
                ),
            ],
            options={
                "ordering": ["-made_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("partner",),
                        name="reviews_ladderhold_one_at_a_time",
                    ),
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="reviews_ladderhold_says_why"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("ended_by", "")),
                            models.Q(("ended_at__isnull", False), models.Q(("ended_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="reviews_ladderhold_both_ended_at_and_ended_by_set",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LadderMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        choices=[
                            ("put_on_notice", "Put on notice"),
                            ("start_improvement_plan", "Start improvement plan"),
                            ("replacement_due", "Replacing is due"),
                            ("restore", "Restore"),
                        ],
                        max_length=30,
                    ),
                ),
                ("outcome", models.CharField(choices=[("moved", "Moved"), ("held", "Held"), ("due", "Due")], max_length=5)),
                (
                    "from_state",
                    models.CharField(
                        choices=[
                            ("prospect", "Prospect"),
                            ("onboarding", "Onboarding"),
                            ("active", "Active"),
                            ("on_notice", "On notice"),
                            ("improvement_plan", "Improvement plan"),
                            ("replacing", "Being replaced"),
                            ("retired", "Retired"),
                            ("paused", "Paused"),
                            ("rejected", "Rejected"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("prospect", "Prospect"),
                            ("onboarding", "Onboarding"),
                            ("active", "Active"),
                            ("on_notice", "On notice"),
                            ("improvement_plan", "Improvement plan"),
                            ("replacing", "Being replaced"),
                            ("retired", "Retired"),
                            ("paused", "Paused"),
                            ("rejected", "Rejected"),
                        ],
                        max_length=20,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("evidence", models.JSONField()),
                ("at", models.DateTimeField()),
                (
                    "action",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ladder_moves",
                        to="reviews.correctiveaction",
                    ),
                ),
                (
                    "cycle",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ladder_moves", to="reviews.reviewcycle"
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ladder_moves", to="partners.partner"
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("cycle", "partner"), name="reviews_laddermove_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("name__in", ["put_on_notice", "start_improvement_plan", "replacement_due", "restore"])
                        ),
                        name="reviews_laddermove_name_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["moved", "held", "due"])), name="reviews_laddermove_outcome_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("outcome", "moved"), models.Q(("from_state", models.F("to_state")), _negated=True)),
                            models.Q(models.Q(("outcome", "moved"), _negated=True), ("from_state", models.F("to_state"))),
                            _connector="OR",
                        ),
                        name="reviews_laddermove_moved_or_not",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LadderVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("rule", models.JSONField()),
                ("made_by", models.CharField(max_length=200)),
                ("made_at", models.DateTimeField()),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ladder_versions", to="partners.program"
                    ),
                ),
            ],
            options={
                "ordering": ["program", "-number"],
                "constraints": [models.UniqueConstraint(fields=("program", "number"), name="reviews_ladderversion_number_once")],
            },
        ),
        protect("reviews_ladderversion"),
        protect("reviews_laddermove"),
        protect("reviews_ladderhold", when="OLD.ended_at IS NOT NULL"),
    ]
