"""What was approved stays as it was approved; logs and versions are appended only."""

from django.db import migrations

from plum_site.lib.append_only import close_to, protect

# Once somebody gave leave, what it was given for and by whom changes only by an edit, which voids it; a design once frozen stays.
TURNED = (
    "NEW.state <> 'proposed' AND EXISTS (SELECT 1 FROM reviews_correctiveaction a WHERE a.id = NEW.id "
    "AND a.approver_id IS NOT NULL AND (a.approver_id <> NEW.approver_id OR NEW.approver_id IS NULL "
    "OR a.revision <> NEW.revision OR a.needs_two <> NEW.needs_two OR a.is_solo <> NEW.is_solo "
    "OR a.kind <> NEW.kind OR a.partner_id <> NEW.partner_id "
    "OR COALESCE(a.proposer_id, 0) <> COALESCE(NEW.proposer_id, 0) OR COALESCE(a.editor_id, 0) <> COALESCE(NEW.editor_id, 0) "
    "OR COALESCE(a.segment_id, 0) <> COALESCE(NEW.segment_id, 0) "
    "OR CAST(a.params AS text) <> CAST(NEW.params AS text) "
    "OR (a.design IS NOT NULL AND CAST(a.design AS text) <> COALESCE(CAST(NEW.design AS text), ''))))"
)
# Nobody gives leave for less than was asked for a moment ago, nor in somebody else's stead.
UNSEEN = (
    "NEW.approver_id IS NOT NULL AND EXISTS (SELECT 1 FROM reviews_correctiveaction a WHERE a.id = NEW.id "
    "AND a.approver_id IS NULL AND ((a.needs_two AND NOT NEW.needs_two) OR a.revision <> NEW.revision "
    "OR COALESCE(a.proposer_id, 0) <> COALESCE(NEW.proposer_id, 0) "
    "OR COALESCE(a.editor_id, 0) <> COALESCE(NEW.editor_id, 0)))"
)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0010_action_constraints")]

    operations = [
        protect("reviews_actiontransition"),
        protect("reviews_actionnote"),
        protect("reviews_approvalpolicy"),
        protect("reviews_playbook"),
        close_to("reviews_correctiveaction", when=f"({TURNED}) OR ({UNSEEN})"),
    ]
