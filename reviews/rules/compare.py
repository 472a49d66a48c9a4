"""
Partners beside each other by one rate: shrunken rates, ranks with their uncertainty, and the funnel plot's limits.

Never a league table of raw rates: a small sample is drawn towards its category and its place in the order is a range.
docs/rules/compare.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import asin, fsum, sqrt
from random import Random
from statistics import NormalDist

from reviews.rules.measures import DECIMALS, rate_interval
from reviews.rules.standing import FEWEST_PEERS, Prior, fit_prior, shrink

LIKELY = 1.959963985  # 95 % of a normal distribution lie within so many standard deviations of its mean
NEARLY_SURE = 3.090232306  # 99.8 %
DRAWS = 400  # of every rate when ranks are worked out
WINSORISED = 0.1  # the share of deviations at either end that is pulled in before over-dispersion is measured
FEWEST_COMPARED = 30  # observations behind a rate below which a partner is listed apart, unless it is asked otherwise

INSIDE, OUTSIDE_95, OUTSIDE_998 = "inside", "outside_95", "outside_998"
PLACES = (INSIDE, OUTSIDE_95, OUTSIDE_998)
ABOVE, BELOW = "above", "below"

STEPS = [NormalDist().inv_cdf((step + 0.5) / DRAWS) for step in range(DRAWS)]


@dataclass(frozen=True)
class Sample:
    """What is known of one partner's rate: so many of so many."""

    partner: str
    category: str
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Placed:
    """
    One partner in a comparison. interval: of the raw rate, 95 %. shrunken to side: None and "" below the minimum.

    worth: how many observations the shrunken rate stands for.
    rank: on the shrunken rate, 1 is best. ranks: the range that the rank lies in at 95 %. place: one of PLACES, "" where
    there are no limits; side: on which side of the overall rate it is outside.
    """

    sample: Sample
    rate: float | None
    interval: tuple[float, float] | None
    shrunken: float | None = None
    shrunken_interval: tuple[float, float] | None = None
    worth: float | None = None
    rank: int | None = None
    ranks: tuple[int, int] | None = None
    place: str = ""
    side: str = ""


@dataclass(frozen=True)
class Dispersion:
    """How much partners differ, against chance alone. factor: what the variance is multiplied by; 1 where chance explains it."""

    measured: float
    tolerated: float
    factor: float


@dataclass(frozen=True)
class Comparison:
    """
    Partners of one group beside each other. ranked: by shrunken rate, best first. apart: too little data, by external id.

    numerator, denominator: of those ranked. rate and dispersion: None with fewer than 5 partners ranked; then nobody is
    placed, because the overall rate of so few says what each of them does.
    """

    ranked: list[Placed]
    apart: list[Placed]
    numerator: int
    denominator: int
    rate: float | None
    interval: tuple[float, float] | None
    dispersion: Dispersion | None


def compare_samples(
    samples: Sequence[Sample],
    *,
    is_loss: bool,
    minimum: int = FEWEST_COMPARED,
    everyone: Sequence[Sample] = (),
) -> Comparison:
    """
    Partners of one group by one rate, the best first.

    is_loss: whether less is better. minimum: the fewest observations to be ranked. everyone: the samples of all groups,
    which lend their prior to a group of fewer than 5 partners.
    Source: docs/rules/compare.md
    """
    ordered = sorted(samples, key=lambda sample: sample.partner)
    least = max(minimum, 1)
    enough = [sample for sample in ordered if sample.denominator >= least]
    apart = [place_raw(sample) for sample in ordered if sample.denominator < least]
    lenders = sorted((one for one in everyone if one.denominator >= least), key=lambda one: (one.partner, one.denominator))
    placed = [one for members, peers in split_by_peers(enough, lenders) for one in shrink_samples(members, peers)]
    ranked = rank(placed, is_loss)
    numerator = sum(min(one.numerator, one.denominator) for one in enough)
    denominator = sum(one.denominator for one in enough)
    if len(enough) < FEWEST_PEERS:
        return Comparison(ranked, apart, numerator, denominator, None, None, None)
    overall = round(numerator / denominator, DECIMALS)
    dispersion = measure_dispersion(enough, overall)
    return Comparison(
        ranked=[find_place(one, overall, dispersion) for one in ranked],
        apart=apart,
        numerator=numerator,
        denominator=denominator,
        rate=overall,
        interval=round_pair(rate_interval(numerator, denominator, LIKELY)),
        dispersion=dispersion,
    )


def place_raw(sample: Sample) -> Placed:
    """A partner with its raw rate alone, and how little it says."""
    if not sample.denominator:
        return Placed(sample, None, None)
    rate = round(sample.numerator / sample.denominator, DECIMALS)
    return Placed(sample, rate, round_pair(rate_interval(sample.numerator, sample.denominator, LIKELY)))


def split_by_peers(enough: Sequence[Sample], lenders: Sequence[Sample]) -> list[tuple[list[Sample], Sequence[Sample]]]:
    """
    Samples with those that say what is usual for them: their category if 5 of it are there, else the group, else everyone.
    """
    categories: dict[str, list[Sample]] = {}
    for sample in enough:
        categories.setdefault(sample.category, []).append(sample)
    rest = enough if len(enough) >= FEWEST_PEERS else (lenders or enough)
    return [(members, members if len(members) >= FEWEST_PEERS else rest) for members in categories.values()]


