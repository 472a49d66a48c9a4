"""
How well effects are measured: made-up actions of known effect through the code that measures real ones.

docs/rules/effects.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reviews.choices import ActionKind
from reviews.rules.effects.design import HOLD_OUT, MATCHED, NONE
from reviews.rules.effects.made_up import BASES, Audience, Market, Restlessness
from reviews.rules.effects.measure import measure_effect
from reviews.rules.effects.propose import Facts, propose_design
from reviews.rules.effects.verdicts import CANNOT_TELL, HARMED, NO_EVIDENCE, WORKED, Effect

MOST_WORKED = 0.05  # of actions that did nothing
COVERAGE = (0.93, 0.97)  # of 95 % intervals
LEAST_POWER = 0.8  # of a rise by a fifth among 5,000 members
LEAST_HARM = 0.8  # of planted harm
MOST_CANNOT_TELL = 0.1  # where data suffice

CALM = Restlessness(noise=0.04, trend=0.004)
RESTLESS = Restlessness(noise=0.08, trend=0.015)

Progress = Callable[[int], Any]


@dataclass(frozen=True)
class Scenario:
    """
    Made-up actions of one sort. size: members of the audience, or units. lifts: the range of the true relative change.

    is_enough: whether the data suffice to tell the minimum effect from none. units: how they move; None for an audience.
    """

    name: str
    size: int
    lifts: tuple[float, float]
    metric: str = "members_redeemed"
    is_enough: bool = True
    units: Restlessness | None = None
    events: float = 3000.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing happens (A/A)."""
        return self.lifts == (0.0, 0.0)

    @property
    def is_harm(self) -> bool:
        """Whether harm is planted where it could be found."""
        return self.lifts[1] < 0 and self.is_enough


POWER_SCENARIO = "hold_out_rise"
NOTHING, RISE, HARM = (0.0, 0.0), (0.2, 0.2), (-0.3, -0.2)
SCENARIOS = (
    Scenario("hold_out_nothing", 5000, NOTHING),
    Scenario(POWER_SCENARIO, 5000, RISE),
    Scenario("hold_out_harm", 5000, HARM),
    Scenario("hold_out_events_nothing", 5000, NOTHING, metric="redemptions"),
    Scenario("hold_out_few_members", 150, NOTHING, is_enough=False),
    Scenario("matched_nothing", 16, NOTHING, "redemptions", units=CALM),
    Scenario("matched_rise", 16, RISE, "redemptions", units=CALM),
    Scenario("matched_harm", 16, HARM, "redemptions", units=CALM),
    Scenario("matched_restless_nothing", 10, NOTHING, "redemptions", is_enough=False, units=RESTLESS),
    Scenario("matched_few_events", 4, NOTHING, "redemptions", is_enough=False, units=RESTLESS, events=40.0),
)


@dataclass
class Outcome:
    """What came of the runs of one scenario."""

    scenario: Scenario
    runs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    intervals: int = 0
    covered: int = 0

    def add(self, method: str, effect: Effect, lift: float) -> None:
        """One run more, of which the true change is known."""
        self.runs += 1
        self.methods[method] += 1
        self.verdicts[effect.verdict] += 1
        if effect.low is not None:
            self.intervals += 1
            self.covered += effect.low <= lift and (effect.high is None or lift <= effect.high)

    def as_json(self) -> dict[str, Any]:
        """For the command."""
        return {
            "scenario": self.scenario.name,
            "runs": self.runs,
            "is_enough": self.scenario.is_enough,
            "without_comparison": self.methods[NONE],
            WORKED: self.verdicts[WORKED],
            NO_EVIDENCE: self.verdicts[NO_EVIDENCE],
            HARMED: self.verdicts[HARMED],
            CANNOT_TELL: self.verdicts[CANNOT_TELL],
            "coverage_95": _share(self.covered, self.intervals),
        }


def simulate_effects(runs: int, seed: int, progress: Progress) -> list[Outcome]:
    """
    Every scenario so many times. The same seed gives the same.

    Source: docs/rules/effects.md
    """
    outcomes = []
    for number, scenario in enumerate(SCENARIOS):
        outcome = Outcome(scenario)
        random = Random(f"{seed}:{scenario.name}")  # noqa: S311 - chance is drawn, not a secret
        for run, (method, effect, lift) in enumerate(play(scenario, random, runs)):
            outcome.add(method, effect, lift)
            progress(number * runs + run + 1)
        outcomes.append(outcome)
    return outcomes


def play(scenario: Scenario, random: Random, runs: int) -> Iterator[tuple[str, Effect, float]]:
    """So many actions: designed, executed and measured. Yields method, effect and true change."""
    for run in range(runs):
        lift = random.uniform(*scenario.lifts)
        if scenario.units is None:
            audience = Audience(random, scenario.size, BASES[run % len(BASES)])
            facts = Facts(scenario.metric, past=audience.look_back(), salt=f"{scenario.name}:{run}")
            design = propose_design(ActionKind.PROMOTIONAL_PUSH, facts)
            strata = audience.act(design, lift) if design.method == HOLD_OUT else ()
            yield design.method, measure_effect(design, strata=strata), lift
        else:
            market = Market(random, scenario.size, scenario.events, scenario.units)
            first, *others = market.look_back()
            design = propose_design(ActionKind.RERANK, Facts(scenario.metric, unit="offer", treated=[first], candidates=others))
            units = market.act(lift) if design.method == MATCHED else ()
            yield design.method, measure_effect(design, units=units), lift


def summarise_trials(outcomes: list[Outcome]) -> dict[str, float | None]:
    """
    The five figures by which effects are judged themselves, over all scenarios that they are about. Who never got an
    interval cannot be called worked, and is left out of the first two.

    Source: docs/rules/effects.md
    """
    idle = [one for one in outcomes if one.scenario.is_idle]
    harm = [one for one in outcomes if one.scenario.is_harm]
    enough = [one for one in outcomes if one.scenario.is_enough]
    power = [one for one in outcomes if one.scenario.name == POWER_SCENARIO]
    return {
        "aa_worked_rate": _share(sum(one.verdicts[WORKED] for one in idle), sum(one.intervals for one in idle)),
        "coverage_95": _share(sum(one.covered for one in outcomes), sum(one.intervals for one in outcomes)),
        "power_20pct_5000": _rate(power, WORKED),
        "harmed_detected": _rate(harm, HARMED),
        "cannot_tell_rate": _rate(enough, CANNOT_TELL),
    }


def find_shortfalls(figures: dict[str, float | None]) -> list[str]:
    """Which of the five figures are not what is promised, as sentences."""
    least, most = COVERAGE
    promises = {
        "aa_worked_rate": (0.0, MOST_WORKED, "Actions that did nothing are called worked too often"),
        "coverage_95": (least, most, "Intervals do not hold the true change as often as they say"),
        "power_20pct_5000": (LEAST_POWER, 1.0, "A rise by a fifth among 5,000 members is found too seldom"),
        "harmed_detected": (LEAST_HARM, 1.0, "Harm is found too seldom"),
        "cannot_tell_rate": (0.0, MOST_CANNOT_TELL, "Nothing is said too often where data suffice"),
    }
    found = []
    for name, (low, high, text) in promises.items():
        value = figures[name]
        if value is None or not low <= value <= high:
            found.append(f"{text}: {name} is {value}, and {low} to {high} is promised.")
    return found


def _rate(outcomes: list[Outcome], verdict: str) -> float | None:
    return _share(sum(one.verdicts[verdict] for one in outcomes), sum(one.runs for one in outcomes))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
