"""The audit log: one row per change, in the same transaction. No audit row, no change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models, transaction

from plum_site.lib.models import AuditEvent, User

SYSTEM = "system"


def actor_name(actor: User | str) -> str:
    """How an actor is written in every log: "user:ID" for a person; text ("system", "token:ID") as it is."""
    return actor if isinstance(actor, str) else f"user:{actor.pk}"


def reference(row: models.Model) -> str:
    """How a row is named where no foreign key may be: "app.Model:id"."""
    return f"{row._meta.label}:{row.pk}"


def record(
    *,
    program_id: int | None,
    actor: User | str,
    action: str,
    row: models.Model,
    at: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    comment: str = "",
) -> AuditEvent:
    """
    Write one audit row. Must run inside the transaction of the change; refuses otherwise.

    before, after: the changed fields only, as JSON; personal values never.
    Writes: plum_auditevent.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{action}: an audit row is written in the transaction of its change")
    return AuditEvent.objects.create(
        program_id=program_id,
        at=at,
        actor=actor_name(actor),
        action=action,
        object_ref=reference(row),
        before=before,
        after=after,
        comment=comment,
    )


def record_each(
    *,
    program_id: int | None,
    actor: User | str,
    action: str,
    rows: Sequence[models.Model],
    at: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """
    As `record`, one audit row for each of many rows that changed in the same way.

    Writes: plum_auditevent.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{action}: audit rows are written in the transaction of their change")
    who = actor_name(actor)
    entries = (
        AuditEvent(program_id=program_id, at=at, actor=who, action=action, object_ref=reference(row), before=before, after=after)
        for row in rows
    )
    AuditEvent.objects.bulk_create(entries, batch_size=1000)
