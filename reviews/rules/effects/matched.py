"""The effect on whole units, such as the offers that were moved: their change against that of units left alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, fsum, inf, log, log1p, sqrt
from typing import Any

from reviews.rules.effects.design import UNITS_OF_OFFERS, EffectDesign
from reviews.rules.effects.quantiles import POWER, t_quantile
from reviews.rules.effects.sentences import say_effect, say_names
from reviews.rules.effects.verdicts import CANNOT_TELL, Effect, cannot_tell, judge
from reviews.rules.measures import DECIMALS

FEWEST_CONTROLS = 2
FEWEST_PERIODS = 4  # of a baseline
MOST_CONTROLS = 40
FEWEST_EVENTS = 20  # of a unit in a period, on average over the baseline
MOST_REACH = 5.0  # of a logarithm: a hundredfold
MOST_SCATTER = 0.3  # standard deviation, from period to period, of the log ratio to those treated


@dataclass(frozen=True)
class UnitCounts:
    """
    One unit, period by period, the oldest first: numerator and denominator of its metric; a number of events has no
    denominator.
    """

    key: str
    periods: tuple[tuple[int, int | None], ...]

    @property
    def levels(self) -> list[float]:
        """Logarithm of the rate, or of the number, of each period."""
        return [log(number + 0.5) - (0.0 if base is None else log(base + 0.5)) for number, base in self.periods]

    @property
    def chances(self) -> list[float]:
        """The variance that chance alone gives each level."""
        return [1 / (number + 0.5) - (1 / (base + 0.5) if base and base > number else 0.0) for number, base in self.periods]


def choose_controls(treated: Sequence[UnitCounts], candidates: Sequence[UnitCounts], minimum_effect: float) -> list[UnitCounts]:
    """
    Of the candidates, those that moved alike over the baseline, by key: not apart from those treated by a trend that would
    make up half the minimum effect by the window, nor to and fro.

    Source: docs/rules/effects.md
    """
    level = mean_levels(treated)
    alike = [unit for unit in candidates if is_busy(unit) and _moved_alike(level, unit.levels, minimum_effect)]
    largest = sorted(alike, key=lambda unit: (-sum(number for number, _ in unit.periods), unit.key))[:MOST_CONTROLS]
    return sorted(largest, key=lambda unit: unit.key)


def is_busy(unit: UnitCounts) -> bool:
    """Whether a unit has enough events for its movements to be more than chance."""
    return sum(number for number, _ in unit.periods) >= FEWEST_EVENTS * len(unit.periods)


def mean_levels(units: Sequence[UnitCounts]) -> list[float]:
    """The mean level of some units, period by period."""
    return [fsum(levels) / len(units) for levels in zip(*(unit.levels for unit in units), strict=True)]


def _moved_alike(level: Sequence[float], other: Sequence[float], minimum_effect: float) -> bool:
    apart = [one - two for one, two in zip(level, other, strict=True)]
    mean, middle = fsum(apart) / len(apart), (len(apart) - 1) / 2
    steps = [number - middle for number in range(len(apart))]
    slope = fsum(step * value for step, value in zip(steps, apart, strict=True)) / fsum(step * step for step in steps)
    drift = round(abs(slope) * (len(apart) - middle), DECIMALS)
    scatter = round(sqrt(fsum((value - mean) ** 2 for value in apart) / (len(apart) - 1)), DECIMALS)
    return drift <= round(log1p(minimum_effect) / 2, DECIMALS) and scatter <= MOST_SCATTER


def expect_visible(treated: Sequence[UnitCounts], controls: Sequence[UnitCounts]) -> float:
    """
    The smallest relative change that will be found nine times in ten, from how units moved over the baseline.

    Source: docs/rules/effects.md
    """
    everyone = [*treated, *controls]
    length = len(everyone[0].periods)
    variance = max(_steps(everyone, length)[0], _last_step(everyone, length)[0])
    degrees = 2 * len(everyone) - 3
    chances = [[fsum(unit.chances) / length * (1 + 1 / length) for unit in units] for units in (treated, controls)]
    error = sqrt(_of_difference(variance, *chances))
    return round(expm1((t_quantile(degrees) + t_quantile(degrees, POWER)) * error), DECIMALS)


def measure_matched(design: EffectDesign, units: Sequence[UnitCounts]) -> Effect:
    """
    The effect of an action on units, by the change of those treated against that of the controls.

    units: those of the design, each with `baseline_periods` periods and the window as the last one. Controls may be missing,
    as long as that has nothing to do with their numbers: such as offers that ended meanwhile.
    Source: docs/rules/effects.md
    """
    by_key = {unit.key: unit for unit in units}
    treated = [by_key[key] for key in design.treated if key in by_key]
    controls = [by_key[key] for key in design.controls if key in by_key]
    numbers: dict[str, Any] = {"left_out": [key for key in design.controls if key not in by_key]}
    if design.unit in UNITS_OF_OFFERS:
        numbers |= {"treated": [_plain(unit) for unit in treated], "controls": [_plain(unit) for unit in controls]}
    if missing := [key for key in design.treated if key not in by_key]:
        return cannot_tell(f"{say_names(missing)} did not stay as it was meant to over the window.", **numbers)
    if len(controls) < FEWEST_CONTROLS:
        return cannot_tell(f"{len(controls)} of those it was to be compared with stayed as they were.", **numbers)
    if any(len(unit.periods) != design.baseline_periods + 1 for unit in units):
        return cannot_tell("not every period of the design was counted.", **numbers)
    length = design.baseline_periods
    changes = [[_change(unit.levels) for unit in group] for group in (treated, controls)]
    means = [fsum(group) / len(group) for group in changes]
    difference = means[0] - means[1]
    error, degrees = _error_of(treated, controls, changes, length)
    reach = t_quantile(degrees) * error
    low, high = round(difference - reach, DECIMALS), round(difference + reach, DECIMALS)
    verdict = judge(low, high, round(expm1(reach), DECIMALS) if reach < MOST_REACH else inf, design)
    if verdict == CANNOT_TELL and reach >= MOST_REACH:
        return cannot_tell("the units move too much against each other by themselves.", **numbers)
    lift = round(expm1(difference), DECIMALS), round(expm1(low), DECIMALS), round(expm1(high), DECIMALS)
    numbers |= {
        "changes": [[round(change, DECIMALS) for change in group] for group in changes],
        "standard_error": round(error, DECIMALS),
        "degrees": degrees,
    }
    return Effect(verdict, *lift, say_effect(design, verdict, *lift), numbers)


def _error_of(
    treated: Sequence[UnitCounts], controls: Sequence[UnitCounts], changes: Sequence[Sequence[float]], length: int
) -> tuple[float, int]:
    """
    The standard error of the difference of changes, and its degrees of freedom.

    Pooled from two comparisons of the same shape: the units of one group against each other in the window, and all units
    against each other in the last period of the baseline; not less than what their steps from period to period say.
    """
    everyone = [*treated, *controls]
    own = fsum(_squares(group) for group in changes)
    degrees = sum(len(group) - 1 for group in changes)
    candidates = []
    for variance, known in (_last_step(everyone, length), _steps(everyone, length)):
        candidates.append((own + known * variance) / (degrees + known))
    chances = [[unit.chances[-1] + fsum(unit.chances[:length]) / length**2 for unit in group] for group in (treated, controls)]
    return sqrt(_of_difference(max(candidates), *chances)), degrees + len(everyone) - 1


def _last_step(units: Sequence[UnitCounts], length: int) -> tuple[float, int]:
    """
    How units differed in the change from the earlier periods of a baseline to its last, as the variance of a change from a
    whole baseline to the window, and its degrees of freedom.
    """
    changes = [_change(unit.levels[:length]) for unit in units]
    return _squares(changes) / (len(units) - 1) * (1 + 1 / length) / (1 + 1 / (length - 1)), len(units) - 1


def _steps(units: Sequence[UnitCounts], length: int) -> tuple[float, int]:
    """The same from what is left of all levels of the baseline beside units and periods."""
    levels = [unit.levels[:length] for unit in units]
    overall = [fsum(column) / len(units) for column in zip(*levels, strict=True)]
    apart = [[one - other for one, other in zip(row, overall, strict=True)] for row in levels]
    degrees = (len(units) - 1) * (length - 1)
    return fsum(_squares(row) for row in apart) / degrees * (1 + 1 / length), degrees


def _of_difference(variance: float, treated: Sequence[float], controls: Sequence[float]) -> float:
    """
    The variance of the difference of two means of changes.

    treated, controls: what chance alone gives each unit. Beyond that units are taken to vary alike, so that a small unit
    among large ones is given its own chance.
    """
    beyond = max(0.0, variance - fsum([*treated, *controls]) / (len(treated) + len(controls)))
    return fsum(beyond / len(group) + fsum(group) / len(group) ** 2 for group in (treated, controls))


def _change(levels: Sequence[float]) -> float:
    """The last level against the mean of those before."""
    return levels[-1] - fsum(levels[:-1]) / (len(levels) - 1)


def _squares(values: Sequence[float]) -> float:
    """The sum of squares around the mean."""
    mean = fsum(values) / len(values)
    return fsum((value - mean) ** 2 for value in values)


def _plain(unit: UnitCounts) -> dict[str, Any]:
    return {"key": unit.key, "periods": [list(period) for period in unit.periods]}
