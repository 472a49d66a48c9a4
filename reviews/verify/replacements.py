"""What `manage.py verify actions` checks of replacements: who approved each, that it was cut over once, and its history."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from partners.models import Program
from partners.selectors import list_programs
from plum_site.lib.people import find_person
from plum_site.lib.verify import Finding, check
from reviews.choices import ReplacementState
from reviews.models import Replacement, ReplacementTransition

MAPS = ("map", "go_without")


@check("actions")
def check_replacements() -> Iterator[Finding]:
    """Every replacement of every program."""
    for program in list_programs():
        replacements = list(Replacement.objects.filter(program=program).order_by("id"))
        steps: dict[int, list[ReplacementTransition]] = defaultdict(list)
        for step in ReplacementTransition.objects.filter(replacement__program=program).order_by("id"):
            steps[step.replacement_id].append(step)
        yield _check_people(program, replacements, steps)
        yield _check_cutovers(program, replacements, steps)
        yield _check_histories(program, replacements, steps)


def _check_people(
    program: Program, replacements: Sequence[Replacement], steps: dict[int, list[ReplacementTransition]]
) -> Finding:
    """Where two people are required, each approval is by somebody else than the last who put the mapping forward."""
    violations, checked = [], 0
    for one in replacements:
        mapper = ""
        for step in steps[one.pk]:
            mapper = step.actor if step.name in MAPS else mapper
            if step.name != "approve" or not one.needs_two or one.is_solo:
                continue
            checked += 1
            if not mapper or find_person(mapper) == find_person(step.actor):
                violations.append(f"replacement {one.pk} was approved by {step.actor}, and mapped by {mapper or 'nobody'}")
    return Finding(f"{program.code}: two people behind each replacement", checked, violations)


def _check_cutovers(
    program: Program, replacements: Sequence[Replacement], steps: dict[int, list[ReplacementTransition]]
) -> Finding:
    """Between two cutovers of one replacement there is a rollback; what says that it was cut over was so."""
    violations, checked = [], 0
    for one in replacements:
        names = [step.name for step in steps[one.pk] if step.name in ("cut_over", "roll_back")]
        checked += names.count("cut_over")
        if names != ["cut_over", "roll_back"] * (len(names) // 2) + ["cut_over"] * (len(names) % 2):
            violations.append(f"replacement {one.pk} was cut over and rolled back in this order: {', '.join(names)}")
        is_over = one.state in (ReplacementState.CUT_OVER, ReplacementState.VERIFIED, ReplacementState.COMPLETED)
        if is_over != (len(names) % 2 == 1):
            violations.append(f"replacement {one.pk} is {one.state}, and its history says otherwise")
    return Finding(f"{program.code}: cut over once", checked, violations)


def _check_histories(
    program: Program, replacements: Sequence[Replacement], steps: dict[int, list[ReplacementTransition]]
) -> Finding:
    """The steps of each replacement lead from one to the next, and to the state that it is in."""
    violations = []
    for one in replacements:
        froms, tos = [step.from_state for step in steps[one.pk]], [step.to_state for step in steps[one.pk]]
        if froms != ["", *tos[:-1]] or tos[-1:] != [one.state]:
            violations.append(
                f"replacement {one.pk} is {one.state}, and its history says otherwise: {' → '.join(tos) or 'nothing'}"
            )
    return Finding(f"{program.code}: histories of replacements", len(replacements), violations)
