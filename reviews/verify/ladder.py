"""
What `manage.py verify actions` checks of the ladder: what only rules do with a partner was done when a review was closed, as its
rule asked for it, or by a replacement. That each partner's state follows from its history is checked by partners.verify.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import QuerySet

from partners.choices import PartnerState
from partners.models import PartnerTransition, Program
from partners.selectors import list_programs
from plum_site.lib.audit import SYSTEM, reference
from plum_site.lib.verify import Finding, check
from reviews.choices import CycleState, LadderName, LadderOutcome
from reviews.models import LadderMove, LadderVersion, Replacement
from reviews.rules.ladder import UP, LadderRule

BY_RULE = (LadderName.PUT_ON_NOTICE, LadderName.START_IMPROVEMENT_PLAN)
BY_REPLACEMENT = ("start_replacement", "stop_replacement")
Steps = Sequence[PartnerTransition]


@check("actions")
def check_ladder() -> Iterator[Finding]:
    """Every partner of every program."""
    for program in list_programs():
        steps = [step for step in _list_steps(program) if step.name in (*BY_RULE, *BY_REPLACEMENT) or _is_back(step)]
        moves = list(LadderMove.objects.filter(partner__program=program).select_related("cycle", "partner").order_by("id"))
        yield _check_steps(program, steps, moves)
        yield _check_moves(program, steps, moves)


def _check_steps(program: Program, steps: Steps, moves: Sequence[LadderMove]) -> Finding:
    """What only rules do belongs to a move of the ladder, or to a replacement, that says the same."""
    recorded = {reference(move): move for move in moves if move.outcome == LadderOutcome.MOVED}
    replaced = {reference(one): one.partner_id for one in Replacement.objects.filter(program=program).only("partner_id")}
    violations = []
    for step in steps:
        said = f"partner {step.partner.external_id}: {step.name} at {step.at:%Y-%m-%d %H:%M} UTC"
        if step.name in BY_REPLACEMENT:
            if replaced.get(step.source_ref) != step.partner_id:
                violations.append(f"{said} belongs to no replacement of it")
        elif not _is_same(recorded.get(step.source_ref), step):
            violations.append(f"{said} belongs to no move of the ladder, which moves when a review is closed")
    return Finding(f"{program.code}: moved by rule alone", len(steps), violations)


def _check_moves(program: Program, steps: Steps, moves: Sequence[LadderMove]) -> Finding:
    """Each move is one that the ladder has, rests on what its rule asks for, and was made when its review was closed, once."""
    rules = {0: LadderRule()} | {
        row.number: LadderRule.from_json(row.rule) for row in LadderVersion.objects.filter(program=program)
    }
    made_by: dict[str, int] = defaultdict(int)
    for step in steps:
        made_by[step.source_ref] += 1
    violations = []
    for move in moves:
        made = made_by[reference(move)]
        faults = [
            (not _is_on_ladder(move), "is no step of the ladder"),
            (move.cycle.program_id != program.pk, "is of another program's review"),
            (move.cycle.state != CycleState.CLOSED or move.cycle.closed_at != move.at, "was not made when its review was closed"),
            (
                not _is_asked_for(rules.get(move.version), move),
                f"does not rest on what version {move.version} of the rule asks for",
            ),
            (made != (move.outcome == LadderOutcome.MOVED), f"is in the history of the partner {made} times"),
        ]
        said = f"partner {move.partner.external_id}: {move.name} of {move.cycle.month_start_date:%Y-%m} (move {move.pk})"
        violations += [f"{said} {fault}" for holds, fault in faults if holds]
    return Finding(f"{program.code}: moves of the ladder", len(moves), violations)


def _list_steps(program: Program) -> QuerySet[PartnerTransition]:
    return PartnerTransition.objects.filter(partner__program=program).select_related("partner").order_by("id")


def _is_back(step: PartnerTransition) -> bool:
    """Whether a rule restored a partner; people do so too."""
    return step.name == LadderName.RESTORE and step.actor == SYSTEM


def _is_same(move: LadderMove | None, step: PartnerTransition) -> bool:
    """Whether a move and a step of a partner's history say the same."""
    if move is None:
        return False
    said = (move.partner_id, move.name, move.from_state, move.to_state, move.at)
    return said == (step.partner_id, step.name, step.from_state, step.to_state, step.at)


def _is_on_ladder(move: LadderMove) -> bool:
    """Whether a move starts where the ladder has it start, and leads to where it leads, or to nowhere if nothing moved."""
    if move.name == LadderName.RESTORE:
        return move.from_state in UP and move.from_state != PartnerState.ACTIVE and move.to_state == PartnerState.ACTIVE
    _, name, target = UP.get(move.from_state, ("", "", ""))
    return name == move.name and move.to_state == (target if move.outcome == LadderOutcome.MOVED else move.from_state)


def _is_asked_for(rule: LadderRule | None, move: LadderMove) -> bool:
    """Whether the evidence of a move has as much of everything as a version of the rule asks for."""
    if rule is None or not rule.is_on:
        return False
    months, flag_months, tried = (move.evidence.get(name) for name in ("months", "flag_months", "tried"))
    if move.name == LadderName.RESTORE:
        return len(months or ()) >= rule.recovery_months
    wanted = next((getattr(rule, part) for part, name, _ in UP.values() if name == move.name), None)
    found = (len(months or ()), flag_months or 0, len(tried or ()))
    return wanted is not None and all(
        have >= need for have, need in zip(found, (wanted.months, wanted.flag_months, wanted.tried), strict=True)
    )
