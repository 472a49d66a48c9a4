"""Nothing is added to a closed cycle, nor moved into it."""

from django.db import migrations

from plum_site.lib.append_only import close_to

CYCLE_IS_CLOSED = "EXISTS (SELECT 1 FROM reviews_reviewcycle c WHERE c.id = NEW.cycle_id AND c.state = 'closed')"
SCORECARD_IS_CLOSED = (
    "EXISTS (SELECT 1 FROM reviews_scorecard s JOIN reviews_reviewcycle c ON c.id = s.cycle_id "
    "WHERE s.id = NEW.scorecard_id AND c.state = 'closed')"
)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0002_closed_stays_closed")]

    operations = [
        close_to("reviews_scorecard", when=CYCLE_IS_CLOSED),
        close_to("reviews_flag", when=SCORECARD_IS_CLOSED),
        close_to("reviews_decision", when=SCORECARD_IS_CLOSED),
    ]
