"""Student's t distribution in plain Python: no other library gives the same digits on every machine."""

from functools import lru_cache
from math import exp, lgamma, log
from statistics import NormalDist

SURE = 0.975  # of the upper end of a two-sided 95 % interval
POWER = 0.9  # with which an effect is to be seen
NEARLY_NORMAL = 2000  # degrees of freedom from which on the normal distribution does


@lru_cache(maxsize=4096)
def t_quantile(degrees: int, probability: float = SURE) -> float:
    """The value that a t variable of so many degrees of freedom stays below with this probability (0.5 to below 1)."""
    if degrees >= NEARLY_NORMAL:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while _t_below(high, degrees) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, degrees) < probability else (low, middle)
    return high


def _t_below(value: float, degrees: int) -> float:
    """The probability that a t variable is below a value of 0 or more."""
    return 1 - _beta_share(degrees / 2, 0.5, degrees / (degrees + value * value)) / 2


def _beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction on the side where that converges."""
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for step in range(1, 300):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d, c = 1 / (1 + term * d), 1 + term / c
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value
