"""One step of a row whose revisions count: by its table, with a row of its log and an audit row."""

from datetime import datetime
from typing import Any

from django.db import models

from plum_site.lib import audit
from plum_site.lib.models import User
from plum_site.lib.workflow import Table, check_comment, find_transition


def take_step(
    *,
    row: Any,
    log: type[models.Model],
    noun: str,
    table: Table,
    name: str,
    actor: User | str,
    at: datetime,
    comment: str,
    changes: dict[str, Any],
) -> Any:
    """
    Take one step of a locked row, save what changes with it, and write it down; the row of the log.

    row: has `state`, `revision` and `program_id`. noun: how its log and the audit call it.

    Raises: DomainError - transition_refused; InvalidInput - comment_required.
    Writes: the row, its log, plum_auditevent, in the caller's transaction.
    """
    before = row.state
    transition = find_transition(table, name, before)
    check_comment(transition, comment)
    row.state = transition.target
    for field, value in changes.items():
        setattr(row, field, value)
    row.save(update_fields=["state", *changes])
    return write_step(row=row, log=log, noun=noun, name=name, before=before, actor=actor, at=at, comment=comment)


def write_step(
    *,
    row: Any,
    log: type[models.Model],
    noun: str,
    name: str,
    before: str,
    actor: User | str,
    at: datetime,
    comment: str,
    told: dict[str, Any] | None = None,
) -> Any:
    """
    Write down a step that was taken; the row of the log. before: the state that it began from, "" of the first one. told: what
    the audit says beside it.

    Raises: nothing.
    Writes: the row's log, plum_auditevent, in the caller's transaction.
    """
    step = log._default_manager.create(
        **{noun: row},
        name=name,
        from_state=before,
        to_state=row.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        revision=row.revision,
    )
    audit.record(
        program_id=row.program_id,
        actor=actor,
        action=f"reviews.{name}_{noun}",
        row=row,
        at=at,
        before={"state": before} if before else None,
        after={"state": row.state, "revision": row.revision, **(told or {})},
        comment=comment,
    )
    return step
