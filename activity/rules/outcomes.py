"""What some members did: sums from which a share or a mean per member, and how sure one can be of it, follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PAST_STEPS = (1, 2, 4)  # events before, from which on a member is in the next stratum


@dataclass(frozen=True)
class ArmCounts:
    """
    The outcomes of a group of members over a time.

    members: in the group, whether or not they did anything. responders: with at least one event. events: of all of them.
    squares: the sum over members of the square of their events.
    """

    members: int = 0
    responders: int = 0
    events: int = 0
    squares: int = 0

    def __add__(self, other: "ArmCounts") -> "ArmCounts":
        return ArmCounts(
            self.members + other.members,
            self.responders + other.responders,
            self.events + other.events,
            self.squares + other.squares,
        )


def stratum_of(events_before: int) -> int:
    """The stratum of a member who had so many events before: 0 is those without any."""
    return sum(events_before >= step for step in PAST_STEPS)


def tally_outcomes(sizes: Mapping[int, int], events: Iterable[tuple[int, int]]) -> list[ArmCounts]:
    """
    The outcomes of one arm by stratum, the lowest first.

    sizes: stratum to members. events: (stratum, events in the window) of each member who had any in it.
    """
    sums = [[sizes.get(stratum, 0), 0, 0, 0] for stratum in range(len(PAST_STEPS) + 1)]
    for stratum, number in events:
        row = sums[stratum]
        row[1] += number > 0
        row[2] += number
        row[3] += number * number
    return [ArmCounts(*row) for row in sums]
