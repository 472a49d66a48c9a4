"""Intervals of means, and of differences and ratios put together from them (MOVER). docs/rules/effects.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from activity.rules import ArmCounts
from reviews.rules.effects.quantiles import NEARLY_NORMAL, t_quantile
from reviews.rules.measures import rate_interval

NORMAL = t_quantile(NEARLY_NORMAL)
LEAST_SPREAD = 0.1  # variance over mean below which numbers of events are not believed to vary less


@dataclass(frozen=True)
class Interval:
    """A figure and the 95 % interval around it."""

    value: float
    low: float
    high: float


def share_of(arm: ArmCounts) -> Interval:
    """
    The share of members with at least one event, with its Wilson score interval.

    Source: docs/rules/effects.md
    """
    low, high = rate_interval(arm.responders, arm.members, NORMAL)
    return Interval(arm.responders / arm.members, low, high)


def mean_of(arm: ArmCounts) -> Interval:
    """
    Events per member, with the score interval of a count that varies as much more than chance as the members do, at the
    t quantile of the members.

    Source: docs/rules/effects.md
    """
    mean = arm.events / arm.members
    spread = 1.0
    if arm.events and arm.members > 1:
        variance = (arm.squares - arm.events * mean) / (arm.members - 1)
        spread = max(LEAST_SPREAD, variance / mean)
    t = t_quantile(max(arm.members - 1, 1))
    shift = t * t * spread / (2 * arm.members)
    reach = t * sqrt(spread * mean / arm.members + (t * spread / (2 * arm.members)) ** 2)
    return Interval(mean, max(0.0, mean + shift - reach), mean + shift + reach)


def weigh(parts: Sequence[Interval], weights: Sequence[float]) -> Interval:
    """The weighted sum of independent figures."""
    value = fsum(weight * part.value for weight, part in zip(weights, parts, strict=True))
    below = fsum((weight * (part.value - part.low)) ** 2 for weight, part in zip(weights, parts, strict=True))
    above = fsum((weight * (part.high - part.value)) ** 2 for weight, part in zip(weights, parts, strict=True))
    return Interval(value, value - sqrt(below), value + sqrt(above))


def subtract(one: Interval, other: Interval) -> Interval:
    """
    The difference of two independent figures: Newcombe's interval, where both are shares with score intervals.

    Source: docs/rules/effects.md
    """
    value = one.value - other.value
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Interval(value, value - below, value + above)


def divide(one: Interval, other: Interval) -> tuple[float | None, float, float | None]:
    """
    The ratio of two independent figures that are not negative, with its interval (Fieller's, generalised to limits that
    are not symmetric). Above 1 as a whole exactly where the difference is above 0 as a whole.

    Returns ratio, low and high; no ratio for a divisor of 0, no upper end for one that may be 0.
    Source: docs/rules/effects.md
    """
    product = one.value * other.value
    below, most = one.low * (2 * one.value - one.low), other.high * (2 * other.value - other.high)
    above, least = one.high * (2 * one.value - one.high), other.low * (2 * other.value - other.low)
    low = below / (product + sqrt(max(0.0, product * product - below * most))) if below > 0 else 0.0
    high = (product + sqrt(max(0.0, product * product - above * least))) / least if least > 0 else None
    return (one.value / other.value if other.value else None), low, high
