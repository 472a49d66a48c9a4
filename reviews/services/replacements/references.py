"""How a replacement names members to an organisation's own messenger, and who is behind a name, for whoever may know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from activity.services.vault import open_external_ids
from plum_site.lib import audit, keys
from plum_site.lib.models import User
from reviews.models import Replacement, ReplacementHolder


def reference_of(replacement: Replacement, member_key: bytes) -> str:
    """
    The reference of one member in one replacement: 32 hexadecimal digits, always the same there, and another elsewhere.

    Raises: nothing.
    Writes: nothing.
    """
    secret = keys.program_key(replacement.program.uuid, "replacement")
    return keys.digest(secret, f"rep_{replacement.pk}:{member_key.hex()}")[:16].hex()


@transaction.atomic
def resolve_holders(
    *, replacement: Replacement, rows: Sequence[ReplacementHolder], actor: User | str, at: datetime
) -> list[dict[str, Any]]:
    """
    Who is behind the references of some holders: their outside ids, for the organisation's own messenger, and how far they were
    told. That they were read is in the audit log; who was erased meanwhile is left out.

    Raises: cryptography's InvalidTag, if the master key is not the one they were sealed with.
    Writes: plum_auditevent.
    Source: docs/rules/replacement.md
    """
    found = open_external_ids(program=replacement.program, member_ids=[row.member_id for row in rows])
    audit.record(
        program_id=replacement.program_id,
        actor=actor,
        action="reviews.read_replacement_holders",
        row=replacement,
        at=at,
        after={"members": len(found)},
    )
    return [
        {
            "reference": reference_of(replacement, bytes(row.member.key)),
            "member": found[row.member_id],
            "offer": row.offer.external_id,
            "state": row.state,
            "recalled_at": row.recalled_at,
        }
        for row in rows
        if row.member_id in found
    ]
