"""One change of a row's state: looked up in the app's table, written with its log row and its audit row."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models

from plum_site.lib import audit
from plum_site.lib.models import User
from plum_site.lib.workflow import Table, check_comment, find_transition


def take_transition(
    *,
    row: Any,
    log: type[models.Model],
    table: Table,
    name: str,
    action: str,
    actor: User | str,
    at: datetime,
    comment: str,
    link: str = "",
    changes: Mapping[str, Any] | None = None,
    kept: Sequence[str] = (),
    told: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Any:
    """
    Take one named transition of a row that the caller has locked, in the caller's transaction; the row of the log.

    row: has `state` and `program_id`. changes: fields of it that are saved with the state. The others: as write_transition.
    Raises DomainError (transition_refused) and InvalidInput (comment_required); nothing is written then.
    """
    before = row.state
    transition = find_transition(table, name, before)
    check_comment(transition, comment)
    row.state = transition.target
    for field, value in (changes or {}).items():
        setattr(row, field, value)
    row.save(update_fields=["state", *(changes or {})])
    return write_transition(
        row=row,
        log=log,
        name=name,
        before=before,
        action=action,
        actor=actor,
        at=at,
        comment=comment,
        link=link,
        kept=kept,
        told=told,
        **columns,
    )


def write_transition(
    *,
    row: Any,
    log: type[models.Model],
    name: str,
    before: str,
    action: str,
    actor: User | str,
    at: datetime,
    comment: str,
    link: str = "",
    kept: Sequence[str] = (),
    told: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Any:
    """
    Write down a transition that was taken; the row of the log.

    before: the state that it began from, "" of the first one. log: has a foreign key to the row, called `link` or after the
    row's model, and the columns of OfferTransition; columns: more of its values. kept: fields of the row that log and audit
    keep as they are now. told: what the audit says beside them.
    """
    as_now = {field: getattr(row, field) for field in kept}
    step = log._default_manager.create(
        **{link or row._meta.model_name: row},
        name=name,
        from_state=before,
        to_state=row.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        **as_now,
        **columns,
    )
    audit.record(
        program_id=row.program_id,
        actor=actor,
        action=action,
        row=row,
        at=at,
        before={"state": before} if before else None,
        after={"state": row.state, **as_now, **(told or {})},
        comment=comment,
    )
    return step
