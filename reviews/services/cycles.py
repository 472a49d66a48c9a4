"""The monthly review from opening to closing."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import transaction

from activity.selectors import head_of
from activity.services import seal_ledger
from partners.models import Program
from plum_site.lib import audit, jobs
from plum_site.lib.crashpoints import crashpoint
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.models import User
from plum_site.lib.periods import first_instant, local_date, month_bounds, month_start, month_text, next_month
from plum_site.lib.workflow import find_transition
from reviews.choices import CycleState
from reviews.models import CycleTransition, ReviewCycle
from reviews.rules import digest_cards, make_cards
from reviews.selectors import (
    find_cycle,
    find_first_reviewable_month,
    find_gaps_now,
    list_overtaken,
    list_unaccepted,
    list_undecided,
    read_config,
    read_input,
    say_gap,
)
from reviews.selectors.actions import list_cases_to_act_on
from reviews.services.actions.playbook import propose_by_playbook
from reviews.services.announcements import announce_closing, announce_flags
from reviews.services.decisions import decide_by_rule
from reviews.services.flags import follow_flags
from reviews.services.gaps import keep_gaps
from reviews.services.ladder import judge_ladder
from reviews.services.notices import tell_owners_of_flags
from reviews.services.reports import plan_final_report
from reviews.services.rules import install_default_rules
from reviews.services.scorecards import replace_scorecards
from reviews.workflow import TRANSITIONS

Progress = Callable[[int, int, str], Any]
STEPS = ("Sealing the ledger", "Reading the configuration", "Reading the figures", "Scoring", "Writing the scorecards")


class UnableToOpenCycle(DomainError):
    """The month has not begun, or lies before the program."""

    exit_code = 2


class UnableToFreezeCycle(DomainError):
    """The month is not over, or nothing was consolidated yet."""


class UnableToCloseCycle(DomainError):
    """
    The cycle is not frozen, partners wait for a decision (`undecided` holds their external ids), or a data gap of the month
    is not accepted.
    """

    exit_code = 1

    def __init__(self, code: str, detail: str, undecided: list[str] | None = None) -> None:
        super().__init__(code, detail)
        self.undecided = undecided or []


@transaction.atomic
def open_cycle(*, program_id: int, month_start_date: date, actor: User | str, at: datetime) -> ReviewCycle:
    """
    The review of a month, opened if there is none yet; the first one of a program brings its default rules.

    Raises: UnableToOpenCycle - month_not_begun, before_the_program.
    Writes: reviews_reviewcycle, reviews_cycletransition, plum_auditevent; what install_default_rules writes.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    existing = find_cycle(program_id, month_start_date)
    if existing is not None:
        return existing
    month = month_text(month_start_date)
    if month_start_date > month_start(local_date(at, program.time_zone)):
        raise UnableToOpenCycle("month_not_begun", f"{month} has not begun yet in {program.time_zone}. No review was opened.")
    first = find_first_reviewable_month(program)
    if month_start_date < first:
        sentence = f"{program.code} begins in {month_text(first)}: there is nothing to review in {month}. No review was opened."
        raise UnableToOpenCycle("before_the_program", sentence)
    install_default_rules(program_id=program_id, actor=actor, at=at)
    starts_at, ends_at = month_bounds(month_start_date, program.time_zone)
    cycle = ReviewCycle.objects.create(
        program=program, month_start_date=month_start_date, starts_at=starts_at, ends_at=ends_at, opened_at=at
    )
    _log(cycle, "open", "", actor, at)
    audit.record(program_id=program_id, actor=actor, action="reviews.open_cycle", row=cycle, at=at, after={"month": month})
    return cycle


@transaction.atomic
def plan_consolidation(*, program_id: int, month_start_date: date, actor: User, at: datetime) -> ReviewCycle:
    """
    Have a month consolidated in the background for a person who asks for it now; its review is opened if there is none.

    Raises: as open_cycle.
    Writes: as open_cycle; plum_job.
    """
    cycle = open_cycle(program_id=program_id, month_start_date=month_start_date, actor=actor, at=at)
    month = month_start_date.isoformat()
    jobs.plan(
        name="reviews.consolidate_month",
        key=f"{program_id}:{month}:by-hand:{at.isoformat(timespec='seconds')}",
        program_id=program_id,
        arguments={"program_id": program_id, "month": month, "asked_by": actor.pk},
        due_at=at,
        at=at,
    )
    return cycle


