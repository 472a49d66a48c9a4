"""
The one way to change a state: a named row of a transition table.

Buttons, `allowed_actions` of the API, documents and tests all read the tables; pure, no framework.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from plum_site.lib.errors import DomainError, InvalidInput


@dataclass(frozen=True)
class Transition:
    """
    One allowed change of state.

    name: a verb, unique in its table. sources: states it starts from. target: the state it leads to.
    operation: id in `plum_site/permissions.yaml` that the caller needs. label: what its button says.
    """

    name: str
    sources: frozenset[str]
    target: str
    operation: str
    label: str
    needs_comment: bool = False


Table = Mapping[str, Transition]


def make_table(*transitions: Transition) -> Table:
    """A transition table by name, in the order given; ValueError if a name is there twice."""
    table = {transition.name: transition for transition in transitions}
    if len(table) < len(transitions):
        raise ValueError("two transitions of one table have the same name")
    return table


def available(table: Table, state: str) -> list[Transition]:
    """The transitions that start from `state`, in table order."""
    return [transition for transition in table.values() if state in transition.sources]


def find_transition(table: Table, name: str, state: str) -> Transition:
    """
    The transition `name` if it may start from `state`.

    Raises: DomainError, code "transition_refused", which names what is possible instead.
    """
    transition = table.get(name)
    if transition is not None and state in transition.sources:
        return transition
    possible = ", ".join(other.name for other in available(table, state)) or "nothing"
    raise DomainError(
        "transition_refused", f"{name!r} is not possible from state {state}. Nothing was changed. Possible now: {possible}."
    )


def check_comment(transition: Transition, comment: str) -> None:
    """
    Refuse a transition that needs a comment and has none.

    Raises: InvalidInput, code "comment_required".
    """
    if transition.needs_comment and not comment.strip():
        sentence = f"{transition.label} needs a comment that says why. Nothing was changed."
        raise InvalidInput("comment_required", sentence, {"comment": "Say why."})
