"""
Made-up programs by counts, day by day, to measure how often the rules call somebody wrongly and what they miss.

What is drawn goes through `make_cards` like anything that was counted. Pure: the same seed gives the same program.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from random import Random
from typing import Any

from plum_site.lib.periods import month_text, next_month, parse_month
from reviews.rules.cards import PartnerInput, ReviewInput
from reviews.rules.defaults import default_policy, default_rules
from reviews.rules.flags import RuleSpec, months_needed
from reviews.rules.measures import RATES, Figures
from reviews.rules.seasons import SEASON_MONTHS, days_of
from reviews.rules.standing import count_judged_events

FIRST_MONTH = "2024-01"
STAGES = ("viewed", "unlocked", "activated", "redeemed")
USUAL = {"unlock": 0.30, "activation": 0.57, "redemption": 0.60, "failure": 0.01, "reversal": 0.02}
CATEGORIES = 12
FAULTS = ("awareness", "relevance", "delivery", "friction", "reversals")
MEMBERS = {  # as if every event were another member's
    "members_any": "views",
    "members_viewed": "views",
    "members_unlocked": "unlocks",
    "members_activated": "activations",
    "members_redeemed": "redemptions",
}


@dataclass(frozen=True)
class Fault:
    """A fault that was planted in one partner. left: share of the step that is left. is_slow: reached over the months after."""

    cause: str
    starts: int
    left: float
    is_slow: bool = False


@dataclass
class Maker:
    """
    A made-up program: `partners` of the same rates, `activations` of each in a month, with the faults that are named.

    spread: how much partners differ in size and rates, 0 for identical ones. season: how much of the usual volume a calendar
    month has (1 to 12), where it is not all of it.
    """

    partners: int
    activations: int
    seed: int
    spread: float = 0.0
    faults: Mapping[int, Fault] = field(default_factory=dict)
    season: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - chance is drawn, not a secret
        self.rates = [
            {name: min(0.95, max(0.005, rate * (1 + self.spread * self.random.gauss(0, 1)))) for name, rate in USUAL.items()}
            for _ in range(self.partners)
        ]
        pace = self.activations / (USUAL["unlock"] * USUAL["activation"])
        self.pace = [pace * max(0.05, 1 + 3 * self.spread * self.random.gauss(0, 1)) for _ in range(self.partners)]

    def draw_day(self, partner: int, month: int, days: int) -> dict[str, int]:
        """The events of one partner on one day of a month of so many days."""
        rates, pace = dict(self.rates[partner]), self.pace[partner] * self.season.get(month % 12 + 1, 1.0) / days
        fault = self.faults.get(partner)
        reversal = rates["reversal"]
        if fault is not None and month >= fault.starts:
            left = fault.left ** min(1.0, (month - fault.starts + 1) / 4) if fault.is_slow else fault.left
            match fault.cause:
                case "awareness":
                    pace *= left
                case "relevance":
                    rates["unlock"] *= left
                case "delivery":
                    rates["failure"] = 1 - left
                case "friction":
                    rates["redemption"] *= left
                case "reversals":
                    reversal += (1 - left) * 0.4
        views = self._number(pace)
        unlocks = self._hits(views, rates["unlock"])
        tried = self._hits(unlocks, rates["activation"])
        failures = self._hits(tried, rates["failure"])
        activations = tried - failures
        redemptions = self._hits(activations, rates["redemption"])
        return {
            "views": views,
            "unlocks": unlocks,
            "activations": activations,
            "redemptions": redemptions,
            "failures": failures,
            "failed_activations": failures,
            "reversals": self._hits(redemptions, reversal),
        }

    def _number(self, mean: float) -> int:
        """A Poisson number, by a normal one where it is large."""
        if mean > 40:
            return max(0, round(self.random.gauss(mean, sqrt(mean))))
        return self._hits(1000, mean / 1000)

    def _hits(self, tries: int, rate: float) -> int:
        """A binomial number."""
        if tries * rate * (1 - rate) > 100:
            return min(tries, max(0, round(self.random.gauss(tries * rate, sqrt(tries * rate * (1 - rate))))))
        return sum(self.random.random() < rate for _ in range(tries))


def figures_of(counts: Mapping[str, int]) -> dict[str, Any]:
    """Counts as a row of the metric layer: with the rates, without money."""
    row: dict[str, Any] = {"impressions": 0, **counts}
    row["attempts"] = row["unlocks"] + row["activations"] + row["redemptions"] + row["failures"]
    members = {"members_any": "views", "members_viewed": "views", "members_unlocked": "unlocks"}
    row |= {
        name: row[of] for name, of in {**members, "members_activated": "activations", "members_redeemed": "redemptions"}.items()
    }
    for name, rate in RATES.items():
        row[name] = row[rate.numerator] / row[rate.denominator] if row[rate.denominator] else None
    row |= {
        name: {} for name in ("spend", "reversed_spend", "net_spend", "reward_cost", "reversed_reward_cost", "net_reward_cost")
    }
    return row


def play(maker: Maker, months: int, *, by_day: bool, rules: Sequence[RuleSpec] = ()) -> Iterator[tuple[int, ReviewInput]]:
    """
    The program as it fills: what a review would be given after each day (by_day), or after each month.

    Yields (month from 0, ReviewInput); the last one of a month has `is_over`.
    """
    used = list(rules) or [named.spec for named in default_rules("view_first")]
    past: list[list[Figures]] = [[] for _ in range(maker.partners)]
    start, length = parse_month(FIRST_MONTH), months_needed(used)
    for month in range(months):
        names = [month_text(next_month(start, month - back)) for back in range(length)]
        days = days_of(names[0]) if by_day else 1
        sums: list[dict[str, int]] = [{} for _ in range(maker.partners)]
        for day in range(1, days + 1):
            for partner, row in enumerate(sums):
                for name, count in maker.draw_day(partner, month, days).items():
                    row[name] = row.get(name, 0) + count
            given = _given(sums, past, names, used)
            yield month, replace(given, is_over=day == days, elapsed=day / days)
        for partner, row in enumerate(sums):
            past[partner].insert(0, figures_of(row))


def _given(
    sums: Sequence[Mapping[str, int]], past: Sequence[Sequence[Figures]], names: Sequence[str], rules: Sequence[RuleSpec]
) -> ReviewInput:
    length = len(names)
    partners = [
        PartnerInput(
            partner=f"P{number:04d}",
            category=f"category {number % CATEGORIES}",
            months=([figures_of(row), *past[number]] + [None] * length)[:length],
            failed={"failed_activations": row["failed_activations"]},
            last_year=[count_judged_events(figures) for figures in past[number][11 : 11 + SEASON_MONTHS]],
        )
        for number, row in enumerate(sums)
    ]
    return ReviewInput(
        program="simulation",
        months=names,
        recorded_stages=STAGES,
        metric_version="1",
        policy=default_policy("view_first"),
        rules=rules,
        partners=partners,
    )
