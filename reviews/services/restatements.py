"""Restating a closed review: asked for by one person, approved by another, made anew as a revision of its own."""

from datetime import datetime

from django.db import IntegrityError, transaction

from plum_site.lib import audit, jobs
from plum_site.lib.access import Actor, check
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.people import find_person
from plum_site.lib.periods import month_text
from reviews.choices import CycleState, RestatementState
from reviews.models import CycleTransition, Restatement, ReviewCycle

ASK, ANSWER = "restatement.ask", "restatement.answer"


class UnableToRestate(DomainError):
    """The review is not closed, not the newest revision, or somebody has asked already; or one person would be two."""


@transaction.atomic
def ask_restatement(*, cycle_id: int, reason: str, actor: User | str, at: datetime) -> Restatement:
    """
    Ask for a closed review to be made anew with what is known now. Somebody else has to approve it.

    What a token asks for is asked for by whoever made the token.

    Raises: NotFound; InvalidInput - reason_required; UnableToRestate - not_closed, not_newest, asked_already.
    Writes: reviews_restatement, plum_auditevent; locks the cycle.
    Source: docs/rules/restatement.md
    """
    cycle = _lock_cycle(cycle_id)
    if not reason.strip():
        sentence = "Nothing was asked for: say why the closed review has to be made anew."
        raise InvalidInput("reason_required", sentence, {"reason": "Say why."})
    _check_restatable(cycle)
    if cycle.restatements.filter(state=RestatementState.ASKED).exists():
        raise UnableToRestate(
            "asked_already", f"A restatement of {cycle} was asked for already and waits for an answer. Nothing was changed."
        )
    who = audit.actor_name(find_person(actor) or actor)
    row = Restatement.objects.create(cycle=cycle, reason=reason.strip(), asked_by=who, asked_at=at)
    audit.record(
        program_id=cycle.program_id,
        actor=actor,
        action="reviews.ask_restatement",
        row=row,
        at=at,
        after={"month": month_text(cycle.month_start_date), "revision": cycle.revision, "asked_by": row.asked_by},
        comment=row.reason,
    )
    return row


@transaction.atomic
def approve_restatement(*, restatement_id: int, actor: User, at: datetime, answer: str = "") -> ReviewCycle:
    """
    Have a closed review made anew: its next revision is opened and consolidated in the background. The closed one stays.

    Returns the new revision. Never by whoever asked, nor by a token; the database refuses it too.

    Raises: NotFound; NotAllowed; UnableToRestate - same_person, answered_already, not_closed, not_newest.
    Writes: reviews_restatement, reviews_reviewcycle, reviews_cycletransition, plum_job, plum_auditevent; locks the cycle.
    Source: docs/rules/restatement.md
    """
    row = _lock_for_answer(restatement_id, actor)
    cycle = row.cycle
    _check_restatable(cycle)
    _store_answer(row, RestatementState.APPROVED, actor, at, answer)
    revised = ReviewCycle.objects.create(
        program=cycle.program,
        month_start_date=cycle.month_start_date,
        revision=cycle.revision + 1,
        starts_at=cycle.starts_at,
        ends_at=cycle.ends_at,
        opened_at=at,
    )
    CycleTransition.objects.create(
        cycle=revised, name="restate", to_state=CycleState.OPEN, actor=audit.actor_name(actor), at=at, comment=row.reason
    )
    row.revised = revised
    row.save(update_fields=["revised"])
    month = cycle.month_start_date.isoformat()
    jobs.plan(
        name="reviews.consolidate_month",
        key=f"{cycle.program_id}:{month}:revision-{revised.revision}",
        program_id=cycle.program_id,
        arguments={"program_id": cycle.program_id, "month": month, "asked_by": actor.pk},
        due_at=at,
        at=at,
    )
    _record(row, "reviews.approve_restatement", actor, at)
    return revised


@transaction.atomic
def refuse_restatement(*, restatement_id: int, actor: User, at: datetime, answer: str) -> Restatement:
    """
    Leave a closed review as it is, although somebody asked for another.

    Raises: NotFound; NotAllowed; InvalidInput - reason_required; UnableToRestate - same_person, answered_already.
    Writes: reviews_restatement, plum_auditevent; locks the cycle.
    Source: docs/rules/restatement.md
    """
    row = _lock_for_answer(restatement_id, actor)
    if not answer.strip():
        sentence = "Nothing was refused: say why the closed review stays."
        raise InvalidInput("reason_required", sentence, {"answer": "Say why."})
    _store_answer(row, RestatementState.REFUSED, actor, at, answer)
    _record(row, "reviews.refuse_restatement", actor, at)
    return row


def _lock_cycle(cycle_id: int) -> ReviewCycle:
    cycle = ReviewCycle.objects.select_for_update(of=("self",)).select_related("program").filter(pk=cycle_id).first()
    if cycle is None:
        raise NotFound("review", cycle_id)
    return cycle


def _lock_for_answer(restatement_id: int, actor: User) -> Restatement:
    """The restatement, if this person may answer it now: holding the right at this moment, and not whoever asked."""
    row = Restatement.objects.filter(pk=restatement_id).first()
    if row is None:
        raise NotFound("restatement", restatement_id)
    cycle = _lock_cycle(row.cycle_id)  # everything about a month is decided under the lock of its cycle
    row.refresh_from_db()
    row.cycle = cycle
    check(Actor(user=actor), ANSWER, cycle.program_id)
    if row.state != RestatementState.ASKED:
        raise UnableToRestate("answered_already", f"{row} was {row.get_state_display().lower()} already. Nothing was changed.")
    if row.asked_by == audit.actor_name(actor):
        raise UnableToRestate("same_person", f"You asked for the {row!s}: somebody else has to answer it. Nothing was changed.")
    return row


def _check_restatable(cycle: ReviewCycle) -> None:
    if cycle.state != CycleState.CLOSED:
        raise UnableToRestate(
            "not_closed", f"{cycle} is not closed: consolidate it again instead of restating it. Nothing was changed."
        )
    newer = ReviewCycle.objects.filter(
        program_id=cycle.program_id, month_start_date=cycle.month_start_date, revision__gt=cycle.revision
    )
    if newer.exists():
        raise UnableToRestate(
            "not_newest", f"{cycle} has a newer revision than {cycle.revision}: restate that one. Nothing was changed."
        )


def _store_answer(row: Restatement, state: str, actor: User, at: datetime, answer: str) -> None:
    row.state, row.answered_by, row.answered_at, row.answer = state, audit.actor_name(actor), at, answer.strip()
    try:
        row.save(update_fields=["state", "answered_by", "answered_at", "answer"])
    except IntegrityError as error:
        raise UnableToRestate("same_person", "Somebody else than whoever asked has to answer. Nothing was changed.") from error


def _record(row: Restatement, action: str, actor: User, at: datetime) -> None:
    after = {"state": str(row.state), "revised": row.revised.revision if row.revised else None}
    audit.record(
        program_id=row.cycle.program_id,
        actor=actor,
        action=action,
        row=row,
        at=at,
        before={"state": str(RestatementState.ASKED)},
        after=after,
        comment=row.answer,
    )
