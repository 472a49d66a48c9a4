"""One change of a row's state: looked up in the app's table, written with its log row and its audit row."""

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
    source_ref: str,
) -> None:
    """
    Take one named transition of a row that the caller has locked, in the caller's transaction.

    row: has `state` and `program_id`. log: has a foreign key called after the row's model, and the columns of OfferTransition.
    Raises DomainError (transition_refused) and InvalidInput (comment_required); nothing is written then.
    """
    before = row.state
    transition = find_transition(table, name, before)
    check_comment(transition, comment)
    row.state = transition.target
    row.save(update_fields=["state"])
    log._default_manager.create(
        **{row._meta.model_name: row},
        name=name,
        from_state=before,
        to_state=row.state,
        actor=audit.actor_name(actor),
        at=at,
        comment=comment,
        source_ref=source_ref,
    )
    audit.record(
        program_id=row.program_id,
        actor=actor,
        action=action,
        row=row,
        at=at,
        before={"state": before},
        after={"state": row.state, "transition": name},
        comment=comment,
    )
