"""Named segments."""

from datetime import datetime
from typing import Any

from django.db import transaction

from offers.models import Segment
from offers.rules import check_segment_rule
from partners.models import Program
from partners.services import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.fields import check_row
from plum_site.lib.models import User


@transaction.atomic
def save_segment(
    *, program_id: int, code: str, name: str, rule: list[dict[str, Any]], actor: User | str, at: datetime
) -> tuple[Segment, str]:
    """
    Create a segment, or change the name or rule of the one with this code; with it "created", "changed" or "unchanged".

    Raises: InvalidInput.
    Writes: offers_segment, partners_program.catalog_revision, plum_auditevent; nothing if it is so already.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    check_segment_rule(rule, program.member_attributes)
    segment = Segment.objects.filter(program=program, code=code).first() or Segment(program=program, code=code, created_at=at)
    before = {"name": segment.name, "rule": segment.rule} if segment.pk else None
    after = {"name": name, "rule": rule}
    if before == after:
        return segment, "unchanged"
    segment.name, segment.rule = name, rule
    check_row(segment)
    segment.save()
    bump_catalog_revision(program_id=program_id)
    audit.record(program_id=program_id, actor=actor, action="offers.save_segment", row=segment, at=at, before=before, after=after)
    return segment, "changed" if before else "created"
