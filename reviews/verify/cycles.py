"""The checks of `manage.py verify cycles`: coverage, stored scorecards against their digest, closed cycles untouched."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from partners.models import Program
from partners.selectors import list_programs
from plum_site.lib.clock import now
from plum_site.lib.periods import first_instant, local_date, month_text, next_month
from plum_site.lib.verify import Finding, check
from reviews.choices import CycleState
from reviews.models import Flag, FlagCase, FlagTransition, ReviewCycle
from reviews.rules import ACTIVE
from reviews.selectors import (
    check_cycle,
    find_closing_digest,
    list_consolidated_cycles,
    list_reviewed_months,
    list_scorecards,
    list_undecided,
)
from reviews.services import digest_stored

GRACE = timedelta(days=1)  # how long back-filling may take once reviews have begun, and consolidation after a ready day


@check("cycles")
def check_cycles() -> Iterator[Finding]:
    """Every consolidated cycle of every program, and the months that have none."""
    for program in list_programs():
        cycles = list(list_consolidated_cycles(program.pk))
        yield _check_months(program, cycles)
        yield _check_coverage(program, cycles)
        yield _check_digests(program, cycles)
        yield _check_closed(program, [cycle for cycle in cycles if cycle.state == CycleState.CLOSED])
        yield _check_flags(program, cycles)
        yield _check_flag_histories(program)


def _check_months(program: Program, cycles: list[ReviewCycle]) -> Finding:
    """One cycle for each month, once there was time to make it."""
    at = now()
    reviewed = {cycle.month_start_date for cycle in cycles}
    months = list_reviewed_months(program, local_date(at, program.time_zone))
    begun_at = min((cycle.opened_at for cycle in cycles), default=program.created_at)
    if program.is_demo:
        # It is made with a history of months at once: it has its day from the review of its first month on.
        begun_at = next((cycle.opened_at for cycle in cycles if cycle.month_start_date == months[0]), at)
    violations = []
    for month in months:
        ready_at = first_instant(next_month(month).replace(day=program.ready_day), program.time_zone)
        if month not in reviewed and at > max(ready_at, begun_at) + GRACE:
            violations.append(f"{month_text(month)} has no consolidated review")
    return Finding(f"{program.code}: a review for every month", len(months), violations)


def _check_coverage(program: Program, cycles: list[ReviewCycle]) -> Finding:
    """Exactly one outcome for each partner that had to be reviewed."""
    partners, violations = 0, []
    for cycle in cycles:
        required, gaps = check_cycle(cycle, program)
        partners += required
        violations += [str(gap) for gap in gaps]
    return Finding(f"{program.code}: an outcome for every partner", partners, violations)


def _check_digests(program: Program, cycles: list[ReviewCycle]) -> Finding:
    """The stored scorecards and flags are those that the digest was made of."""
    violations = [
        f"{month_text(cycle.month_start_date)} revision {cycle.revision}: the stored scorecards do not give its digest; "
        "replay_review names what differs"
        for cycle in cycles
        if digest_stored(cycle=cycle, cards=list(list_scorecards(cycle.pk))) != cycle.digest
    ]
    return Finding(f"{program.code}: scorecards as consolidated", len(cycles), violations)


def _check_closed(program: Program, cycles: list[ReviewCycle]) -> Finding:
    """Closed with everybody decided, by a logged transition, and with the digest that the audit log remembers."""
    violations = []
    for cycle in cycles:
        month = f"{month_text(cycle.month_start_date)} revision {cycle.revision}"
        if undecided := list_undecided(cycle.pk):
            violations.append(f"{month} was closed without a decision about {', '.join(undecided)}")
        digest = find_closing_digest(cycle)
        if digest is None:
            violations.append(f"{month} is closed, and nobody closed it by the audit log")
        elif digest != cycle.digest:
            violations.append(f"{month} was closed with digest {digest}, and now says {cycle.digest}")
    return Finding(f"{program.code}: closed reviews untouched", len(cycles), violations)


def _check_flags(program: Program, cycles: list[ReviewCycle]) -> Finding:
    """Each flag of the newest review, and of the newest of a month that is over, is one of those that are followed, once."""
    over = [cycle for cycle in cycles if cycle.consolidated_at is not None and cycle.consolidated_at >= cycle.ends_at]
    cases: dict[tuple[int, int, str], list[FlagCase]] = defaultdict(list)
    for case in FlagCase.objects.filter(program=program).defer("seen").order_by("id"):
        cases[case.rule_id, case.partner_id, case.target_key].append(case)
    flags = Flag.objects.filter(scorecard__cycle__in={*cycles[-1:], *over[-1:]})
    violations, checked = [], 0
    for flag in flags.select_related("rule_version__rule", "scorecard__partner", "scorecard__cycle").order_by("id"):
        checked += 1
        month, rule, partner = flag.scorecard.cycle.month_start_date, flag.rule_version.rule, flag.scorecard.partner
        followed = cases[rule.pk, partner.pk, flag.target_key]
        if not any(case.first_month_date <= month <= case.newest_month_date for case in followed):
            violations.append(
                f"{month_text(month)}: nothing says what becomes of the flag {rule.code} of {partner.external_id}; "
                "consolidate the month again"
            )
    for several in cases.values():
        active = [str(case.pk) for case in several if case.state in ACTIVE]
        if len(active) > 1:
            violations.append(f"flags {', '.join(active)} are open for the same rule and target")
    return Finding(f"{program.code}: what becomes of every flag", checked, violations)


def _check_flag_histories(program: Program) -> Finding:
    """The steps of each flag lead from one to the next, and to the state that it is in."""
    steps: dict[int, list[FlagTransition]] = defaultdict(list)
    for step in FlagTransition.objects.filter(case__program=program).order_by("id"):
        steps[step.case_id].append(step)
    violations, checked = [], 0
    for pk, state in FlagCase.objects.filter(program=program).order_by("id").values_list("id", "state"):
        checked += 1
        froms, tos = [step.from_state for step in steps[pk]], [step.to_state for step in steps[pk]]
        if froms != ["", *tos[:-1]] or tos[-1:] != [state]:
            violations.append(f"flag {pk} is {state}, and its history says otherwise: {' → '.join(tos) or 'nothing'}")
    return Finding(f"{program.code}: histories of flags", checked, violations)
