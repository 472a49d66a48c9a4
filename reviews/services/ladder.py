"""The ladder: moved by its rule when a review is closed, held by people, and its versions."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db import transaction

from partners.models import Partner, Program
from partners.services import change_partner_state
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import User
from plum_site.lib.periods import local_date, month_text
from reviews.choices import ActionKind, LadderName, LadderOutcome
from reviews.models import CorrectiveAction, LadderHold, LadderMove, LadderVersion, ReviewCycle
from reviews.rules.ladder import Judgement, LadderRule, check_ladder, say_judgement
from reviews.selectors.actions import UNDER_WAY
from reviews.selectors.ladder import Rung, find_hold, list_closed_in_a_row, list_holds, read_ladder, read_rungs
from reviews.selectors.subscriptions import REPORT_WITHIN
from reviews.services.actions.approvals import check_number
from reviews.services.actions.notices import tell_of_proposals
from reviews.services.actions.proposing import propose_action
from reviews.services.announcements import announce_move

DUE_AFTER = timedelta(days=14)
LONGEST_HOLD = timedelta(days=366)
LONGEST_REASON = 2000
# What is proposed with a step, where anything is.
PROPOSED: dict[str, ActionKind] = {
    LadderName.PUT_ON_NOTICE: ActionKind.CONTACT_PARTNER,
    LadderName.START_IMPROVEMENT_PLAN: ActionKind.CONTACT_PARTNER,
    LadderName.REPLACEMENT_DUE: ActionKind.REPLACE_PARTNER,
}


def judge_ladder(*, cycle: ReviewCycle, at: datetime) -> list[LadderMove]:
    """
    Move the partners of a review that was just closed, by the rule in force.

    Only the newest closed month moves anybody, once: neither an older month that is closed after it, nor a restatement, nor a
    month that ended over 40 days ago. Whoever is held stays, with what the rule asked for on record. A step up proposes a
    letter; at the top it proposes to replace the partner. What cannot be proposed is left out.

    Raises: nothing.
    Writes: reviews_laddermove, partners_partner, partners_partnertransition, reviews_correctiveaction, plum_auditevent,
    plum_outbox; in the caller's transaction, under the partners' locks.
    Source: docs/rules/ladder.md
    """
    closed = list_closed_in_a_row(cycle.program_id)
    if cycle.revision > 1 or not closed or closed[-1].pk != cycle.pk or at - cycle.ends_at > REPORT_WITHIN:
        return []
    in_force = read_ladder(cycle.program_id)
    if not in_force.rule.is_on:
        return []
    # One after the other, in one order: somebody may be changing one of them by hand.
    list(Partner.objects.select_for_update().filter(program_id=cycle.program_id).order_by("pk").values_list("pk"))
    holds = {hold.partner_id: hold for hold in list_holds(cycle.program_id, local_date(at, cycle.program.time_zone))}
    rungs = [rung for rung in read_rungs(cycle.program_id, in_force.rule) if rung.next is not None]
    moves = [_take(cycle, rung, rung.next, in_force.number, in_force.rule, holds, at) for rung in rungs if rung.next]
    tell_of_proposals(actions=[move.action for move in moves if move.action], at=at)
    return moves


@transaction.atomic
def save_ladder(
    *, program_id: int, rule: LadderRule, actor: User | str, at: datetime, replaces: int | None = None
) -> LadderVersion:
    """
    Say when partners move on the ladder, as the next version. The same again changes nothing. It counts for reviews that are
    closed from now on. replaces: the number of the version that the caller saw, where that matters.

    Raises: InvalidInput - invalid_ladder, with a sentence for each field at fault; DomainError - changed_since.
    Writes: reviews_ladderversion, plum_auditevent; locks the program.
    Source: docs/rules/ladder.md
    """
    check_ladder(rule)
    Program.objects.select_for_update().get(pk=program_id)
    in_force = read_ladder(program_id)
    check_number(in_force.number, replaces, "ladder")
    if in_force.row is not None and in_force.rule == rule:
        return in_force.row
    row = LadderVersion.objects.create(
        program_id=program_id,
        number=in_force.number + 1,
        rule=rule.as_json(),
        made_by=audit.actor_name(actor),
        made_at=at,
    )
    audit.record(
        program_id=program_id,
        actor=actor,
        action="reviews.save_ladder",
        row=row,
        at=at,
        before={"number": in_force.number, "rule": in_force.rule.as_json()},
        after={"number": row.number, "rule": row.rule},
    )
    return row


@transaction.atomic
def hold_on_ladder(*, partner_id: int, until_date: date, reason: str, actor: User | str, at: datetime) -> LadderHold:
    """
    Keep a partner from being moved up until a program day is over. It may still come back down. A hold that stands is replaced.

    Raises: NotFound; InvalidInput - invalid_hold, with a sentence for each field at fault.
    Writes: reviews_ladderhold, plum_auditevent; locks the partner.
    Source: docs/rules/ladder.md
    """
    partner = _lock(partner_id)
    today = local_date(at, partner.program.time_zone)
    faults = {}
    if not reason.strip() or len(reason) > LONGEST_REASON or "\0" in reason:
        faults["reason"] = f"Say why, in at most {LONGEST_REASON:,} characters."
    if not today <= until_date <= today + LONGEST_HOLD:
        faults["until"] = f"A day from {today} to {today + LONGEST_HOLD}."
    if faults:
        raise InvalidInput("invalid_hold", f"{partner} is not held. Nothing was changed.", faults)
    _end_standing(partner, actor, at)
    hold = LadderHold.objects.create(
        partner=partner, until_date=until_date, reason=reason.strip(), made_by=audit.actor_name(actor), made_at=at
    )
    audit.record(
        program_id=partner.program_id,
        actor=actor,
        action="reviews.hold_on_ladder",
        row=hold,
        at=at,
        after={"partner": partner.external_id, "until": until_date.isoformat()},
        comment=hold.reason,
    )
    return hold


@transaction.atomic
def end_hold(*, partner_id: int, actor: User | str, at: datetime) -> LadderHold:
    """
    Let the ladder move a partner again before its hold is over. Nothing moves before the next review is closed.

    Raises: NotFound, also where nobody holds it.
    Writes: reviews_ladderhold, plum_auditevent; locks the partner.
    """
    partner = _lock(partner_id)
    hold = find_hold(partner.pk, local_date(at, partner.program.time_zone))
    if hold is None:
        raise NotFound("hold of", partner.external_id)
    _end(hold, partner, actor, at)
    return hold


def _take(
    cycle: ReviewCycle,
    rung: Rung,
    step: Judgement,
    version: int,
    rule: LadderRule,
    holds: Mapping[int, LadderHold],
    at: datetime,
) -> LadderMove:
    """One step of one partner, or what keeps it from one: the row that says so, the state, what is proposed, who is told."""
    partner, evidence = rung.partner, step.as_json()
    sentence = say_judgement(evidence)
    hold = holds.get(partner.pk) if step.name != LadderName.RESTORE else None
    outcome = LadderOutcome.DUE if step.name == LadderName.REPLACEMENT_DUE else LadderOutcome.MOVED
    if hold is not None:
        outcome = LadderOutcome.HELD
        evidence["held"] = {"until": hold.until_date.isoformat(), "reason": hold.reason, "by": hold.made_by}
    move = LadderMove.objects.create(
        cycle=cycle,
        partner=partner,
        name=step.name,
        outcome=outcome,
        from_state=partner.state,
        to_state=step.target if outcome == LadderOutcome.MOVED else partner.state,
        version=version,
        evidence=evidence,
        action=None if hold else _propose(cycle, partner, step, sentence, rule, at),
        at=at,
    )
    if outcome == LadderOutcome.MOVED:
        comment = f"By rule at the closing of {month_text(cycle.month_start_date)}. {sentence}"
        ref = audit.reference(move)
        change_partner_state(partner_id=partner.pk, name=step.name, actor=audit.SYSTEM, at=at, comment=comment, source_ref=ref)
    else:
        _record(move, sentence, at)
    if hold is None:
        announce_move(move=move, at=at)
    return move


def _propose(
    cycle: ReviewCycle, partner: Partner, step: Judgement, sentence: str, rule: LadderRule, at: datetime
) -> CorrectiveAction | None:
    """What a step proposes, unless one of that kind is under way for the partner already."""
    kind = PROPOSED.get(step.name)
    if kind is None or (kind == ActionKind.CONTACT_PARTNER and not rule.writes):
        return None
    if partner.actions.filter(kind=kind, state__in=UNDER_WAY).exists():
        return None
    why = {
        LadderName.PUT_ON_NOTICE: "It was put on notice.",
        LadderName.START_IMPROVEMENT_PLAN: "Its improvement plan began.",
        LadderName.REPLACEMENT_DUE: "The ladder says that replacing it is due.",
    }[LadderName(step.name)]
    try:
        with transaction.atomic():
            return propose_action(
                partner_id=partner.pk,
                kind=kind,
                params={},
                reason=f"{why} {sentence}",
                cycle=cycle,
                due_date=local_date(at + DUE_AFTER, cycle.program.time_zone),
                proposal_key=f"ladder:{cycle.pk}:{partner.pk}",
                actor=audit.SYSTEM,
                at=at,
            )
    except DomainError:
        return None


def _record(move: LadderMove, sentence: str, at: datetime) -> None:
    """The audit row of what did not move: a partner that moves has that of its state."""
    audit.record(
        program_id=move.partner.program_id,
        actor=audit.SYSTEM,
        action="reviews.judge_ladder",
        row=move,
        at=at,
        after={"partner": move.partner.external_id, "step": str(move.name), "outcome": str(move.outcome)},
        comment=sentence,
    )


def _lock(partner_id: int) -> Partner:
    partner = Partner.objects.select_for_update(of=("self",)).select_related("program").filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    return partner


def _end_standing(partner: Partner, actor: User | str, at: datetime) -> None:
    """End the hold that a new one replaces; one that is over already ends with it, for good."""
    for hold in partner.ladder_holds.filter(ended_at__isnull=True):
        _end(hold, partner, actor, at)


def _end(hold: LadderHold, partner: Partner, actor: User | str, at: datetime) -> None:
    hold.ended_at, hold.ended_by = at, audit.actor_name(actor)
    hold.save(update_fields=["ended_at", "ended_by"])
    audit.record(
        program_id=partner.program_id,
        actor=actor,
        action="reviews.end_ladder_hold",
        row=hold,
        at=at,
        before={"partner": partner.external_id, "until": hold.until_date.isoformat()},
    )