def consolidate_cycle(
    *,
    program_id: int,
    month_start_date: date,
    actor: User | str,
    at: datetime,
    progress: Progress | None = None,
    by_hand: bool | None = None,
) -> ReviewCycle:
    """
    Score every partner of a month from the ledger as sealed now, and freeze the result when it is time.

    A scorecard for every partner that had an offer live at any instant of the month or any event in it, and for no
    other. Flags, standings and decisions by rule are made anew; what people decided stays where standing and flags
    did. What becomes of flags follows; those that were opened are announced, and told to their owners by mail, once. It
    freezes once the month is over and the program's ready day has come, or at once by hand (by_hand; empty: if a person
    asks). A frozen month is consolidated anew by hand only; a closed one never: it comes back as it is.

    A month that runs is consolidated hundreds of times a day: the audit log gets a row where a person asked, where it is the
    first time, and where flags came or went.

    Raises: UnableToOpenCycle, as open_cycle.
    Writes: reviews_reviewcycle, reviews_scorecard, reviews_flag, reviews_flagcase, reviews_flagtransition, reviews_decision,
    reviews_cycletransition, plum_auditevent, plum_outbox; what seal_ledger, open_cycle and keep_gaps write. One
    transaction for the review, under the cycle's lock.
    Source: docs/rules/standing.md, docs/rules/flags.md, docs/rules/flag-lifecycle.md, docs/rules/digest.md,
    docs/rules/coverage.md
    """
    is_by_hand = isinstance(actor, User) if by_hand is None else by_hand
    step = _steps(progress)
    cycle = open_cycle(program_id=program_id, month_start_date=month_start_date, actor=actor, at=at)
    if cycle.state == CycleState.CLOSED or (cycle.state == CycleState.READY and not is_by_hand):
        return cycle
    program = Program.objects.get(pk=program_id)
    step()
    seal_ledger(program_id=program_id, at=at)
    head = head_of(program_id)
    cutoff = head.number if head else 0
    step()
    config = read_config(program, month_start_date, cutoff, at)
    keep_gaps(program=program, found=find_gaps_now(program, cutoff, at), at=at)
    crashpoint("review.after_gaps")
    step()
    given = read_input(program, config, cutoff)
    step()
    cards = make_cards(given)
    digest = digest_cards(given, cards)
    step()
    crashpoint("review.after_scoring")
    with transaction.atomic():
        cycle = ReviewCycle.objects.select_for_update(of=("self",)).get(pk=cycle.pk)
        is_overtaken = cycle.cutoff is not None and cycle.cutoff > cutoff
        if cycle.state == CycleState.CLOSED or is_overtaken or (cycle.state == CycleState.READY and not is_by_hand):
            return cycle
        before = {"cutoff": cycle.cutoff, "digest": cycle.digest} if cycle.consolidated_at else None
        cycle.cutoff, cycle.config, cycle.digest, cycle.consolidated_at = cutoff, config, digest, at
        cycle.save(update_fields=["cutoff", "config", "digest", "consolidated_at"])
        have_flags_changed = replace_scorecards(cycle=cycle, cards=cards, actor=actor, at=at)
        crashpoint("review.after_scorecards")
        opened = follow_flags(cycle=cycle, cards=cards, at=at)
        crashpoint("review.after_flags")
        announce_flags(cycle=cycle, opened=opened, at=at)
        crashpoint("review.after_announcements")
        tell_owners_of_flags(cycle=cycle, opened=opened, at=at)
        crashpoint("review.after_mails")
        propose_by_playbook(cycle=cycle, cases=list_cases_to_act_on(cycle, opened, at), parts=given.parts, at=at)
        crashpoint("review.after_proposals")
        decided = decide_by_rule(cycle=cycle, policy_number=config["policy"]["number"], at=at)
        if before is None or have_flags_changed or is_by_hand or cycle.ends_at <= at:
            flags = sum(len(card.flags) for card in cards)
            after = {"cutoff": cutoff, "digest": digest, "scorecards": len(cards), "flags": flags, "decided_by_rule": decided}
            audit.record(
                program_id=program_id,
                actor=actor,
                action="reviews.consolidate_cycle",
                row=cycle,
                at=at,
                before=before,
                after=after,
            )
        if cycle.ends_at <= at and (is_by_hand or at >= freezes_at(cycle, program)):
            _change_state(cycle, "freeze_again" if cycle.state == CycleState.READY else "freeze", actor, at)
        crashpoint("review.before_commit")
    crashpoint("review.after_commit")
    if progress is not None:
        progress(len(STEPS), len(STEPS), "")
    return cycle


@transaction.atomic
def freeze(*, cycle_id: int, actor: User | str, at: datetime) -> ReviewCycle:
    """
    Freeze the cut-off of a consolidated month that is over, before its ready day.

    Raises: NotFound; DomainError - transition_refused; UnableToFreezeCycle - month_not_over, not_consolidated.
    Writes: reviews_reviewcycle, reviews_cycletransition, plum_auditevent.
    """
    cycle = _lock(cycle_id)
    find_transition(TRANSITIONS, "freeze", cycle.state)
    if cycle.consolidated_at is None:
        raise UnableToFreezeCycle("not_consolidated", f"{cycle} was not consolidated yet. Nothing was frozen; consolidate it.")
    if at < cycle.ends_at or cycle.consolidated_at < cycle.ends_at:
        raise UnableToFreezeCycle(
            "month_not_over", f"{cycle} was last consolidated before the month was over. Nothing was frozen; consolidate it then."
        )
    return _change_state(cycle, "freeze", actor, at)


