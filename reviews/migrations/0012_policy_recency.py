"""How many months before the reviewed one a standing rests on too; the policies that there are say none."""

from django.db import migrations, models

from plum_site.lib.append_only import alter_protected


class Migration(migrations.Migration):
    dependencies = [("reviews", "0011_actions_protected")]

    operations = alter_protected(
        migrations.AddField(model_name="reviewpolicy", name="recency_months", field=models.PositiveSmallIntegerField(default=0)),
        migrations.AddConstraint(
            model_name="reviewpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("recency_months__lte", 12)), name="reviews_policy_recency_within_a_year"
            ),
        ),
    )
