"""A closed cycle never changes, nor does anything in it; policies and rule versions are appended, never edited."""

from django.db import migrations

from plum_site.lib.append_only import protect

CLOSED_CYCLE = "EXISTS (SELECT 1 FROM reviews_reviewcycle c WHERE c.id = OLD.cycle_id AND c.state = 'closed')"
CLOSED_SCORECARD = (
    "EXISTS (SELECT 1 FROM reviews_scorecard s JOIN reviews_reviewcycle c ON c.id = s.cycle_id "
    "WHERE s.id = OLD.scorecard_id AND c.state = 'closed')"
)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0001_initial")]

    operations = [
        protect("reviews_reviewcycle", when="OLD.state = 'closed'"),
        protect("reviews_scorecard", when=CLOSED_CYCLE),
        protect("reviews_flag", when=CLOSED_SCORECARD),
        protect("reviews_decision", when=CLOSED_SCORECARD),
        protect("reviews_cycletransition"),
        protect("reviews_reviewpolicy"),
        protect("reviews_ruleversion"),
    ]
