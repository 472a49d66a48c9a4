"""
Which figures of the metric layer a rule or a policy may look at, and how sure one can be of them.

Only sums of events are judged: a rate is a numerator over a denominator, a count is a number of events or members.
Money is not judged by a rule: a single large redemption must not decide about a partner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

Figures = Mapping[str, Any]  # one row of the metric layer: metric key to integer, rate or money

DECIMALS = 9


@dataclass(frozen=True)
class Rate:
    """One count over another. is_loss: less of it is better."""

    numerator: str
    denominator: str
    is_loss: bool = False


RATES: dict[str, Rate] = {
    "unlock_rate": Rate("unlocks", "views"),
    "view_rate": Rate("views", "unlocks"),
    "activation_rate": Rate("activations", "unlocks"),
    "redemption_rate": Rate("redemptions", "activations"),
    "redemptions_per_unlock": Rate("redemptions", "unlocks"),
    "redemptions_per_view": Rate("redemptions", "views"),
    "reversal_rate": Rate("reversals", "redemptions", is_loss=True),
    "failure_rate": Rate("failures", "attempts", is_loss=True),
}
COUNTS: tuple[str, ...] = (
    "impressions",
    "views",
    "unlocks",
    "activations",
    "redemptions",
    "failures",
    "attempts",
    "reversals",
    "members_viewed",
    "members_unlocked",
    "members_activated",
    "members_redeemed",
    "members_any",
)
MONEY: tuple[str, ...] = ("spend", "reversed_spend", "net_spend", "reward_cost", "reversed_reward_cost", "net_reward_cost")


@dataclass(frozen=True)
class Measured:
    """A figure with its sample: `value` is numerator over denominator for a rate, the count itself otherwise."""

    value: float
    numerator: int
    denominator: int
    low: float
    high: float


def rate_interval(numerator: float, denominator: float, z: float) -> tuple[float, float]:
    """
    The Wilson score interval of a rate; where it is above 1, that of a Poisson count over the denominator.

    Source: docs/rules/flags.md
    """
    if numerator > denominator:
        low, high = count_interval(numerator, z)
        return low / denominator, high / denominator
    share = numerator / denominator
    centre = share + z * z / (2 * denominator)
    spread = z * sqrt(share * (1 - share) / denominator + z * z / (4 * denominator * denominator))
    scale = 1 + z * z / denominator
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def count_interval(count: float, z: float) -> tuple[float, float]:
    """
    The score interval of a Poisson count.

    Source: docs/rules/flags.md
    """
    spread = z * sqrt(count + z * z / 4)
    return max(0.0, count + z * z / 2 - spread), count + z * z / 2 + spread
