"""A restatement is asked for, then approved by somebody else; a revision of a closed review needs an approved one."""

from django.db import migrations

from plum_site.lib.append_only import close_to, protect

# Whoever asked stays who asked; nothing is approved that was not asked for before, in a row of its own.
TURNED = (
    "EXISTS (SELECT 1 FROM reviews_restatement r WHERE r.id = NEW.id AND r.asked_by <> NEW.asked_by) "
    "OR (NEW.state = 'approved' AND NOT EXISTS (SELECT 1 FROM reviews_restatement r WHERE r.id = NEW.id))"
)
NOT_APPROVED = (
    "NEW.revision > 1 AND NOT EXISTS (SELECT 1 FROM reviews_restatement r JOIN reviews_reviewcycle c ON c.id = r.cycle_id "
    "WHERE c.program_id = NEW.program_id AND c.month_start_date = NEW.month_start_date "
    "AND c.revision = NEW.revision - 1 AND r.state = 'approved')"
)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0007_flag_cases_by_month")]

    operations = [
        # An approved one is finished once its revision is there.
        protect("reviews_restatement", when="OLD.state = 'refused' OR OLD.revised_id IS NOT NULL"),
        close_to("reviews_restatement", when=TURNED),
        close_to("reviews_reviewcycle", when=NOT_APPROVED),
    ]
