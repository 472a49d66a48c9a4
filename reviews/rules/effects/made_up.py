"""Made-up audiences and units whose true effect is known, for measuring how well effects are measured. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, log1p, sqrt
from random import Random

from activity.rules import ArmCounts, stratum_of, tally_outcomes
from reviews.rules.effects.arms import HELD_OUT, arm_of
from reviews.rules.effects.design import EffectDesign
from reviews.rules.effects.hold_out import Stratum
from reviews.rules.effects.matched import UnitCounts

BASES = (0.15, 0.2, 0.25, 0.3, 0.35)  # shares of members who redeem in a window of four weeks
STEADINESS = 3.0  # of members: the smaller, the more they differ from each other
MOST_LIKELY = 0.8  # of a member, so that a fifth more is still a probability
PROPENSITIES = 2000  # that members are drawn from
PERIODS = 6  # of a baseline


class Audience:
    """Members who differ in how likely they redeem, and stay as they are: three windows of them, the last one treated."""

    def __init__(self, random: Random, members: int, base: float) -> None:
        self.random = random
        shapes = base * STEADINESS, (1 - base) * STEADINESS
        drawn = [min(MOST_LIKELY, random.betavariate(*shapes)) for _ in range(PROPENSITIES)]
        self.members = random.choices(drawn, k=members)
        self.keys = [random.randbytes(16) for _ in range(members)]
        self.before = self._draw(1.0)
        self.past = self._draw(1.0)

    def _draw(self, factor: float) -> list[int]:
        """How often each member redeemed in one window, with the probability of having done so times a factor."""
        draw = self.random.random
        return [0 if draw() >= likely * factor else 1 + (draw() < likely) + (draw() < likely / 2) for likely in self.members]

    def look_back(self) -> list[ArmCounts]:
        """What is known before the action: the past window by the one before it."""
        return _tally(self.before, self.past)

    def act(self, design: EffectDesign, lift: float) -> list[Stratum]:
        """What is known after it: the outcomes of those treated and of those held out."""
        share = design.hold_out_share or Decimal()
        held = [arm_of(key, design.salt, share) == HELD_OUT for key in self.keys]
        usual, changed = self._draw(1.0), self._draw(1 + lift)
        arms = [
            _tally(
                [past for past, is_held in zip(self.past, held, strict=True) if is_held == wanted],
                [number for number, is_held in zip(outcomes, held, strict=True) if is_held == wanted],
            )
            for wanted, outcomes in ((False, changed), (True, usual))
        ]
        return list(zip(*arms, strict=True))


def _tally(before: Sequence[int], events: Sequence[int]) -> list[ArmCounts]:
    strata = [stratum_of(number) for number in before]
    sizes = {stratum: strata.count(stratum) for stratum in set(strata)}
    return tally_outcomes(sizes, zip(strata, events, strict=True))


@dataclass(frozen=True)
class Restlessness:
    """How units move by themselves. noise: standard deviation of a period, of which `memory` stays; trend: per period."""

    noise: float
    trend: float
    memory: float = 0.3


class Market:
    """Units of different sizes with a season of their own market, each with its trend and noise; the first one is treated."""

    def __init__(self, random: Random, units: int, events: float, restlessness: Restlessness) -> None:
        self.random = random
        season = [random.gauss(0, 0.1) for _ in range(PERIODS + 1)]
        self.means = [self._draw_unit(events, season, restlessness) for _ in range(units)]
        self.past = [self._count(means[:PERIODS]) for means in self.means]

    def _draw_unit(self, events: float, season: Sequence[float], restless: Restlessness) -> list[float]:
        size = events * exp(self.random.gauss(0, 0.4))
        trend, apart = self.random.gauss(0, restless.trend), self.random.gauss(0, restless.noise)
        fresh = restless.noise * sqrt(1 - restless.memory**2)
        means = []
        for period, shared in enumerate(season):
            apart = restless.memory * apart + self.random.gauss(0, fresh)
            means.append(size * exp(shared + trend * period + apart))
        return means

    def _count(self, means: Sequence[float]) -> list[int]:
        """Poisson numbers, by normal ones where they are large."""
        return [self._poisson(mean) if mean < 50 else max(0, round(self.random.gauss(mean, sqrt(mean)))) for mean in means]

    def _poisson(self, mean: float) -> int:
        number, left = 0, self.random.random()
        while left > exp(-mean):
            number, left = number + 1, left * self.random.random()
        return number

    def look_back(self) -> list[UnitCounts]:
        """What is known before the action, the treated unit first."""
        return [UnitCounts(f"unit {place:02d}", _without_base(counts)) for place, counts in enumerate(self.past)]

    def act(self, lift: float) -> list[UnitCounts]:
        """What is known after it: the same with the window."""
        changed = [means[-1] * (exp(log1p(lift)) if place == 0 else 1.0) for place, means in enumerate(self.means)]
        window = self._count(changed)
        return [
            UnitCounts(f"unit {place:02d}", _without_base([*counts, window[place]])) for place, counts in enumerate(self.past)
        ]


def _without_base(counts: Sequence[int]) -> tuple[tuple[int, None], ...]:
    return tuple((count, None) for count in counts)