@transaction.atomic
def close_cycle(*, cycle_id: int, actor: User | str, at: datetime) -> ReviewCycle:
    """
    Close a frozen review in which every partner was decided about. It never changes afterwards; the ladder moves by it.

    Raises: NotFound; UnableToCloseCycle - not_ready, undecided (with the external ids in `undecided`),
    gap_not_accepted, gap_overtaken.
    Writes: reviews_reviewcycle, reviews_cycletransition, plum_auditevent; what judge_ladder writes; plum_job for the final
    report. Nothing where it is closed already.
    """
    cycle = _lock(cycle_id)
    if cycle.state == CycleState.CLOSED:
        return cycle
    if cycle.state == CycleState.OPEN:
        raise UnableToCloseCycle(
            "not_ready",
            f"{cycle} is still open: its cut-off is not frozen. It was not closed. Consolidate it once the month is over.",
        )
    undecided = list_undecided(cycle.pk)
    if undecided:
        number = f"{len(undecided)} partner waits" if len(undecided) == 1 else f"{len(undecided)} partners wait"
        raise UnableToCloseCycle(
            "undecided", f"{cycle} was not closed: {number} for a decision: {', '.join(undecided)}.", undecided
        )
    _check_gaps(cycle)
    cycle.closed_at, cycle.closed_by = at, audit.actor_name(actor)
    _change_state(cycle, "close", actor, at)
    judge_ladder(cycle=cycle, at=at)
    announce_closing(cycle=cycle, at=at)
    plan_final_report(cycle=cycle, at=at)
    return cycle


def freezes_at(cycle: ReviewCycle, program: Program) -> datetime:
    """The instant from which a month is frozen by itself: the start of the ready day of the month after it."""
    return first_instant(next_month(cycle.month_start_date).replace(day=program.ready_day), program.time_zone)


def _lock(cycle_id: int) -> ReviewCycle:
    cycle = ReviewCycle.objects.select_for_update(of=("self",)).select_related("program").filter(pk=cycle_id).first()
    if cycle is None:
        raise NotFound("review", cycle_id)
    return cycle


def _check_gaps(cycle: ReviewCycle) -> None:
    """Refuse to close while events are missing and nobody has said that the month may be judged without them."""
    gaps = list_unaccepted(cycle)
    if gaps:
        number = "a data gap is" if len(gaps) == 1 else f"{len(gaps)} data gaps are"
        named = "; ".join(say_gap(gap.source.code, gap.starts_at, gap.ends_at, cycle.program.time_zone) for gap in gaps)
        raise UnableToCloseCycle(
            "gap_not_accepted",
            f"{cycle} was not closed: {number} not accepted: {named}. Send what is missing, or accept it with a reason.",
        )
    overtaken = list_overtaken(cycle)
    if overtaken:
        sources = ", ".join(sorted({gap["source"] for gap in overtaken}))
        raise UnableToCloseCycle(
            "gap_overtaken",
            f"{cycle} was not closed: it was consolidated while events of {sources} were missing, and they have arrived since. "
            "Consolidate it again.",
        )


def _change_state(cycle: ReviewCycle, name: str, actor: User | str, at: datetime) -> ReviewCycle:
    """Take one row of the transition table, in the caller's transaction: state, log and audit."""
    transition = find_transition(TRANSITIONS, name, cycle.state)
    before = cycle.state
    _log(cycle, name, before, actor, at, transition.target)
    cycle.state = transition.target
    cycle.save(update_fields=["state", "closed_at", "closed_by"])
    audit.record(
        program_id=cycle.program_id,
        actor=actor,
        action="reviews.close_cycle" if name == "close" else "reviews.freeze",
        row=cycle,
        at=at,
        before={"state": str(before)},
        after={"state": str(cycle.state), "digest": cycle.digest},
    )
    return cycle


def _log(
    cycle: ReviewCycle, name: str, from_state: str, actor: User | str, at: datetime, to_state: str = CycleState.OPEN
) -> None:
    CycleTransition.objects.create(
        cycle=cycle, name=name, from_state=from_state, to_state=to_state, actor=audit.actor_name(actor), at=at
    )


def _steps(progress: Progress | None) -> Callable[[], None]:
    """A function that reports the next of STEPS each time it is called."""
    notes = iter(enumerate(STEPS))

    def step() -> None:
        done, note = next(notes)
        if progress is not None:
            progress(done, len(STEPS), note)

    return step
