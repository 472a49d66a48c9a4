"""A member's timeline by outside id: the reading is logged before anything is shown."""

from datetime import datetime
from typing import Any

from activity.selectors.timeline import list_timeline
from activity.services.people import find_member
from activity.services.readings import log_reading
from partners.models import Program
from plum_site.lib.errors import NotFound
from plum_site.lib.models import User


def open_timeline(*, program: Program, external_id: str, reason: str, actor: User | str, at: datetime) -> list[dict[str, Any]]:
    """
    Everything one member did, as `list_timeline` gives it; that it was read, by whom and why, is in the audit log.

    Raises: NotFound; InvalidInput (code "reason_missing").
    Writes: plum_auditevent.
    """
    member = find_member(program=program, external_id=external_id)
    if member is None:
        raise NotFound("member", external_id)
    log_reading(member=member, reason=reason, actor=actor, at=at)
    return list_timeline(program=program, member=member)
