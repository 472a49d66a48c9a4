"""What becomes of flags, data gaps and restatements; rules say more, and look at offers and segments too."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from plum_site.lib.append_only import alter_protected, protect


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0008_quarantine_told"),
        ("partners", "0004_people_revision"),
        ("reviews", "0005_subscriptions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *alter_protected(
            migrations.CreateModel(
                name="DataGap",
                fields=[
                    ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                    ("starts_at", models.DateTimeField()),
                    ("ends_at", models.DateTimeField(null=True)),
                    ("found_at", models.DateTimeField()),
                    ("accepted_by", models.CharField(blank=True, max_length=200)),
                    ("accepted_at", models.DateTimeField(null=True)),
                    ("reason", models.TextField(blank=True)),
                ],
                options={
                    "ordering": ["-starts_at", "source"],
                },
            ),
            migrations.CreateModel(
                name="FlagCase",
                fields=[
                    ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                    (
                        "target",
                        models.CharField(
                            choices=[("partner", "Partner"), ("offer", "Offer"), ("partner_segment", "Partner in a segment")],
                            default="partner",
                            max_length=20,
                        ),
                    ),
                    ("target_key", models.CharField(blank=True, max_length=400)),
                    (
                        "state",
                        models.CharField(
                            choices=[
                                ("open", "Open"),
                                ("acknowledged", "Acknowledged"),
                                ("resolved", "Resolved"),
                                ("dismissed", "Dismissed"),
                            ],
                            default="open",
                            max_length=12,
                        ),
                    ),
                    (
                        "resolution",
                        models.CharField(
                            blank=True, choices=[("data", "By the data"), ("action", "By an action")], max_length=10
                        ),
                    ),
                    ("reason", models.TextField(blank=True)),
                    ("opened_at", models.DateTimeField()),
                    ("ended_at", models.DateTimeField(null=True)),
                ],
                options={
                    "ordering": ["-opened_at", "-id"],
                },
            ),
            migrations.CreateModel(
                name="FlagTransition",
                fields=[
                    ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                    ("name", models.CharField(max_length=40)),
                    ("from_state", models.CharField(blank=True, max_length=12)),
                    (
                        "to_state",
                        models.CharField(
                            choices=[
                                ("open", "Open"),
                                ("acknowledged", "Acknowledged"),
                                ("resolved", "Resolved"),
                                ("dismissed", "Dismissed"),
                            ],
                            max_length=12,
                        ),
                    ),
                    ("actor", models.CharField(max_length=200)),
                    ("at", models.DateTimeField()),
                    ("comment", models.TextField(blank=True)),
                ],
                options={
                    "ordering": ["at", "id"],
                },
            ),
            migrations.CreateModel(
                name="Restatement",
                fields=[
                    ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                    (
                        "state",
                        models.CharField(
                            choices=[("asked", "Asked for"), ("approved", "Approved"), ("refused", "Refused")],
                            default="asked",
                            max_length=10,
                        ),
                    ),
                    ("reason", models.TextField()),
                    ("asked_by", models.CharField(max_length=200)),
                    ("asked_at", models.DateTimeField()),
                    ("answered_by", models.CharField(blank=True, max_length=200)),
                    ("answered_at", models.DateTimeField(null=True)),
                    ("answer", models.TextField(blank=True)),
                ],
                options={
                    "ordering": ["-asked_at", "-id"],
                },
            ),
            migrations.RemoveConstraint(
                model_name="flag",
                name="reviews_flag_once",
            ),
            migrations.RemoveConstraint(
                model_name="ruleversion",
                name="reviews_ruleversion_persistence_positive",
            ),
            migrations.RenameField(
                model_name="ruleversion",
                old_name="cooldown_cycles",
                new_name="cooldown",
            ),
            migrations.RenameField(
                model_name="ruleversion",
                old_name="persistence_cycles",
                new_name="persistence",
            ),
            migrations.AddField(
                model_name="flag",
                name="target",
                field=models.CharField(
                    choices=[("partner", "Partner"), ("offer", "Offer"), ("partner_segment", "Partner in a segment")],
                    default="partner",
                    max_length=20,
                ),
            ),
            migrations.AddField(
                model_name="flag",
                name="target_key",
                field=models.CharField(blank=True, max_length=400),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="backtest",
                field=models.JSONField(blank=True, null=True),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="cooldown_unit",
                field=models.CharField(choices=[("cycles", "Months"), ("days", "Days")], default="cycles", max_length=6),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="is_strict",
                field=models.BooleanField(default=False),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="lookback_months",
                field=models.PositiveSmallIntegerField(default=6),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="owner",
                field=models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="persistence_unit",
                field=models.CharField(choices=[("cycles", "Months"), ("days", "Days")], default="cycles", max_length=6),
            ),
            migrations.AddField(
                model_name="ruleversion",
                name="window_days",
                field=models.PositiveSmallIntegerField(blank=True, null=True),
            ),
            migrations.AddConstraint(
                model_name="flag",
                constraint=models.UniqueConstraint(fields=("scorecard", "rule_version", "target_key"), name="reviews_flag_once"),
            ),
            migrations.AddConstraint(
                model_name="ruleversion",
                constraint=models.CheckConstraint(
                    condition=models.Q(("persistence__gte", 1)), name="reviews_ruleversion_persistence_positive"
                ),
            ),
            migrations.AddField(
                model_name="datagap",
                name="program",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="data_gaps", to="partners.program"
                ),
            ),
            migrations.AddField(
                model_name="datagap",
                name="source",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="data_gaps", to="activity.eventsource"
                ),
            ),
            migrations.AddField(
                model_name="flagcase",
                name="newest_flag",
                field=models.ForeignKey(
                    null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="cases", to="reviews.flag"
                ),
            ),
            migrations.AddField(
                model_name="flagcase",
                name="owner",
                field=models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            migrations.AddField(
                model_name="flagcase",
                name="partner",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="flag_cases", to="partners.partner"
                ),
            ),
            migrations.AddField(
                model_name="flagcase",
                name="program",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="flag_cases", to="partners.program"
                ),
            ),
            migrations.AddField(
                model_name="flagcase",
                name="rule",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="flag_cases", to="reviews.rule"
                ),
            ),
            migrations.AddField(
                model_name="flagtransition",
                name="case",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="transitions", to="reviews.flagcase"
                ),
            ),
            migrations.AddField(
                model_name="restatement",
                name="cycle",
                field=models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="restatements", to="reviews.reviewcycle"
                ),
            ),
            migrations.AddField(
                model_name="restatement",
                name="revised",
                field=models.OneToOneField(
                    null=True, on_delete=django.db.models.deletion.PROTECT, related_name="restates", to="reviews.reviewcycle"
                ),
            ),
            migrations.AddConstraint(
                model_name="datagap",
                constraint=models.UniqueConstraint(fields=("source", "starts_at"), name="reviews_datagap_once"),
            ),
            migrations.AddConstraint(
                model_name="datagap",
                constraint=models.CheckConstraint(
                    condition=models.Q(("ends_at__isnull", True), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                    name="reviews_datagap_ends_after_start",
                ),
            ),
            migrations.AddConstraint(
                model_name="datagap",
                constraint=models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("accepted_at__isnull", True), ("accepted_by", ""), ("reason", "")),
                        models.Q(
                            ("accepted_at__isnull", False),
                            models.Q(("accepted_by", ""), _negated=True),
                            models.Q(("reason", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="reviews_datagap_both_accepted_at_and_accepted_by_set",
                ),
            ),
            migrations.AddConstraint(
                model_name="flagcase",
                constraint=models.UniqueConstraint(
                    condition=models.Q(("state__in", ["open", "acknowledged"])),
                    fields=("rule", "partner", "target_key"),
                    name="reviews_flagcase_one_at_a_time",
                ),
            ),
            migrations.AddConstraint(
                model_name="flagcase",
                constraint=models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("state__in", ["open", "acknowledged"]), ("ended_at__isnull", True), ("resolution", "")),
                        models.Q(("ended_at__isnull", False), ("state", "resolved"), models.Q(("resolution", ""), _negated=True)),
                        models.Q(
                            ("ended_at__isnull", False),
                            ("resolution", ""),
                            ("state", "dismissed"),
                            models.Q(("reason", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="reviews_flagcase_end_is_complete",
                ),
            ),
            migrations.AddConstraint(
                model_name="restatement",
                constraint=models.UniqueConstraint(
                    condition=models.Q(("state", "asked")), fields=("cycle",), name="reviews_restatement_one_at_a_time"
                ),
            ),
            migrations.AddConstraint(
                model_name="restatement",
                constraint=models.CheckConstraint(
                    condition=models.Q(("state__in", ["asked", "approved", "refused"])), name="reviews_restatement_state_known"
                ),
            ),
            migrations.AddConstraint(
                model_name="restatement",
                constraint=models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True), name="reviews_restatement_has_reason"
                ),
            ),
            migrations.AddConstraint(
                model_name="restatement",
                constraint=models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("answered_at__isnull", True), ("answered_by", ""), ("state", "asked")),
                        models.Q(
                            models.Q(("state", "asked"), _negated=True),
                            models.Q(("answered_by", ""), _negated=True),
                            ("answered_at__isnull", False),
                        ),
                        _connector="OR",
                    ),
                    name="reviews_restatement_both_answered_at_and_answered_by_set",
                ),
            ),
            migrations.AddConstraint(
                model_name="restatement",
                constraint=models.CheckConstraint(
                    condition=models.Q(("asked_by", models.F("answered_by")), _negated=True),
                    name="reviews_restatement_by_two_people",
                ),
            ),
        ),
        protect("reviews_flagtransition"),
    ]
