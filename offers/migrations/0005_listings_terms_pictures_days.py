"""Drafts of listings, terms by day, pictures, and the days that a catalog was turned to."""

import django.db.models.deletion
from django.db import migrations, models

from plum_site.lib.append_only import alter_protected, protect


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0004_ranking_pins"),
        ("partners", "0005_withdrawn_unlocks"),
    ]

    operations = [
        *alter_protected(
            migrations.AddField(
                model_name="listing",
                name="source_ref",
                field=models.CharField(blank=True, default="", help_text='What caused it, as "app.Model:id".', max_length=120),
                preserve_default=False,
            ),
        ),
        migrations.CreateModel(
            name="ListingDraft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=300)),
                ("text", models.TextField(blank=True)),
                ("creative_url", models.URLField(blank=True, max_length=500, verbose_name="picture or film")),
                ("terms", models.TextField(blank=True)),
                ("based_on", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("in_review", "In review"),
                            ("published", "Published"),
                            ("discarded", "Discarded"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("edited_at", models.DateTimeField()),
                ("edited_by", models.CharField(max_length=200)),
                (
                    "listing",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to="offers.listing",
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="drafts", to="offers.offer"),
                ),
            ],
            options={
                "ordering": ["-edited_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="ListingDraftTransition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("from_state", models.CharField(blank=True, max_length=10)),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("in_review", "In review"),
                            ("published", "Published"),
                            ("discarded", "Discarded"),
                        ],
                        max_length=10,
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("at", models.DateTimeField()),
                ("comment", models.TextField(blank=True)),
                ("source_ref", models.CharField(blank=True, help_text='What caused it, as "app.Model:id".', max_length=120)),
                (
                    "listingdraft",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="transitions", to="offers.listingdraft"
                    ),
                ),
            ],
            options={
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="OfferTerms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "starts_date",
                    models.DateField(
                        blank=True, help_text="First program day; empty: open to the past.", null=True, verbose_name="from"
                    ),
                ),
                ("text", models.TextField(blank=True, verbose_name="terms")),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(max_length=200)),
                ("source_ref", models.CharField(blank=True, help_text='What caused it, as "app.Model:id".', max_length=120)),
                (
                    "offer",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="dated_terms", to="offers.offer"),
                ),
            ],
            options={
                "verbose_name_plural": "offer terms",
                "ordering": ["offer", "starts_date", "id"],
            },
        ),
        migrations.CreateModel(
            name="CatalogDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("local_date", models.DateField()),
                ("started_count", models.PositiveIntegerField()),
                ("ended_count", models.PositiveIntegerField()),
                ("turned_at", models.DateTimeField()),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="catalog_days", to="partners.program"
                    ),
                ),
            ],
            options={
                "ordering": ["program", "-local_date"],
                "constraints": [models.UniqueConstraint(fields=("program", "local_date"), name="offers_catalogday_once")],
            },
        ),
        migrations.CreateModel(
            name="Creative",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("extension", models.CharField(max_length=4)),
                ("width", models.PositiveIntegerField(help_text="In pixels.")),
                ("height", models.PositiveIntegerField(help_text="In pixels.")),
                ("size_bytes", models.PositiveIntegerField()),
                ("brought_at", models.DateTimeField()),
                ("brought_by", models.CharField(max_length=200)),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="creatives", to="partners.program"
                    ),
                ),
            ],
            options={
                "ordering": ["-brought_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("program", "sha256"), name="offers_creative_once"),
                    models.CheckConstraint(
                        condition=models.Q(("extension__in", ("jpg", "png"))), name="offers_creative_extension_known"
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="listingdraft",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["draft", "in_review", "published", "discarded"])),
                name="offers_listingdraft_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="listingdraft",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("state", "published"), _negated=True), ("listing__isnull", False), _connector="OR"),
                name="offers_listingdraft_published_as",
            ),
        ),
        migrations.AddConstraint(
            model_name="listingdraft",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("draft", "in_review"))),
                fields=("offer",),
                name="offers_listingdraft_one_at_a_time",
            ),
        ),
        protect("offers_listingdraft", when="OLD.state IN ('published', 'discarded')"),
        protect("offers_listingdrafttransition"),
        protect("offers_offerterms"),
        protect("offers_catalogday"),
    ]
