"""
Steps with single offers that a person has taken and not saved yet.

They are kept in the person's session, as steps and not as an order: if somebody else saves meanwhile, they can be taken again on
what is in force then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from offers.choices import OrderStep
from offers.rules import Order, Step, take_step
from plum_site.lib.admin import program_of
from plum_site.lib.errors import DomainError, InvalidInput

MOST_STEPS = 500


@dataclass(frozen=True)
class Draft:
    """What waits to be saved. base: number of the revision that was in force at the first step."""

    base: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Taken:
    """A draft on top of an order: the order after it, and of each step what refused it ("" where it was taken)."""

    order: Order
    refusals: tuple[tuple[Step, str], ...]

    @property
    def fitting(self) -> tuple[Step, ...]:
        """The steps that were taken."""
        return tuple(step for step, refusal in self.refusals if not refusal)


def name_of_draft(request: HttpRequest, segment_id: int | None) -> str:
    """Under which name the session keeps it: one for each ranking of each program."""
    return f"ranking-{program_of(request).pk}-{segment_id or 0}"


def find_draft(request: HttpRequest, segment_id: int | None) -> Draft | None:
    """The person's unsaved steps with one ranking, or None."""
    kept = request.session.get(name_of_draft(request, segment_id))
    return Draft(kept["base"], tuple(Step(*step) for step in kept["steps"])) if kept else None


def keep_draft(request: HttpRequest, segment_id: int | None, base: int, steps: Sequence[Step]) -> None:
    """Keep these steps; none of them: forget the draft."""
    name = name_of_draft(request, segment_id)
    if len(steps) > MOST_STEPS:
        detail = f"There are {MOST_STEPS} unsaved changes already. This one was not taken. Save them first."
        raise DomainError("too_many_steps", detail)
    if steps:
        request.session[name] = {"base": base, "steps": [[step.do, step.offer, step.number] for step in steps]}
    else:
        request.session.pop(name, None)


def take_steps(order: Order, steps: Sequence[Step]) -> Taken:
    """Every step that can be taken, one after the other."""
    refusals = []
    for step in steps:
        try:
            order, refusal = take_step(order, step), ""
        except InvalidInput as error:
            refusal = error.detail
        refusals.append((step, refusal))
    return Taken(order, tuple(refusals))


def say_step(step: Step, name: str) -> str:
    """A step in words; name: of the offer."""
    number = step.number
    sentences = {
        OrderStep.MOVE: f"{name} to place {number}",
        OrderStep.PIN: f"{name} pinned to place {number}",
        OrderStep.LOWER: f"{name} lowered by {number}",
        OrderStep.SURFACE: f"{name} raised by {number}" if number else f"{name} to the first free place",
        OrderStep.UNPIN: f"{name} unpinned",
        OrderStep.HIDE: f"{name} hidden",
        OrderStep.SHOW: f"{name} shown again",
    }
    return sentences[OrderStep(step.do)]
