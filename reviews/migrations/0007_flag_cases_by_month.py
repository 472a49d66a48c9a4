import datetime

from django.db import migrations, models
from django.db.models import F, Q


def open_cases(apps, schema_editor):
    """Give the flags of each program's latest finished review their case: nobody is told, they are known."""
    cycles = apps.get_model("reviews", "ReviewCycle").objects.filter(consolidated_at__gte=F("ends_at"))
    case_model = apps.get_model("reviews", "FlagCase")
    transition = apps.get_model("reviews", "FlagTransition")
    newest = {cycle.program_id: cycle for cycle in cycles.order_by("month_start_date", "revision")}
    for cycle in newest.values():
        flags = apps.get_model("reviews", "Flag").objects.filter(scorecard__cycle=cycle)
        for flag in flags.select_related("rule_version__rule", "scorecard__partner").order_by("id"):
            version, partner = flag.rule_version, flag.scorecard.partner
            case = case_model.objects.create(
                program_id=cycle.program_id,
                partner=partner,
                rule=version.rule,
                target=flag.target,
                target_key=flag.target_key,
                owner_id=version.owner_id or partner.owner_id,
                newest_flag=flag,
                seen={
                    "month": f"{cycle.month_start_date:%Y-%m}",
                    "metric": flag.metric,
                    "observed": float(flag.observed),
                    "threshold": float(flag.threshold),
                    "severity": version.severity,
                    "rule_number": version.number,
                    "direction": version.direction,
                    "reference": version.reference,
                    "share": float(version.threshold),
                    "evidence": flag.evidence,
                },
                first_month_date=cycle.month_start_date,
                newest_month_date=cycle.month_start_date,
                opened_at=flag.opened_at,
            )
            transition.objects.create(case=case, name="open", to_state="open", actor="system", at=flag.opened_at)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0006_flag_cases_gaps_restatements")]

    operations = [
        migrations.AlterModelOptions(name="flagcase", options={"ordering": ["-id"], "verbose_name": "flag"}),
        migrations.AddField(model_name="flagcase", name="seen", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="flagcase",
            name="first_month_date",
            field=models.DateField(default=datetime.date(2000, 1, 1)),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="flagcase",
            name="newest_month_date",
            field=models.DateField(default=datetime.date(2000, 1, 1)),
            preserve_default=False,
        ),
        migrations.AddField(model_name="flagcase", name="ended_month_date", field=models.DateField(null=True)),
        migrations.AddConstraint(
            model_name="flagcase",
            constraint=models.CheckConstraint(
                condition=Q(newest_month_date__gte=F("first_month_date")), name="reviews_flagcase_months_in_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="flagcase",
            constraint=models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_month_date__isnull=True)
                | Q(ended_at__isnull=False, ended_month_date__isnull=False),
                name="reviews_flagcase_ended_in_a_month",
            ),
        ),
        migrations.RunPython(open_cases, migrations.RunPython.noop, elidable=True),
    ]
