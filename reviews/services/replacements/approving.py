"""Approving what was mapped, by another person, and saying when the cutover is."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from plum_site.lib import jobs
from plum_site.lib.errors import InvalidInput
from plum_site.lib.models import User
from reviews.choices import ActionKind
from reviews.models import Replacement
from reviews.rules.actions import SOLO_HOURS, needs_two_people
from reviews.selectors.actions import read_approvals
from reviews.services.actions.people import UnableToDecideAction, person_behind
from reviews.services.replacements.gaps import check_gaps
from reviews.services.replacements.log import UNAPPROVED, lock_replacement, take
from reviews.services.replacements.mapping import check_saved
from reviews.services.replacements.notices import tell_partners

CUT_OVER = "reviews.cut_over"


@transaction.atomic
def approve_replacement(
    *, replacement_id: int, actor: User | str, at: datetime, comment: str = "", replaces: int | None = None
) -> Replacement:
    """
    Give leave for the cutover as it is mapped. Where two people are needed, never by whoever put the mapping forward; the
    database refuses it too. In solo mode one person is enough, and the cutover waits for 24 hours.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_mapping, gaps_not_accepted,
    changed_since; UnableToDecideAction - nobody_behind, same_person.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id, replaces)
    person = person_behind(actor)
    check_gaps(replacement, check_saved(replacement, at), at)
    spec = read_approvals(replacement.program_id).spec
    needs_two = needs_two_people(spec, ActionKind.REPLACE_PARTNER)
    is_same = person is not None and person.pk == replacement.mapper_id
    is_solo = needs_two and spec.solo_mode and is_same
    if needs_two and is_same and not is_solo:
        raise _same_person()
    changes = {"approved_at": at, "needs_two": needs_two, "is_solo": is_solo}
    try:
        with transaction.atomic():
            take(replacement, "approve", actor, at, comment, signed="approver", **changes)
    except IntegrityError as error:
        raise _same_person() from error
    return replacement


@transaction.atomic
def send_back(*, replacement_id: int, actor: User | str, at: datetime, comment: str) -> Replacement:
    """
    Refuse the mapping as it is, with a reason: it is mapped anew.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - comment_required.
    Writes: reviews_replacement, reviews_replacementtransition, plum_auditevent, what listeners write.
    """
    replacement = lock_replacement(replacement_id)
    refuse_without(replacement)
    take(replacement, "send_back", actor, at, comment, revision=replacement.revision + 1, **UNAPPROVED)
    return replacement


@transaction.atomic
def schedule_cutover(
    *,
    replacement_id: int,
    scheduled_at: datetime,
    actor: User | str,
    at: datetime,
    comment: str = "",
    tells_partners: bool = True,
) -> Replacement:
    """
    Say when the cutover is; again, to move it. Both partners are told by mail, unless that is not wanted.

    Raises: NotFound; NotAllowed; DomainError - transition_refused; InvalidInput - invalid_time.
    Writes: reviews_replacement, reviews_replacementtransition, plum_job, plum_outbox, plum_auditevent, what listeners write.
    Source: docs/rules/replacement.md
    """
    replacement = lock_replacement(replacement_id)
    earliest = at
    if replacement.is_solo and replacement.approved_at is not None:
        earliest = max(at, replacement.approved_at + timedelta(hours=SOLO_HOURS))
    if scheduled_at < earliest:
        why = f"One person approved it, so that it waits {SOLO_HOURS} hours. " if earliest > at else ""
        sentence = f"{why}Choose a time from {earliest:%Y-%m-%d %H:%M} UTC on."
        raise InvalidInput("invalid_time", f"Nothing was changed. {sentence}", {"scheduled_at": sentence})
    changes: dict[str, Any] = {"scheduled_at": scheduled_at, "failure": "", "revision": replacement.revision + 1}
    take(replacement, "schedule", actor, at, comment, **changes)
    arguments = {"replacement_id": replacement.pk, "revision": replacement.revision}
    jobs.plan(
        name=CUT_OVER,
        key=f"replacement:{replacement.pk}:{replacement.revision}",
        program_id=replacement.program_id,
        arguments=arguments,
        at=at,
        due_at=scheduled_at,
    )
    if tells_partners:
        tell_partners(replacement=replacement, at=at)
    return replacement


def refuse_without(replacement: Replacement) -> None:
    """
    Refuse what needs a successor where there is none.

    Raises: InvalidInput - no_successor.
    Writes: nothing.
    """
    if replacement.is_without:
        sentence = "It goes without a successor: there is no mapping to go back to. Go back to the candidates instead."
        raise InvalidInput("no_successor", f"Nothing was changed. {sentence}")


def _same_person() -> UnableToDecideAction:
    sentence = "You put this mapping forward yourself: somebody else has to approve it. Nothing was changed."
    return UnableToDecideAction("same_person", sentence)
