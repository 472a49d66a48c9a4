"""What was measured, held against its goal and its floor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median as middle
from typing import Any, Literal

GOAL, FLOOR, MISSED = "goal", "floor", "missed"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return float(middle(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that `percent` of them do not exceed."""
    return sorted(values)[max(ceil(len(values) * percent / 100), 1) - 1]


@dataclass(frozen=True)
class Result:
    """
    One figure. ratio: what is held against goal and floor; mostly how fast, as a share of the reference of the same run.

    unit: what the ratio is of, such as "× COPY TO", "ms" or "MB". better: whether more or less of it is good.
    details: what it was worked out from, for the JSON (seconds of each round, rows, sizes).
    """

    what: str
    ratio: float
    unit: str
    goal: float
    floor: float
    better: Literal["higher", "lower"] = "higher"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """ "goal", "floor" (between the two) or "missed"."""
        sign = 1 if self.better == "higher" else -1
        if sign * self.ratio >= sign * self.goal:
            return GOAL
        return FLOOR if sign * self.ratio >= sign * self.floor else MISSED

    def as_json(self) -> dict[str, Any]:
        """The result as the JSON of the command has it."""
        figures = {"what": self.what, "ratio": round(self.ratio, 4), "unit": self.unit, "goal": self.goal, "floor": self.floor}
        return figures | {"better": self.better, "verdict": self.verdict, "details": self.details}
