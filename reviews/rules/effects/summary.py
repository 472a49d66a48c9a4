"""What actions of one kind did, in all, by category and by segment: how many worked, and by how much those of one metric."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import expm1, fsum, log1p, sqrt

from reviews.choices import ActionKind, Verdict
from reviews.rules.effects.design import LOSSES, USUAL_MINIMUM
from reviews.rules.effects.intervals import NORMAL
from reviews.rules.effects.quantiles import t_quantile
from reviews.rules.effects.sentences import say_change, say_metric
from reviews.rules.effects.verdicts import CANNOT_TELL, HARMED, NO_EVIDENCE, VERDICTS, WORKED, Effect
from reviews.rules.measures import DECIMALS

FEWEST_SUMMED = 3  # actions: fewer say nothing of their kind
ALL, BY_CATEGORY, BY_SEGMENT = "", "category", "segment"
SAID: dict[str, str] = {
    WORKED: "works",
    HARMED: "does harm",
    NO_EVIDENCE: "no evidence that it does anything",
    CANNOT_TELL: "cannot be told",
}


@dataclass(frozen=True)
class Measurement:
    """The effect of one action. metric: that of its design. category: its partner's; segment: "" is everyone."""

    kind: str
    metric: str
    effect: Effect
    category: str = ""
    segment: str = ""


@dataclass(frozen=True)
class Pooled:
    """The actions of a group that were measured by one metric, together: a relative change, as of one action."""

    metric: str
    actions: int
    verdict: str
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class KindSummary:
    """
    The measured actions of one kind: all of them, or those of one category or segment.

    by: ALL, BY_CATEGORY or BY_SEGMENT; value: which one. counts: by verdict, each of VERDICTS. pooled: by metric, where at least
    3 have an interval; single: of the other metrics, how many have one. verdict: of the kind; cannot_tell where fewer than 3
    were measured, nothing could be pooled, or the metrics contradict each other.
    """

    kind: str
    by: str
    value: str
    counts: Mapping[str, int]
    pooled: tuple[Pooled, ...]
    single: Mapping[str, int]
    verdict: str
    sentence: str

    @property
    def measured(self) -> int:
        """How many actions there are, whatever was found."""
        return sum(self.counts.values())


def summarise_verdicts(
    measurements: Iterable[Measurement], name_of: Callable[[str, str], str] = lambda by, value: value
) -> list[KindSummary]:
    """
    What each kind of action did: all of it, then category by category, then segment by segment; by kind.

    name_of: how a category or a segment is called, by what it is and its code.
    Source: docs/rules/effects.md
    """
    groups: dict[tuple[str, str, str], list[Measurement]] = {}
    for one in measurements:
        for by, value in ((ALL, ""), (BY_CATEGORY, one.category), (BY_SEGMENT, one.segment)):
            groups.setdefault((one.kind, by, value), []).append(one)
    return [_summarise(kind, by, value, groups[kind, by, value], name_of(by, value)) for kind, by, value in sorted(groups)]


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


def _summarise(kind: str, by: str, value: str, measured: Sequence[Measurement], name: str) -> KindSummary:
    found = Counter(str(one.effect.verdict) for one in measured)
    counts = {verdict: found[verdict] for verdict in VERDICTS}
    gains: dict[str, list[tuple[float, float]]] = {}
    for one in measured:
        if (gain := _gain(one.effect)) is not None:
            gains.setdefault(one.metric, []).append(gain)
    pooled = tuple(_pool(metric, sorted(gains[metric])) for metric in sorted(gains) if len(gains[metric]) >= FEWEST_SUMMED)
    single = {metric: len(gains[metric]) for metric in sorted(gains) if len(gains[metric]) < FEWEST_SUMMED}
    verdict = CANNOT_TELL if len(measured) < FEWEST_SUMMED else _judge_all([one.verdict for one in pooled])
    where = {ALL: "", BY_CATEGORY: f" in {name or 'no category'}", BY_SEGMENT: f" for {name or 'everyone'}"}[by]
    parts = [_say_verdict(kind, where, verdict), _say_counts(counts)]
    if len(measured) < FEWEST_SUMMED:
        parts.append(f"Fewer than {FEWEST_SUMMED}: too few to say anything of the kind.")
    else:
        parts += [_say_pooled(one) for one in pooled]
        if single:
            told = ", ".join(f"{say_metric(metric)} ({number})" for metric, number in single.items())
            parts.append(f"Not put together, because fewer than {FEWEST_SUMMED} have an interval for: {told}.")
        if len({one.verdict for one in pooled} & {WORKED, HARMED}) > 1:
            parts.append("The metrics contradict each other.")
    return KindSummary(kind, by, value, counts, pooled, single, verdict, " ".join(parts))


def _pool(metric: str, gains: Sequence[tuple[float, float]]) -> Pooled:
    estimate, low, high = (round(expm1(end), DECIMALS) for end in pool_gains(gains))
    return Pooled(metric, len(gains), _judge(low, high, metric in LOSSES), estimate, low, high)


def _gain(effect: Effect) -> tuple[float, float] | None:
    """The logarithm of the relative change and its standard error; None without an interval of two ends."""
    ends = effect.estimate, effect.low, effect.high
    if any(end is None or end <= -1 for end in ends):
        return None
    estimate, low, high = (log1p(end) for end in ends if end is not None)
    error = (high - low) / (2 * NORMAL)
    return (estimate, error) if error > 0 else None


def _judge(low: float, high: float, is_loss: bool) -> str:
    if low > 0:
        return HARMED if is_loss else WORKED
    if high < 0:
        return WORKED if is_loss else HARMED
    return NO_EVIDENCE if (high - low) / 2 <= USUAL_MINIMUM else CANNOT_TELL


def _judge_all(verdicts: Sequence[str]) -> str:
    """One verdict from those of the metrics."""
    sure = {WORKED, HARMED}.intersection(verdicts)
    if len(sure) == 1:
        return sure.pop()
    return NO_EVIDENCE if verdicts and set(verdicts) == {NO_EVIDENCE} else CANNOT_TELL


def _say_verdict(kind: str, where: str, verdict: str) -> str:
    label, said = ActionKind(kind).label, SAID[verdict]
    return f"{label}{where}: {said}." if verdict in (NO_EVIDENCE, CANNOT_TELL) else f"{label} {said}{where}."


def _say_counts(counts: Mapping[str, int]) -> str:
    parts = [f"{number} {Verdict(verdict).label.lower()}" for verdict, number in counts.items() if number]
    return f"{sum(counts.values())} measured: {', '.join(parts)}."


def _say_pooled(one: Pooled) -> str:
    return (
        f"{say_metric(one.metric)}: {say_change(one.estimate)} together (95 % interval {say_change(one.low)} to "
        f"{say_change(one.high)}, {one.actions} actions)."
    )
