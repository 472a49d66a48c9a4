"""What a ranking pins and hides, and whose ranking holds for a member of several segments: so far, the newest."""

from typing import Any

from django.db import migrations, models

from plum_site.lib.append_only import alter_protected


def number_rankings(apps: Any, schema_editor: Any) -> None:
    """The segment whose ranking was changed last first, as it was until now."""
    revisions, segments = apps.get_model("offers", "RankingRevision"), apps.get_model("offers", "Segment")
    newest = revisions.objects.filter(segment__isnull=False).values("segment_id").annotate(last=models.Max("id"))
    for priority, row in enumerate(newest.order_by("-last"), 1):
        segments.objects.filter(pk=row["segment_id"]).update(ranking_priority=priority)


class Migration(migrations.Migration):
    dependencies = [("offers", "0003_append_only")]

    operations = [
        *alter_protected(
            migrations.AddField("rankingrevision", "pinned", models.JSONField(default=dict)),
            migrations.AddField("rankingrevision", "hidden", models.JSONField(default=list)),
            migrations.AddField("rankingrevision", "is_ended", models.BooleanField(default=False)),
            migrations.AddField("segment", "ranking_priority", models.IntegerField(blank=True, editable=False, null=True)),
        ),
        migrations.RunPython(number_rankings, migrations.RunPython.noop),
    ]
