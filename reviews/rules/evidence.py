"""
How strongly figures speak against what was expected of them, and which of many findings stand. docs/rules/flags.md.

While a month fills it is looked at again and again: then an e-value counts, which says how many times better a fall (or a
rise) explains what was seen than no change does. However often one looks, the chance that it ever reaches 1/α without a change
is at most α. Once the month is over it is looked at for good, and the chance of seeing as much or more counts, which tells more.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from math import exp, lgamma, log
from statistics import median
from typing import TypeVar

from reviews.choices import Direction
from reviews.rules.measures import DECIMALS, Measured, count_interval, rate_interval

# What a changed rate or volume may have become, as a share of the expected one; each is as likely as the others.
FALLS = (0.8, 0.6, 0.4, 0.2)
RISES = (1.5, 2.5, 5.0, 10.0)
# The share of chance among what is flagged: 0.05 a month, spent on partners and on their offers and segments, while the
# month runs and once it is over.
FALSE_DISCOVERIES = {("whole", False): 0.01, ("part", False): 0.005, ("whole", True): 0.02, ("part", True): 0.015}
EXACT = 1e6  # what a fixed value is worth, in observations: it is known
HIGHEST_RATE = 0.95
CLEAR = 1.96  # standard errors: the interval of a crossing has 95 %

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Expected:
    """
    What is expected of a figure before it is seen.

    level: a rate, or a number of events. worth: how many observations (events, for a number) that is known as well as.
    """

    level: float
    worth: float

    def times(self, share: float) -> "Expected":
        """The same knowledge about a share of it."""
        return Expected(self.level * share, self.worth)

    def as_measured(self, *, is_rate: bool) -> Measured:
        """The level with the interval that it lies in at 95 %."""
        worth = max(1, round(self.worth))
        if is_rate:
            low, high = rate_interval(min(worth, max(0, round(self.level * worth))), worth, CLEAR)
            return Measured(self.level, round(self.level * worth), worth, min(low, self.level), max(high, self.level))
        low, high = count_interval(worth, CLEAR)
        return Measured(self.level, round(self.level), worth, self.level * low / worth, self.level * high / worth)


def rate_evidence(numerator: int, denominator: int, expected: Expected, direction: str) -> float:
    """
    The logarithm of the e-value that a rate has changed in a direction.

    Beta-binomial against beta-binomial: the expected rate is known as well as `worth` observations tell it.
    Source: docs/rules/flags.md
    """
    seen = min(numerator, denominator)
    null = min(HIGHEST_RATE, max(expected.level, 0.5 / (expected.worth + 1)))
    before = _log_beta_binomial(seen, denominator, null, expected.worth)
    levels = [min(HIGHEST_RATE, null * share) for share in _shares(direction)]
    return _mixed([_log_beta_binomial(seen, denominator, level, expected.worth) - before for level in levels])


def volume_evidence(count: int, expected: Expected, direction: str) -> float:
    """
    The logarithm of the e-value that a number of events has changed in a direction.

    Negative binomial against negative binomial: the expected number is known as well as `worth` events tell it.
    Source: docs/rules/flags.md
    """
    before = _log_negative_binomial(count, expected.level, expected.worth)
    return _mixed(
        [_log_negative_binomial(count, expected.level * share, expected.worth) - before for share in _shares(direction)]
    )


def rate_chance(numerator: int, denominator: int, expected: Expected, direction: str) -> float:
    """
    Minus the logarithm of the chance to see such a rate, or one further off, without a change.

    Source: docs/rules/flags.md
    """
    seen = min(numerator, denominator)
    mean = min(HIGHEST_RATE, max(expected.level, 0.5 / (expected.worth + 1)))
    hits, misses = mean * expected.worth, (1 - mean) * expected.worth
    whole = lgamma(hits + misses) - lgamma(hits + misses + denominator) + lgamma(denominator + 1)
    first = (
        whole + _log_beta_binomial(seen, denominator, mean, expected.worth) - lgamma(seen + 1) - lgamma(denominator - seen + 1)
    )
    if direction == Direction.BELOW:
        steps = ((k * (denominator - k + misses)) / ((denominator - k + 1) * (k - 1 + hits)) for k in range(seen, 0, -1))
    else:
        steps = (((denominator - k) * (k + hits)) / ((k + 1) * (denominator - k - 1 + misses)) for k in range(seen, denominator))
    return _tail(first, steps)


def volume_chance(count: int, expected: Expected, direction: str) -> float:
    """
    Minus the logarithm of the chance to see so many events, or a number further off, without a change.

    Source: docs/rules/flags.md
    """
    share = expected.level / (expected.level + expected.worth)
    first = (lgamma(count + expected.worth) - lgamma(expected.worth) - lgamma(count + 1)) + _log_negative_binomial(
        count, expected.level, expected.worth
    )
    if direction == Direction.BELOW:
        steps = (k / ((k - 1 + expected.worth) * share) for k in range(count, 0, -1))
    else:
        steps = ((k + expected.worth) * share / (k + 1) for k in count_from(count))
    return _tail(first, steps)


def either(first: float, second: float) -> float:
    """Minus the logarithm of the chance that one of two looks sees as much, from theirs."""
    return round(max(0.0, max(first, second) - log(2)), DECIMALS)


def average(first: float, second: float) -> float:
    """The logarithm of the average of two e-values, from their logarithms: an e-value again."""
    return _mixed([first, second])


def select(evidence: Mapping[Name, float], tests: int, false_discoveries: float) -> set[Name]:
    """
    The findings that stand, so that at most a share of `false_discoveries` of them is chance, whatever depends on what.

    evidence: logarithms of e-values. tests: how many findings there might have been.
    Source: docs/rules/flags.md
    """
    ordered = sorted(evidence, key=lambda name: (-evidence[name], str(name)))
    standing = 0
    for rank, name in enumerate(ordered, start=1):
        if evidence[name] >= needed(tests, rank, false_discoveries):
            standing = rank
    return set(ordered[:standing])


def needed(tests: int, rank: int, false_discoveries: float) -> float:
    """The logarithm of the e-value that the finding of a rank needs, where all before it stand."""
    return round(log(max(tests, 1) / (false_discoveries * rank)), DECIMALS)


def known_as_well_as(*worths: float) -> float:
    """What knowledge is worth, in observations, where several things make it uncertain at once."""
    return max(1.0, 1 / sum(1 / (worth + 1) for worth in worths) - 1)


def rate_steadiness(series: Iterable[Sequence[tuple[int, int]]]) -> float:
    """
    How steady rates are from month to month without any fault, in observations: the more, the steadier.

    series: for each partner the (numerator, denominator) of earlier months.
    Source: docs/rules/flags.md
    """
    spreads, sizes = [], []
    for months in series:
        used = [(min(numerator, size), size) for numerator, size in months if size >= SMALLEST_MONTH]
        total, hits = sum(size for _, size in used), sum(numerator for numerator, _ in used)
        if len(used) < 2 or not 0 < hits < total:
            continue
        mean = hits / total
        spread = sum(size * (numerator / size - mean) ** 2 for numerator, size in used) / (mean * (1 - mean))
        spreads.append((spread / (len(used) - 1), len(used) - 1))
        sizes += [size for _, size in used]
    excess = _excess(spreads)
    if excess is None:
        return UNKNOWN_STEADINESS
    mean_size = sum(sizes) / len(sizes)
    return round(min(STEADIEST, max(LEAST_STEADY, (mean_size - 1) / excess - 1 if excess > 0 else STEADIEST)), DECIMALS)


def volume_steadiness(series: Iterable[Sequence[tuple[int, float]]]) -> float:
    """
    How steady volumes are from month to month without any fault, in events.

    series: for each partner the (events, exposure) of earlier months.
    Source: docs/rules/flags.md
    """
    spreads, sizes = [], []
    for months in series:
        used = [(count, exposure) for count, exposure in months if exposure > 0]
        total, length = sum(count for count, _ in used), sum(exposure for _, exposure in used)
        if len(used) < 2 or total < SMALLEST_MONTH * len(used):
            continue
        pace = total / length
        spread = sum((count - pace * exposure) ** 2 / (pace * exposure) for count, exposure in used)
        spreads.append((spread / (len(used) - 1), len(used) - 1))
        sizes += [pace * exposure for _, exposure in used]
    excess = _excess(spreads)
    if excess is None:
        return UNKNOWN_PACE
    return round(
        min(STEADIEST_PACE, max(LEAST_PACE, sum(sizes) / len(sizes) / excess if excess > 0 else STEADIEST_PACE)), DECIMALS
    )


SMALLEST_MONTH = 20  # observations of a month that says how steady a partner is
UNKNOWN_STEADINESS, LEAST_STEADY, STEADIEST = 200.0, 20.0, 1000.0
UNKNOWN_PACE, LEAST_PACE, STEADIEST_PACE = 50.0, 5.0, 400.0
FEWEST_COMPARISONS = 10


def _excess(spreads: list[tuple[float, int]]) -> float | None:
    """
    How much more than by chance the middle one of all partners varies, as a share; None where too little is known.

    The middle one, because a few that fell or rose must not make everybody look unsteady.
    """
    if sum(degrees for _, degrees in spreads) < FEWEST_COMPARISONS:
        return None
    # The median of a chi-square over its degrees of freedom (Wilson and Hilferty), by which each spread is measured.
    return median(spread / (1 - 2 / (9 * degrees)) ** 3 for spread, degrees in spreads) - 1


def _tail(first: float, steps: Iterable[float]) -> float:
    """
    Minus the logarithm of a sum: a first term by its logarithm, each next one as a share of the one before.

    A tail whose terms grow is that of no change, or of one to the good side. Of a long one the rest is no more than if its
    terms went on to fall as they last did, because they fall ever faster.
    """
    term = total = 1.0
    for number, step in enumerate(steps):
        term *= step
        total += term
        if term < NEGLIGIBLE * total:
            break
        if number >= LONGEST_TAIL:
            if step >= 1:
                return 0.0
            total += term * step / (1 - step)
            break
    return round(max(0.0, -(first + log(total))), DECIMALS)


NEGLIGIBLE, LONGEST_TAIL = 1e-13, 20_000


def _shares(direction: str) -> tuple[float, ...]:
    return FALLS if direction == Direction.BELOW else RISES


def _mixed(logs: Sequence[float]) -> float:
    """The logarithm of the mean of numbers given by their logarithms, to 9 decimals."""
    top = max(logs)
    return round(top + log(sum(exp(one - top) for one in logs) / len(logs)), DECIMALS)


def _log_beta_binomial(numerator: int, denominator: int, mean: float, worth: float) -> float:
    """Up to what does not depend on the mean."""
    hits, misses = mean * worth, (1 - mean) * worth
    return lgamma(numerator + hits) + lgamma(denominator - numerator + misses) - lgamma(hits) - lgamma(misses)


def _log_negative_binomial(count: int, mean: float, worth: float) -> float:
    """Up to what does not depend on the mean."""
    return count * log(mean / (mean + worth)) + worth * log(worth / (mean + worth))
