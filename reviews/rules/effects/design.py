"""What is going to be compared with what, written down before anything is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reviews.rules.digest import number_text
from reviews.rules.measures import RATES

HOLD_OUT, MATCHED, NONE = "hold_out", "matched", "none"
METHODS = (HOLD_OUT, MATCHED, NONE)
MEMBER_SHARES = {"members_viewed": "viewed", "members_unlocked": "unlocked"} | {
    "members_activated": "activated", "members_redeemed": "redeemed",
}  # fmt: skip
EVENTS_PER_MEMBER = {"views": "viewed", "unlocks": "unlocked", "activations": "activated", "redemptions": "redeemed"}
UNIT_COUNTS = ("impressions", *EVENTS_PER_MEMBER, "failures", "reversals")
LOSSES = frozenset({"failures", "reversals", *(name for name, rate in RATES.items() if rate.is_loss)})
METRICS = {HOLD_OUT: (*MEMBER_SHARES, *EVENTS_PER_MEMBER), MATCHED: (*UNIT_COUNTS, *RATES)}
UNITS_OF_OFFERS = ("offer", "partner", "offer_type", "category", "country")  # of any other unit, small groups are not shown
USUAL_WINDOW = 28  # days: four of each weekday
USUAL_MINIMUM = Decimal("0.2")


@dataclass(frozen=True)
class EffectDesign:
    """
    How the effect of one action will be measured; frozen before the action is executed.

    metric: of the metric layer, one of METRICS for the method. where: the filters of the figures, as `summarise` takes them.
    minimum_effect: the smallest relative change that is worth knowing of. visible_effect: the smallest one that this design
    will find nine times in ten, as far as can be told beforehand. hold_out_share, salt: who is held out (`arm_of`).
    unit: the dimension by which units are told apart; treated, controls: its values. baseline_periods: how many periods of
    `window_days`, the last of them ending where the window begins, the window is held against, less those spoilt by silences.
    """

    method: str
    metric: str
    window_days: int = USUAL_WINDOW
    minimum_effect: Decimal = USUAL_MINIMUM
    sentence: str = ""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    visible_effect: Decimal | None = None
    hold_out_share: Decimal | None = None
    salt: str = ""
    unit: str = ""
    treated: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    baseline_periods: int = 0

    @property
    def is_loss(self) -> bool:
        """Whether less of the metric is better."""
        return self.metric in LOSSES

    def as_json(self) -> dict[str, Any]:
        """The form that is stored with the action; `from_json` reads it."""
        return {
            "baseline_periods": self.baseline_periods,
            "controls": list(self.controls),
            "hold_out_share": _text(self.hold_out_share),
            "method": self.method,
            "metric": self.metric,
            "minimum_effect": _text(self.minimum_effect),
            "salt": self.salt,
            "sentence": self.sentence,
            "treated": list(self.treated),
            "unit": self.unit,
            "visible_effect": _text(self.visible_effect),
            "where": {name: list(values) for name, values in self.where},
            "window_days": self.window_days,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "EffectDesign":
        """The design that `as_json` wrote; keys that stand beside it are ignored."""
        values = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        for name in ("minimum_effect", "visible_effect", "hold_out_share"):
            values[name] = None if stored[name] is None else Decimal(stored[name])
        for name in ("treated", "controls"):
            values[name] = tuple(stored[name])
        values["where"] = freeze_where(stored["where"])
        return cls(**values)


def freeze_where(where: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Filters in a fixed order, as a design holds them."""
    return tuple((name, tuple(where[name])) for name in sorted(where))


def _text(number: Decimal | None) -> str | None:
    return None if number is None else number_text(number)