def shrink_samples(members: Sequence[Sample], peers: Sequence[Sample]) -> list[Placed]:
    """
    Partners with their shrunken rates, and the intervals of these.

    The interval is the score interval of as many observations as the shrunken rate is worth: its own and the prior's, less
    what is not known of the prior's mean.
    Source: docs/rules/compare.md
    """
    prior = fit_prior([(peer.numerator, peer.denominator) for peer in peers])
    if prior is None:
        return [place_raw(sample) for sample in members]
    known = count_known(prior, [peer.denominator for peer in peers])
    placed = []
    for sample in members:
        shrunken = shrink(sample.numerator, sample.denominator, prior)
        worth = count_worth(sample.denominator, prior, known)
        interval = round_pair(rate_interval(shrunken * worth, worth, LIKELY))
        placed.append(replace(place_raw(sample), shrunken=shrunken, shrunken_interval=interval, worth=worth))
    return placed


def count_known(prior: Prior, denominators: Sequence[int]) -> float:
    """
    How many independent observations the prior's mean rests on: fewer than were counted, where partners differ.

    Source: docs/rules/compare.md
    """
    total = sum(denominators)
    alike = 1 / (prior.strength + 1)
    return round(1 / fsum((size / total) ** 2 * (1 / size + (1 - 1 / size) * alike) for size in denominators), DECIMALS)


def count_worth(denominator: int, prior: Prior, known: float) -> float:
    """
    How many observations a shrunken rate is worth: at least its own, at most these and the prior's.

    Source: docs/rules/compare.md
    """
    together = denominator + prior.strength
    leaning = prior.strength / together
    return round(1 / (1 / together + leaning * leaning / known), DECIMALS)


def rank(placed: Sequence[Placed], is_loss: bool) -> list[Placed]:
    """
    Partners by shrunken rate, best first, each with the range that its rank lies in at 95 %. Equal rates by external id.

    Every rate is drawn 400 times from what is known of it, evenly over its distribution, in an order that follows from
    the partner's external id alone: the same samples give the same ranges, in whatever order they are given.
    Source: docs/rules/compare.md
    """
    sign = 1 if is_loss else -1
    ordered = sorted(placed, key=lambda one: (sign * (one.shrunken or 0.0), one.sample.partner))
    drawn = [draw(one, sign) for one in ordered]
    places: list[list[int]] = [[] for _ in ordered]
    for number in range(DRAWS if len(ordered) > 1 else 0):
        values = [draws[number] for draws in drawn]
        for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__), start=1):
            places[index].append(place)
    results = []
    for position, (one, seen) in enumerate(zip(ordered, places, strict=True), start=1):
        results.append(replace(one, rank=position, ranks=range_of(seen, position)))
    return results


def draw(one: Placed, sign: int) -> list[float]:
    """400 values of a rate, on the scale on which its uncertainty does not depend on it; the lowest is the best."""
    middle, spread = asin(sqrt(one.shrunken or 0.0)), 1 / (2 * sqrt(one.worth or 1.0))
    steps = STEPS.copy()
    Random(one.sample.partner).shuffle(steps)  # noqa: S311 # the same for ever is what is wanted
    return [sign * (middle + spread * step) for step in steps]


def range_of(seen: Sequence[int], position: int) -> tuple[int, int]:
    """The middle 95 % of the ranks that were drawn, and the rank itself."""
    if not seen:
        return position, position
    ordered, cut = sorted(seen), round(len(seen) * 0.025)
    return min(ordered[cut], position), max(ordered[-1 - cut], position)


def measure_dispersion(samples: Sequence[Sample], overall: float) -> Dispersion:
    """
    Whether partners differ by more than chance, and how much wider the limits must be for it (after Spiegelhalter).

    Source: docs/rules/compare.md
    """
    tolerated = round(1 + 2 * sqrt(2 / len(samples)), DECIMALS)
    variance = overall * (1 - overall)
    if variance <= 0:
        return Dispersion(0.0, tolerated, 1.0)
    deviations = sorted(
        (min(one.numerator, one.denominator) / one.denominator - overall) / sqrt(variance / one.denominator) for one in samples
    )
    cut = int(len(deviations) * WINSORISED)
    low, high = deviations[cut], deviations[-1 - cut]
    measured = round(fsum(min(max(one, low), high) ** 2 for one in deviations) / len(deviations), DECIMALS)
    return Dispersion(measured, tolerated, measured if measured > tolerated else 1.0)


def funnel_limits(overall: float, factor: float, denominator: float, z: float) -> tuple[float, float]:
    """
    Between which rates a partner with so many observations lies if it is like the others; z: LIKELY or NEARLY_SURE.

    Source: docs/rules/compare.md
    """
    reach = z * sqrt(factor * overall * (1 - overall) / denominator)
    return round(max(0.0, overall - reach), DECIMALS), round(min(1.0, overall + reach), DECIMALS)


def find_place(one: Placed, overall: float, dispersion: Dispersion) -> Placed:
    """A partner with its place in the funnel plot. A rate above 1 counts as 1, as in the shrunken rate."""
    sample = one.sample
    kept = round(min(sample.numerator, sample.denominator) / sample.denominator, DECIMALS)
    place = INSIDE
    for name, z in ((OUTSIDE_95, LIKELY), (OUTSIDE_998, NEARLY_SURE)):
        low, high = funnel_limits(overall, dispersion.factor, sample.denominator, z)
        if kept < low or kept > high:
            place = name
    side = "" if place == INSIDE else ABOVE if kept > overall else BELOW
    return replace(one, place=place, side=side)


def count_places(comparison: Comparison) -> Mapping[str, int]:
    """How many of the ranked partners are at each place of the funnel plot."""
    return {place: sum(1 for one in comparison.ranked if one.place == place) for place in PLACES}


def round_pair(interval: tuple[float, float]) -> tuple[float, float]:
    """An interval to the decimals that everything here has."""
    return round(interval[0], DECIMALS), round(interval[1], DECIMALS)
