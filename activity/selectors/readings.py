"""Who has read a member's timeline lately: the audit log knows."""

from datetime import datetime, timedelta

from activity.models import Member
from plum_site.lib.audit import actor_name, reference
from plum_site.lib.models import AuditEvent, User

READING = "activity.read_timeline"
LASTS = timedelta(hours=8)


def was_read_recently(*, member: Member, reader: User, at: datetime) -> bool:
    """
    Whether a person gave a reason for reading this member within the last eight hours.

    Shape: True or False.
    """
    rows = AuditEvent.objects.filter(object_ref=reference(member), program_id=member.program_id, action=READING)
    return rows.filter(actor=actor_name(reader), at__gt=at - LASTS, at__lte=at).exists()
