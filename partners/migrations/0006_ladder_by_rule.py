"""Nobody but a rule puts a partner on the ladder or begins its replacement; what people did before stays as it was."""

from django.db import migrations

from plum_site.lib.append_only import close_to

BY_HAND = (
    "NEW.name IN ('put_on_notice', 'start_improvement_plan', 'start_replacement', 'stop_replacement') AND NEW.actor <> 'system'"
)


class Migration(migrations.Migration):
    dependencies = [("partners", "0005_withdrawn_unlocks")]

    operations = [close_to("partners_partnertransition", when=BY_HAND)]
