"""Who is in a push and in which arm is fixed by a trigger that reads no table: a push to many is frozen in time that grows with it."""

from importlib import import_module

from django.db import migrations

from plum_site.lib.append_only import close_to, fix_columns, undo

MOVED = import_module("reviews.migrations.0014_pushes").MOVED


class Migration(migrations.Migration):
    dependencies = [("reviews", "0021_replacement_trials")]

    operations = [
        undo(close_to("reviews_pushrecipient", when=MOVED)),
        fix_columns("reviews_pushrecipient", "action_id", "member_id", "arm", "channel"),
    ]
