"""Messages and the quarantine; what a batch and a source say about how far they came."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

from plum_site.lib.append_only import alter_protected, protect


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0005_member_sets"),
        ("offers", "0003_append_only"),
        ("partners", "0003_append_only"),
    ]

    operations = [
        *alter_protected(
            migrations.RemoveConstraint(
                model_name="ingestbatch",
                name="activity_ingestbatch_origin_known",
            ),
            migrations.AddField(
                model_name="eventsource",
                name="complete_through_at",
                field=models.DateTimeField(blank=True, null=True),
            ),
            migrations.AddField(
                model_name="eventsource",
                name="rhythm",
                field=models.CharField(
                    choices=[
                        ("none", "Nothing is expected"),
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
            migrations.AddField(
                model_name="eventsource",
                name="stated_at",
                field=models.DateTimeField(blank=True, null=True),
            ),
            migrations.AddField(
                model_name="ingestbatch",
                name="latest_occurred_at",
                field=models.DateTimeField(null=True),
            ),
            migrations.AddField(
                model_name="ingestbatch",
                name="warning_count",
                field=models.PositiveIntegerField(db_default=0, default=0),
            ),
            migrations.AlterField(
                model_name="ingestbatch",
                name="origin",
                field=models.CharField(
                    choices=[("file", "File"), ("api", "API"), ("console", "Console"), ("quarantine", "Quarantine")],
                    max_length=10,
                ),
            ),
            migrations.AlterField(
                model_name="ingestbatch",
                name="program",
                field=models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="batches", to="partners.program"
                ),
            ),
            migrations.AlterField(
                model_name="ingestbatch",
                name="source",
                field=models.ForeignKey(
                    db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="batches", to="activity.eventsource"
                ),
            ),
            migrations.AddIndex(
                model_name="ingestbatch",
                index=models.Index(fields=["program", "day"], name="activity_ingestbatch_by_day"),
            ),
            migrations.AddIndex(
                model_name="ingestbatch",
                index=models.Index(
                    condition=models.Q(("token_id__isnull", False)),
                    fields=["token_id", "day"],
                    name="activity_ingestbatch_of_token",
                ),
            ),
            migrations.AddIndex(
                model_name="ingestbatch",
                index=models.Index(fields=["source", "latest_occurred_at"], name="activity_ingestbatch_of_source"),
            ),
            migrations.AddConstraint(
                model_name="eventsource",
                constraint=models.CheckConstraint(
                    condition=models.Q(("rhythm__in", ["none", "hourly", "daily", "weekly", "monthly"])),
                    name="activity_eventsource_rhythm_known",
                ),
            ),
            migrations.AddConstraint(
                model_name="eventsource",
                constraint=models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("complete_through_at__isnull", True), ("stated_at__isnull", True)),
                        models.Q(("complete_through_at__isnull", False), ("stated_at__isnull", False)),
                        _connector="OR",
                    ),
                    name="activity_eventsource_stated_with_its_instant",
                ),
            ),
            migrations.AddConstraint(
                model_name="ingestbatch",
                constraint=models.CheckConstraint(
                    condition=models.Q(("origin__in", ["file", "api", "console", "quarantine"])),
                    name="activity_ingestbatch_origin_known",
                ),
            ),
            migrations.AddConstraint(
                model_name="ingestbatch",
                constraint=models.CheckConstraint(
                    condition=models.Q(("warning_count__lte", models.F("accepted_count"))),
                    name="activity_ingestbatch_warns_of_accepted",
                ),
            ),
        ),
        migrations.AlterField(
            model_name="eventidentity",
            name="event_id",
            field=models.BigIntegerField(help_text="The Event it became; below 0 the MemberMessage."),
        ),
        migrations.CreateModel(
            name="MessageBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "origin",
                    models.CharField(
                        choices=[("file", "File"), ("api", "API"), ("console", "Console"), ("quarantine", "Quarantine")],
                        max_length=10,
                    ),
                ),
                ("token_id", models.BigIntegerField(help_text="The API token that sent it.", null=True)),
                ("day", models.DateField(help_text="Program day of recording.")),
                ("recorded_at", models.DateTimeField()),
                ("received_count", models.PositiveIntegerField()),
                ("accepted_count", models.PositiveIntegerField()),
                ("duplicate_count", models.PositiveIntegerField()),
                ("conflict_count", models.PositiveIntegerField()),
                ("rejected_count", models.PositiveIntegerField()),
                ("latest_occurred_at", models.DateTimeField(null=True)),
                (
                    "program",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="partners.program"
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="activity.eventsource"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "message batches",
                "indexes": [
                    models.Index(fields=["program", "day"], name="activity_messagebatch_day"),
                    models.Index(
                        condition=models.Q(("token_id__isnull", False)),
                        fields=["token_id", "day"],
                        name="activity_messagebatch_token",
                    ),
                    models.Index(fields=["source", "latest_occurred_at"], name="activity_messagebatch_source"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "received_count",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("accepted_count"), "+", models.F("duplicate_count")
                                        ),
                                        "+",
                                        models.F("conflict_count"),
                                    ),
                                    "+",
                                    models.F("rejected_count"),
                                ),
                            )
                        ),
                        name="activity_messagebatch_outcomes_add_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "api", "console", "quarantine"])),
                        name="activity_messagebatch_origin_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MemberMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_key", models.CharField(help_text="The event id its source gave.", max_length=200, null=True)),
                (
                    "kind",
                    models.PositiveSmallIntegerField(choices=[(1, "sent"), (2, "delivered"), (3, "bounced"), (4, "opened")]),
                ),
                (
                    "push_ref",
                    models.CharField(help_text="Which push it belongs to, by the sender's name for it.", max_length=200),
                ),
                ("reason_code", models.CharField(help_text="Why it bounced.", max_length=100, null=True)),
                ("occurred_at", models.DateTimeField()),
                ("local_date", models.DateField(help_text="Program day of `occurred_at`.")),
                (
                    "member",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="activity.member",
                    ),
                ),
                (
                    "program",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="partners.program"
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="activity.messagebatch",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["program", "push_ref"], name="activity_membermessage_of_push"),
                    models.Index(fields=["program", "local_date"], name="activity_membermessage_by_day"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", [1, 2, 3, 4])), name="activity_membermessage_kind_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageOffer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "message",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="offers",
                        to="activity.membermessage",
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="offers.offer",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["offer", "message"], name="activity_messageoffer_of_offer")],
                "constraints": [models.UniqueConstraint(fields=("message", "offer"), name="activity_messageoffer_once")],
            },
        ),
        migrations.CreateModel(
            name="QuarantinedEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("noun", models.CharField(choices=[("event", "Event"), ("message", "Message")], default="event", max_length=10)),
                ("key", models.BinaryField(help_text="As in EventIdentity.", max_length=16)),
                (
                    "content",
                    models.BinaryField(
                        help_text="As in EventIdentity: whether the same id came with other content.", max_length=8
                    ),
                ),
                ("lookup", models.BinaryField(help_text="As in VaultEntry: the HMAC of the person's outside id.", max_length=32)),
                ("sealed", models.BinaryField(help_text="What the event said.")),
                (
                    "origin",
                    models.CharField(
                        choices=[("file", "File"), ("api", "API"), ("console", "Console"), ("quarantine", "Quarantine")],
                        max_length=10,
                    ),
                ),
                ("token_id", models.BigIntegerField(help_text="The API token that sent it.", null=True)),
                ("kept_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("tried_at", models.DateTimeField(null=True)),
                ("refusal_code", models.CharField(blank=True, max_length=40)),
                (
                    "program",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="partners.program"
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="activity.eventsource"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["program", "lookup"], name="activity_quarantinedevent_who"),
                    models.Index(fields=["expires_at"], name="activity_quarantinedevent_old"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("program", "key"), name="activity_quarantinedevent_once"),
                    models.CheckConstraint(
                        condition=models.Q(("noun__in", ["event", "message"])), name="activity_quarantinedevent_noun_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "api", "console", "quarantine"])),
                        name="activity_quarantinedevent_origin_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("kept_at"))),
                        name="activity_quarantinedevent_expires_later",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("refusal_code", ""), ("tried_at__isnull", False), _connector="OR"),
                        name="activity_quarantinedevent_refused_when_tried",
                    ),
                ],
            },
        ),
        protect("activity_messagebatch"),
        protect("activity_membermessage", permit_table="activity_ledgerpermit"),
        protect("activity_messageoffer", permit_table="activity_ledgerpermit"),
    ]
