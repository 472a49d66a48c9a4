"""What an app higher up knows about values that a form below only takes: suggestions, never a limit."""

from collections.abc import Callable

Suggester = Callable[[int], dict[str, list[str]]]
SUGGESTERS: dict[str, Suggester] = {}


def suggests(what: str) -> Callable[[Suggester], Suggester]:
    """Register a function of a program's id as the one that knows values of `what`, by name."""

    def register(function: Suggester) -> Suggester:
        SUGGESTERS[what] = function
        return function

    return register


def suggestions_for(what: str, program_id: int) -> dict[str, list[str]]:
    """Known values by name; empty where nobody knows any."""
    known = SUGGESTERS.get(what)
    return known(program_id) if known is not None else {}
