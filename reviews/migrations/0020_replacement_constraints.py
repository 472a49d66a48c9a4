"""What must hold of replacements; logs, contacts and files are appended only."""

from django.db import migrations, models

from plum_site.lib.append_only import protect


class Migration(migrations.Migration):
    dependencies = [("reviews", "0019_replacements")]

    operations = [
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "opened",
                            "compared",
                            "chosen",
                            "agreed",
                            "mapped",
                            "approved",
                            "scheduled",
                            "cut_over",
                            "verified",
                            "completed",
                            "rolled_back",
                            "cancelled",
                        ],
                    )
                ),
                name="reviews_replacement_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(("revision__gte", 1)), name="reviews_replacement_revision_from_one"
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("successor__isnull", True),
                    models.Q(models.Q(("successor", models.F("partner")), _negated=True), ("is_without", False)),
                    _connector="OR",
                ),
                name="reviews_replacement_successor_is_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at__isnull", True), ("approver__isnull", True)),
                    models.Q(("approved_at__isnull", False), ("approver__isnull", False)),
                    _connector="OR",
                ),
                name="reviews_replacement_both_approved_at_and_approver_set",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ("opened", "compared", "chosen", "agreed", "mapped", "cancelled", "rolled_back")),
                    ("approver__isnull", False),
                    _connector="OR",
                ),
                name="reviews_replacement_nothing_unapproved_goes_on",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("needs_two", False),
                    ("is_solo", True),
                    ("approver__isnull", True),
                    models.Q(("mapper__isnull", False), models.Q(("approver", models.F("mapper")), _negated=True)),
                    _connector="OR",
                ),
                name="reviews_replacement_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("cut_over", "verified", "completed")), _negated=True),
                    models.Q(
                        ("after__isnull", False),
                        ("before__isnull", False),
                        ("cut_over_at__isnull", False),
                        ("last_activation_date__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="reviews_replacement_cut_over_has_before_and_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("state__in", ("completed", "cancelled"))),
                    models.Q(("state__in", ("completed", "cancelled")), _negated=True),
                    _connector="OR",
                ),
                name="reviews_replacement_ended_has_ended_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacement",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_activation_days__gte", 1), ("last_activation_days__lte", 365)),
                name="reviews_replacement_last_activation_within_a_year",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementcandidate",
            constraint=models.UniqueConstraint(fields=("replacement", "partner"), name="reviews_replacementcandidate_once"),
        ),
        migrations.AddConstraint(
            model_name="replacementcandidate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refusal", ""), ("refused_at__isnull", True)),
                    models.Q(("refused_at__isnull", False), models.Q(("refusal", ""), _negated=True)),
                    _connector="OR",
                ),
                name="reviews_replacementcandidate_refused_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementcontact",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["call", "mail", "meeting", "note"])),
                name="reviews_replacementcontact_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementcontact",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="reviews_replacementcontact_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementfile",
            constraint=models.UniqueConstraint(fields=("replacement", "sha256"), name="reviews_replacementfile_once"),
        ),
        migrations.AddIndex(
            model_name="replacementholder",
            index=models.Index(fields=["replacement", "state", "member"], name="reviews_replacementholder_next"),
        ),
        migrations.AddConstraint(
            model_name="replacementholder",
            constraint=models.UniqueConstraint(fields=("replacement", "member", "offer"), name="reviews_replacementholder_once"),
        ),
        migrations.AddConstraint(
            model_name="replacementholder",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "mailed", "announced", "skipped", "unreachable"])),
                name="reviews_replacementholder_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementholder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("settled_at__isnull", True), ("state", "waiting")),
                    models.Q(models.Q(("state", "waiting"), _negated=True), ("settled_at__isnull", False)),
                    _connector="OR",
                ),
                name="reviews_replacementholder_settled_has_settled_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementoffer",
            constraint=models.UniqueConstraint(fields=("replacement", "old"), name="reviews_replacementoffer_old_once"),
        ),
        migrations.AddConstraint(
            model_name="replacementoffer",
            constraint=models.CheckConstraint(
                condition=models.Q(("old__isnull", False), ("new__isnull", False), _connector="OR"),
                name="reviews_replacementoffer_names_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="replacementtask",
            constraint=models.UniqueConstraint(fields=("replacement", "step"), name="reviews_replacementtask_once"),
        ),
        migrations.AddConstraint(
            model_name="replacementtask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("step__in", ["compare", "choose", "agree", "map", "approve", "cut_over", "verify", "complete"])
                ),
                name="reviews_replacementtask_step_known",
            ),
        ),
        protect("reviews_replacementtransition"),
        protect("reviews_replacementcontact"),
        protect("reviews_replacementfile"),
    ]
