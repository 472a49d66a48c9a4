"""What actions of one kind did, in one category and in all: how many worked, and by how much together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import expm1, fsum, log1p, sqrt

from reviews.rules.effects.design import USUAL_MINIMUM
from reviews.rules.effects.intervals import NORMAL
from reviews.rules.effects.quantiles import t_quantile
from reviews.rules.effects.sentences import say_change
from reviews.rules.effects.verdicts import CANNOT_TELL, HARMED, NO_EVIDENCE, VERDICTS, WORKED, Effect
from reviews.rules.measures import DECIMALS

FEWEST_POOLED = 3
EVERYWHERE = ""


@dataclass(frozen=True)
class Measurement:
    """The effect of one action. is_loss: less of its metric is better."""

    kind: str
    category: str
    effect: Effect
    is_loss: bool = False


@dataclass(frozen=True)
class KindSummary:
    """
    The actions of one kind in one category ("" for all of them).

    counts: by verdict, each of VERDICTS. pooled: of those with an interval; the gain, so that more is better of every
    metric. verdict, estimate, low, high: of them together; cannot_tell and None where fewer than 3 have an interval.
    """

    kind: str
    category: str
    counts: dict[str, int]
    pooled: int
    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    sentence: str


def summarise_verdicts(measurements: Iterable[Measurement]) -> list[KindSummary]:
    """
    What each kind of action did, for all categories together and then category by category; by kind.

    Source: docs/rules/effects.md
    """
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        for category in sorted({EVERYWHERE, one.category}):
            groups.setdefault((one.kind, category), []).append(one)
    return [_summarise(kind, category, groups[kind, category]) for kind, category in sorted(groups)]


def pool_gains(gains: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """
    The mean of some gains (logarithm, standard error) that differ among themselves, with its 95 % interval: random
    effects, their variance by DerSimonian and Laird, the interval by Hartung and Knapp.

    Source: docs/rules/effects.md
    """
    fixed = [1 / error**2 for _, error in gains]
    centre = fsum(weight * gain for weight, (gain, _) in zip(fixed, gains, strict=True)) / fsum(fixed)
    apart = fsum(weight * (gain - centre) ** 2 for weight, (gain, _) in zip(fixed, gains, strict=True))
    scale = fsum(fixed) - fsum(weight**2 for weight in fixed) / fsum(fixed)
    between = max(0.0, (apart - (len(gains) - 1)) / scale)
    weights = [1 / (error**2 + between) for _, error in gains]
    mean = fsum(weight * gain for weight, (gain, _) in zip(weights, gains, strict=True)) / fsum(weights)
    spread = fsum(weight * (gain - mean) ** 2 for weight, (gain, _) in zip(weights, gains, strict=True)) / (len(gains) - 1)
    reach = t_quantile(len(gains) - 1) * sqrt(max(1.0, spread) / fsum(weights))
    return mean, mean - reach, mean + reach


def _summarise(kind: str, category: str, measured: Sequence[Measurement]) -> KindSummary:
    found = Counter(str(one.effect.verdict) for one in measured)
    counts = {verdict: found[verdict] for verdict in VERDICTS}
    gains = sorted(gain for one in measured if (gain := _gain(one)) is not None)
    if len(gains) < FEWEST_POOLED:
        sentence = f"{_say_counts(kind, category, counts)} Fewer than {FEWEST_POOLED} have an interval: no figure for all."
        return KindSummary(kind, category, counts, len(gains), CANNOT_TELL, None, None, None, sentence)
    estimate, low, high = (round(expm1(end), DECIMALS) for end in pool_gains(gains))
    verdict = _judge(low, high)
    sentence = (
        f"{_say_counts(kind, category, counts)} Together {say_change(estimate)} (95 % interval {say_change(low)} to "
        f"{say_change(high)}), gains counted up."
    )
    return KindSummary(kind, category, counts, len(gains), verdict, estimate, low, high, sentence)


def _gain(one: Measurement) -> tuple[float, float] | None:
    """The logarithm of the relative change and its standard error, turned so that more is better; None without an interval."""
    ends = one.effect.estimate, one.effect.low, one.effect.high
    if any(end is None or end <= -1 for end in ends):
        return None
    estimate, low, high = (log1p(end) for end in ends if end is not None)
    error = (high - low) / (2 * NORMAL)
    return (-estimate if one.is_loss else estimate, error) if error > 0 else None


def _judge(low: float, high: float) -> str:
    if low > 0:
        return WORKED
    if high < 0:
        return HARMED
    return NO_EVIDENCE if (high - low) / 2 <= USUAL_MINIMUM else CANNOT_TELL


def _say_counts(kind: str, category: str, counts: dict[str, int]) -> str:
    place = f" in {category}" if category else ""
    parts = [f"{number} {verdict.replace('_', ' ')}" for verdict, number in counts.items() if number]
    return f"{kind.replace('_', ' ').capitalize()}{place}: {', '.join(parts)} of {sum(counts.values())}."
