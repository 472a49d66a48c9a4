"""Readings of a member's timeline: each is itself logged, with the reason given."""

from datetime import datetime

from django.db import transaction

from activity.models import Member
from activity.selectors.readings import READING
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User

SHORTEST_REASON = 3


@transaction.atomic
def log_reading(*, member: Member, reason: str, actor: User | str, at: datetime) -> None:
    """
    Note in the audit log that somebody reads what one member did, and why. Without a reason nothing may be read.

    Raises: InvalidInput (code "reason_missing").
    Writes: plum_auditevent.
    """
    if len(reason.strip()) < SHORTEST_REASON:
        sentence = "Say why you read it, in a few words; the reason is logged with your name."
        raise InvalidInput("reason_missing", sentence, {"reason": sentence})
    why = reason.strip()[:500]
    audit.record(program_id=member.program_id, actor=actor, action=READING, row=member, at=at, comment=why)
