"""How a push names members to an organisation's own messenger, and who is behind a name, for whoever may know."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from activity.services.vault import open_external_ids
from plum_site.lib import audit, keys
from plum_site.lib.models import User
from reviews.models import CorrectiveAction, PushRecipient
from reviews.selectors.pushes import push_ref_of


def reference_of(action: CorrectiveAction, member_key: bytes) -> str:
    """
    The reference of one member in one push: 32 hexadecimal digits, always the same there, and another in every other push.

    Raises: nothing.
    Writes: nothing.
    """
    secret = keys.program_key(action.program.uuid, "push")
    return keys.digest(secret, f"{push_ref_of(action.pk)}:{member_key.hex()}")[:16].hex()


@transaction.atomic
def resolve_recipients(
    *, action: CorrectiveAction, rows: Sequence[PushRecipient], actor: User | str, at: datetime
) -> list[dict[str, str]]:
    """
    Who is behind the references of some recipients: their outside ids, for the organisation's own messenger. That they were
    read is in the audit log; who was erased meanwhile is left out.

    Raises: cryptography's InvalidTag, if the master key is not the one they were sealed with.
    Writes: plum_auditevent.
    Source: docs/rules/pushes.md
    """
    found = open_external_ids(program=action.program, member_ids=[row.member_id for row in rows])
    audit.record(
        program_id=action.program_id,
        actor=actor,
        action="reviews.read_push_recipients",
        row=action,
        at=at,
        after={"members": len(found)},
    )
    return [
        {"reference": reference_of(action, bytes(row.member.key)), "member": found[row.member_id]}
        for row in rows
        if row.member_id in found
    ]
