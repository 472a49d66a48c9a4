"""
What was done about the made-up partners, and what became of it: through the services that people and workers use, each step
by who takes it and at its instant.

On the third day of the month before last the month before it is reviewed for the first time, partners get an owner, and the
corrections of the profiles are proposed, approved and carried out. Once their window is over they are measured.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import reviews.tasks  # noqa: F401 - what a worker does with a job
from activity.services import seal_ledger
from offers.models import Segment
from offers.selectors import find_order, get_segment, list_offers
from partners.models import Partner, Program
from partners.selectors import list_partners
from partners.services import set_partner_owner
from plum_site.demo import profiles
from plum_site.demo.journeys import corrected_on
from plum_site.demo.profiles import Correction
from plum_site.lib import jobs
from plum_site.lib.audit import SYSTEM
from plum_site.lib.models import Job, User
from plum_site.lib.periods import month_start, next_month
from reviews.choices import ActionKind, ActionState, DecisionKind
from reviews.models import CorrectiveAction, ReviewCycle
from reviews.selectors import get_scorecard, list_open_flags
from reviews.selectors.actions import list_actions, list_ended_windows
from reviews.services import assign_flag, consolidate_cycle, decide
from reviews.services.actions import EXECUTE, approve_action, measure_due_actions, propose_action, reject_action

REVIEWED, HANDED_OVER, PROPOSED, APPROVED, MEASURED = time(4), time(8, 40), time(9, 15), time(14, 5), time(15)


@dataclass(frozen=True)
class Past:
    """The days of a program on which something was done about partners, and by whom. `admin` approves what `ops` proposes."""

    program: Program
    today: date
    admin: User
    ops: User

    def at(self, day: date, clock: time) -> datetime:
        """An instant of one program day."""
        return datetime.combine(day, clock, ZoneInfo(self.program.time_zone))


def correct(past: Past, day: date) -> None:
    """
    Do what is due on one day of the past, once its events are recorded; what was done already is left alone.

    Raises: nothing of its own.
    Writes: partners, offers, reviews, plum.
    """
    on = corrected_on(past.today)
    if day < on:
        return
    if day == on:
        cycle = review(past, on)
        hand_over(past, on)
        for correction in profiles.CORRECTIONS:
            carry_out(past, on, cycle, correction)
    elif list_ended_windows(past.program.pk, at := past.at(day, MEASURED)):
        seal_ledger(program_id=past.program.pk, at=at)
        measure_due_actions(program_id=past.program.pk, at=at)


def review(past: Past, on: date) -> ReviewCycle:
    """The first review of the program: of the month that ended two days before. Nobody owns a partner yet, or is told."""
    month = next_month(month_start(on), -1)
    return consolidate_cycle(program_id=past.program.pk, month_start_date=month, actor=SYSTEM, at=past.at(on, REVIEWED))


def hand_over(past: Past, on: date) -> None:
    """Partners and open flags are given to whoever works on them from now on."""
    at = past.at(on, HANDED_OVER)
    for partner in list_partners(past.program.pk):
        set_partner_owner(partner_id=partner.pk, owner=past.ops, actor=past.admin, at=at)
    for case in list_open_flags(past.program.pk):
        assign_flag(case_id=case.pk, owner_id=past.ops.pk, actor=past.admin, at=at)


def carry_out(past: Past, on: date, cycle: ReviewCycle, correction: Correction) -> None:
    """One correction: instead of what the playbook proposes for the partner's flag, where there is a flag."""
    segment = get_segment(past.program.pk, correction.segment)
    actions = list_actions(past.program.pk).filter(partner__name=correction.partner)
    action = actions.filter(segment=segment).first() or propose(past, on, cycle, correction, segment)
    at = past.at(on, APPROVED)
    for other in actions.filter(state=ActionState.PROPOSED).exclude(pk=action.pk):
        reject_action(action_id=other.pk, actor=past.admin, at=at, comment=profiles.REFUSAL)
    if action.state == ActionState.PROPOSED:
        approve_action(action_id=action.pk, actor=past.admin, at=at, comment=correction.comment)
    run_waiting(action, at)


def propose(past: Past, on: date, cycle: ReviewCycle, correction: Correction, segment: Segment) -> CorrectiveAction:
    """What a person proposes: for the partner's flag, about which the review then says that somebody acts, or for none."""
    at = past.at(on, PROPOSED)
    partner = Partner.objects.get(program=past.program, name=correction.partner)
    case = list_open_flags(past.program.pk).filter(partner=partner).order_by("pk").first()
    if case is not None:
        card = get_scorecard(past.program.pk, cycle.month_start_date, partner.external_id)
        decide(scorecard_id=card.pk, kind=DecisionKind.ACT, actor=past.admin, at=at, comment=correction.reason)
    shown = find_order(past.program.pk, segment.pk, on).shown
    offers = list_offers(past.program.pk).filter(partner=partner, pk__in=shown).order_by("external_id")
    return propose_action(
        partner_id=partner.pk,
        kind=ActionKind.RERANK,
        params={"offers": [offer.external_id for offer in offers], "how": "top"},
        segment=segment.code,
        reason=correction.reason,
        case=case,
        cycle=cycle if case else None,
        owner=past.ops,
        actor=past.ops,
        at=at,
    )


def run_waiting(action: CorrectiveAction, at: datetime) -> None:
    """Have what was approved carried out by its job, as a worker does it."""
    for job in Job.objects.filter(name=EXECUTE, program_id=action.program_id, arguments__action_id=action.pk):
        jobs.run_job(job.pk, at)
