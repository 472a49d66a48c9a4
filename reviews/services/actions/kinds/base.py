"""What every kind of corrective action can do: show what it would do, do it, and take it back."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plum_site.lib.errors import DomainError
from reviews.models import CorrectiveAction
from reviews.rules.effects import EffectDesign

State = dict[str, Any]


class UnableToExecute(DomainError):
    """What an action needs is not there (any more): the offer was retired, nobody has an address, the words are missing."""


class ChangedSince(DomainError):
    """
    A revert would overwrite what somebody changed after the action: nothing was changed.

    versions: before the action, after it, and now.
    """

    def __init__(self, detail: str, before: State, after: State, current: State) -> None:
        super().__init__("changed_since", detail)
        self.versions = {"before": before, "after": after, "now": current}


@dataclass(frozen=True)
class Change:
    """One line of a preview: what is changed, from what, to what."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Preview:
    """What an action would do now. members: how many people it concerns (None: not counted by people)."""

    changes: tuple[Change, ...]
    members: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """What execution found and what it left, as JSON of the kind; is_done: false where the rest follows in the background."""

    before: State
    after: State
    is_done: bool = True


@dataclass(frozen=True)
class Handling:
    """
    One kind of action.

    preview: what it would do; raises UnableToExecute where it could not. freeze: writes down who is in it, before its design is
    made and anything is done, in the caller's transaction; raises UnableToExecute. apply: does it, in the caller's transaction,
    repeating nothing that stands already; raises UnableToExecute. undo: puts back what was there where what was done still
    stands, or raises ChangedSince; None where nothing can be taken back (a message that was sent). count: recipients, for the
    approval, where there is no preview at hand. design: how a kind of its own way is measured, by the metric named; None: its
    offers against others. members: of whom its design holds some out.
    """

    preview: Callable[[CorrectiveAction, datetime], Preview]
    apply: Callable[[CorrectiveAction, datetime], Applied]
    undo: Callable[[CorrectiveAction, Applied, str, datetime], None] | None
    count: Callable[[CorrectiveAction, datetime], int] = lambda action, at: 0
    freeze: Callable[[CorrectiveAction, datetime], None] = lambda action, at: None
    design: Callable[[CorrectiveAction, str, datetime], EffectDesign | None] | None = None
    members: Callable[[CorrectiveAction], Collection[int]] = lambda action: ()


def source_ref(action: CorrectiveAction) -> str:
    """How what an action does names it as its cause."""
    return f"reviews.CorrectiveAction:{action.pk}"
