"""What a measurement says, and how a verdict follows from an interval."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reviews.choices import Verdict
from reviews.rules.effects.design import EffectDesign

VERDICTS = tuple(Verdict.values)
WORKED, NO_EVIDENCE, HARMED, CANNOT_TELL = VERDICTS


@dataclass(frozen=True)
class Effect:
    """
    What became of one action.

    estimate: the relative change of the metric, 0.2 for a fifth more. low, high: its 95 % interval. None where it has no
    such end, or where there is nothing to divide by. numbers: what they were worked out from, as JSON.
    """

    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form that is stored with the action; `from_json` reads it."""
        return {
            "estimate": self.estimate,
            "high": self.high,
            "low": self.low,
            "numbers": dict(self.numbers),
            "sentence": self.sentence,
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Effect":
        """The effect that `as_json` wrote; keys that stand beside it are ignored."""
        return cls(**{name: stored[name] for name in cls.__dataclass_fields__})


def judge(low: float, high: float, reach: float, design: EffectDesign) -> str:
    """
    The verdict on a change whose 95 % interval is `low` to `high`, around 0 where nothing changed.

    reach: how far the interval goes to either side, as a relative change. Where that is more than the minimum effect, an
    effect of this size could not have been told from none.
    Source: docs/rules/effects.md
    """
    if low > 0:
        return HARMED if design.is_loss else WORKED
    if high < 0:
        return WORKED if design.is_loss else HARMED
    return NO_EVIDENCE if reach <= design.minimum_effect else CANNOT_TELL


def cannot_tell(sentence: str, **numbers: Any) -> Effect:
    """The effect of which nothing can be said, and why."""
    return Effect(CANNOT_TELL, None, None, None, f"Cannot be told: {sentence}", numbers)
