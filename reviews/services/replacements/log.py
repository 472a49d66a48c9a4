"""The one way in which a replacement changes its state: a row of the table, a log row, an audit row, and who is told."""

from datetime import datetime
from typing import Any

from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.transitions import take_transition, write_transition
from plum_site.lib.workflow import Table, find_transition
from reviews.models import Replacement, ReplacementTransition
from reviews.selectors.replacements.reads import RELATED
from reviews.services.actions.people import person_behind, require_right
from reviews.services.announcements import announce_replacement
from reviews.workflow import PROPOSE, REPLACEMENT_SYSTEM_TRANSITIONS, REPLACEMENT_TRANSITIONS

KEPT = ("revision",)  # of a replacement, in its log and its audit rows
# What is void once somebody goes back behind the approval.
UNAPPROVED: dict[str, Any] = {"approver": None, "approved_at": None, "is_solo": False, "scheduled_at": None}


def lock_replacement(replacement_id: int, replaces: int | None = None) -> Replacement:
    """
    One replacement, locked, with what its sentences need. replaces: the revision that the caller saw, where that matters.

    Raises: NotFound; InvalidInput - changed_since.
    """
    found = Replacement.objects.select_for_update(of=("self",)).select_related(*RELATED).filter(pk=replacement_id).first()
    if found is None:
        raise NotFound("replacement", replacement_id)
    if replaces not in (None, found.revision):
        sentence = f"Revision {found.revision} of the replacement stands, not {replaces}. Nothing was changed. Look at it."
        raise InvalidInput("changed_since", sentence)
    return found


def take(
    replacement: Replacement, name: str, actor: User | str, at: datetime, comment: str = "", signed: str = "", **changes: Any
) -> User:
    """
    Take one step that people take with a locked replacement, and save what changes with it; the person who stands behind it.

    signed: the field that names this person from now on.

    Raises: NotAllowed; DomainError - transition_refused; InvalidInput - comment_required; UnableToDecideAction - nobody_behind.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write; in the caller's
    transaction.
    """
    transition = find_transition(REPLACEMENT_TRANSITIONS, name, replacement.state)
    person = require_right(person_behind(actor), transition.operation, replacement.program_id)
    signature = {signed: person} if signed else {}
    _take(REPLACEMENT_TRANSITIONS, replacement, name, actor, at, comment, {**changes, **signature})
    return person


def take_by_itself(replacement: Replacement, name: str, at: datetime, comment: str = "", **changes: Any) -> None:
    """As take, for what Plum does itself."""
    _take(REPLACEMENT_SYSTEM_TRANSITIONS, replacement, name, audit.SYSTEM, at, comment, changes)


def may_work(replacement: Replacement, actor: User | str) -> User:
    """
    The person who works on a replacement without taking a step: adds a file, a contact, a candidate, a day.

    Raises: NotAllowed; UnableToDecideAction - nobody_behind.
    """
    return require_right(person_behind(actor), PROPOSE, replacement.program_id)


def note_change(replacement: Replacement, name: str, actor: User | str, at: datetime, **said: Any) -> None:
    """An audit row for what is changed without a step. Writes: plum_auditevent."""
    audit.record(
        program_id=replacement.program_id,
        actor=actor,
        action=f"reviews.{name}",
        row=replacement,
        at=at,
        after={"revision": replacement.revision, **said},
    )


def note_opening(replacement: Replacement, at: datetime) -> None:
    """The first row of a new replacement's log. Writes: reviews_replacementtransition, plum_auditevent, what listeners write."""
    step = write_transition(
        row=replacement,
        log=ReplacementTransition,
        kept=KEPT,
        name="open",
        before="",
        action="reviews.open_replacement",
        actor=audit.SYSTEM,
        at=at,
        comment="",
    )
    announce_replacement(replacement=replacement, step=step, at=at)


def _take(
    table: Table, replacement: Replacement, name: str, actor: User | str, at: datetime, comment: str, changes: dict[str, Any]
) -> None:
    step = take_transition(
        row=replacement,
        log=ReplacementTransition,
        kept=KEPT,
        table=table,
        name=name,
        action=f"reviews.{name}_replacement",
        actor=actor,
        at=at,
        comment=comment,
        changes=changes,
    )
    announce_replacement(replacement=replacement, step=step, at=at)
