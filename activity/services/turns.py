"""
Turns: transactions of several processes beside each other, with the result of one after the other.

Which of two events with the same id stays depends on who says first that it is theirs. So ids are claimed in turn, and
what is claimed is committed in turn; everything else, before and between, happens at the same time. Nobody ever waits for
one that comes after it: there is no circle to wait in.
"""

from ctypes import c_longlong
from multiprocessing.context import BaseContext


class Turn:
    """The turn of a transaction that stands alone: it waits for nobody."""

    def wait_to_claim(self) -> None:
        """Return once all before have claimed the ids of their events, and made the members and sources that were missing."""

    def end_claim(self) -> None:
        """Let the next claim its own."""

    def wait_to_commit(self) -> None:
        """Return once all before are committed."""


ALONE = Turn()
NONE = 2**62  # more than there are turns


class TurnsEnded(Exception):
    """One that came before has failed, so that nothing that follows may be committed."""


class Turns:
    """What the processes share: whose turn it is to claim, and to commit. Made before they are forked."""

    def __init__(self, context: BaseContext) -> None:
        self.changed = context.Condition()
        self.claiming, self.committing = context.Value("q", 0, lock=False), context.Value("q", 0, lock=False)
        self.failed = context.Value("q", NONE, lock=False)

    def fail(self, number: int) -> None:
        """Let nobody go on who comes after this one."""
        with self.changed:
            self.failed.value = min(self.failed.value, number)
            self.changed.notify_all()

    def take(self, number: int) -> "SharedTurn":
        """The turn with this number, counted from 0."""
        return SharedTurn(self, number)


class SharedTurn(Turn):
    """One turn, from before its transaction begins until it is committed; one that fails ends all that follow."""

    def __init__(self, turns: Turns, number: int) -> None:
        self.turns, self.number = turns, number

    def __enter__(self) -> "SharedTurn":
        return self

    def __exit__(self, failure: type[BaseException] | None, *rest: object) -> None:
        if failure:
            self.turns.fail(self.number)
        else:
            self._pass_on(self.turns.claiming)
            self._pass_on(self.turns.committing)

    def wait_to_claim(self) -> None:
        """As Turn.wait_to_claim. Raises: TurnsEnded."""
        self._wait_for(self.turns.claiming)

    def end_claim(self) -> None:
        """As Turn.end_claim."""
        self._pass_on(self.turns.claiming)

    def wait_to_commit(self) -> None:
        """As Turn.wait_to_commit. Raises: TurnsEnded."""
        self._wait_for(self.turns.committing)

    def _wait_for(self, whose: c_longlong) -> None:
        turns = self.turns
        with turns.changed:
            turns.changed.wait_for(lambda: turns.failed.value < self.number or whose.value == self.number)
            if turns.failed.value < self.number:
                raise TurnsEnded

    def _pass_on(self, whose: c_longlong) -> None:
        with self.turns.changed:
            whose.value = max(whose.value, self.number + 1)
            self.turns.changed.notify_all()
