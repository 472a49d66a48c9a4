"""From figures to a standing: shrunken rates, points, a weighted score, bands. docs/rules/standing.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from math import fsum
from statistics import median
from typing import Any

from plum_site.lib.errors import InvalidInput
from reviews.choices import Standing
from reviews.rules.measures import DECIMALS, RATES, Figures

SCORED = (Standing.EXCELLENT, Standing.ON_TRACK, Standing.WATCH, Standing.UNDERPERFORMING)

TYPICAL_POINTS = 70.0  # what a partner in the middle of its peers gets
POINTS_PER_LOSS = 250.0  # what a loss of 100 % more than its peers' would cost: 2.5 points for each percentage point
FEWEST_PEERS = 5  # below so many partners with volume, a category has no average of its own
FEWEST_SEEN = 5  # events behind a rate, seen or to be expected, below which it is chance
LONGEST_RECENCY = 12  # months before the reviewed one that a standing may rest on too
STRONGEST_PRIOR = 1e6  # what the prior counts, in observations, where partners do not differ beyond chance


@dataclass(frozen=True)
class PolicySpec:
    """
    How figures become a standing.

    weights: metric to points, adding up to 100. bands: (standing, lowest score), best first, the last one from 0.
    minimum_events: with fewer views, unlocks, activations and redemptions together a partner has insufficient data.
    recency_months: how many months before the reviewed one count too, each less than the one after it.
    """

    weights: Mapping[str, int]
    bands: Sequence[tuple[str, int]]
    minimum_events: int
    recency_months: int = 0

    def as_json(self) -> dict[str, Any]:
        """The form that is frozen in a cycle; `from_json` reads it."""
        bands = [[str(standing), lowest] for standing, lowest in self.bands]
        return {
            "weights": dict(self.weights),
            "bands": bands,
            "minimum_events": self.minimum_events,
            "recency_months": self.recency_months,
        }

    @classmethod
    def from_json(cls, frozen: Mapping[str, Any]) -> "PolicySpec":
        """The policy that `as_json` wrote; older ones do not say how many months count."""
        bands = [(standing, lowest) for standing, lowest in frozen["bands"]]
        return cls(frozen["weights"], bands, frozen["minimum_events"], frozen.get("recency_months", 0))


@dataclass(frozen=True)
class Candidate:
    """A partner to be scored. past: its figures in the months before, newest first; None for a month without any event."""

    partner: str
    category: str
    figures: Figures
    past: Sequence[Figures | None] = ()


@dataclass(frozen=True)
class Prior:
    """What is known of a rate before a partner's own figures: its mean, and how many observations that is worth."""

    mean: float
    strength: float


@dataclass(frozen=True)
class Scored:
    """A partner's standing. score and rank are None where there is too little data; parts: how the score came about."""

    partner: str
    standing: str
    score: Decimal | None = None
    rank: int | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)


def check_policy(policy: PolicySpec) -> None:
    """
    Refuse a policy whose weights do not add up to 100 or whose bands leave a gap between 0 and 100.

    Raises: InvalidInput, code "invalid_policy", with a sentence for each field at fault.
    """
    faults: dict[str, str] = {}
    unknown = sorted(set(policy.weights) - set(RATES))
    whole = all(isinstance(points, int) and not isinstance(points, bool) and points > 0 for points in policy.weights.values())
    if unknown:
        faults["weights"] = f"{unknown[0]} is not a rate that a standing can rest on. Choose from {', '.join(RATES)}."
    elif not whole:
        faults["weights"] = "Every weight is a whole number above 0; leave out what does not count."
    elif sum(policy.weights.values()) != 100:
        faults["weights"] = f"The weights add up to {sum(policy.weights.values())}; they must add up to 100."
    names = [standing for standing, _ in policy.bands]
    lowest = [bound for _, bound in policy.bands]
    if not policy.bands or set(names) - set(SCORED) or names != [standing for standing in SCORED if standing in names]:
        faults["bands"] = f"Bands go from best to worst, each once, out of {', '.join(SCORED)}."
    elif lowest[-1] != 0:
        faults["bands"] = f"The last band begins at {lowest[-1]}; it must begin at 0, so that every score has a standing."
    elif any(below >= above for above, below in pairwise(lowest)) or lowest[0] > 100:
        faults["bands"] = "Each band begins below the one before it, the first at 100 or lower."
    if policy.minimum_events < 1:
        faults["minimum_events"] = "Write at least 1: a partner without events has no data."
    if not 0 <= policy.recency_months <= LONGEST_RECENCY:
        faults["recency_months"] = (
            f"Write 0 for the month alone, or how many months before it count too: {LONGEST_RECENCY} at most."
        )
    if faults:
        raise InvalidInput("invalid_policy", "The policy was not saved: correct what is named.", faults)


def count_judged_events(figures: Figures) -> int:
    """The confirmed events that a standing rests on."""
    return sum(int(figures[name]) for name in ("views", "unlocks", "activations", "redemptions"))


def fit_prior(samples: Sequence[tuple[float, float]]) -> Prior | None:
    """
    The beta prior of a rate by the method of moments, from (numerator, denominator) of partners in a fixed order.

    None without any observation. A numerator above its denominator counts as equal to it.
    Source: docs/rules/standing.md
    """
    used = [(min(numerator, denominator), denominator) for numerator, denominator in samples if denominator > 0]
    total = sum(denominator for _, denominator in used)
    if not total:
        return None
    mean = sum(numerator for numerator, _ in used) / total
    chance = mean * (1 - mean)
    if len(used) < 2 or chance == 0:
        return Prior(round(mean, DECIMALS), STRONGEST_PRIOR)
    spread = fsum(size * (numerator / size - mean) ** 2 for numerator, size in used)
    degrees = len(used) - 1
    room = fsum(size * (1 - size / total) for _, size in used) - degrees
    overlap = (spread - chance * degrees) / (chance * room) if room > 0 else 0.0
    if overlap <= 1 / (STRONGEST_PRIOR + 1):
        return Prior(round(mean, DECIMALS), STRONGEST_PRIOR)
    return Prior(round(mean, DECIMALS), round(max(1 / min(overlap, 1.0) - 1, 1.0), DECIMALS))


def shrink(numerator: float, denominator: float, prior: Prior) -> float:
    """
    A rate pulled towards the prior's mean, the more so the fewer observations it has.

    Source: docs/rules/standing.md
    """
    kept = min(numerator, denominator)
    return round((kept + prior.strength * prior.mean) / (denominator + prior.strength), DECIMALS)


def points_of(rate: float, typical: float, is_loss: bool) -> float | None:
    """
    0 to 100 points for a shrunken rate: 70 for the typical one of its peers.

    A gain is judged in proportion (half the typical rate: 35 points); a loss by its distance (10 percentage points more
    reversals than typical: 25 points less). None where the typical gain is 0: there is nothing to compare with.
    Source: docs/rules/standing.md
    """
    if is_loss:
        points = TYPICAL_POINTS - POINTS_PER_LOSS * (rate - typical)
    elif typical == 0:
        return None
    else:
        points = TYPICAL_POINTS * rate / typical
    return round(min(100.0, max(0.0, points)), DECIMALS)


def fit_metric(metric: str, candidates: Sequence[Candidate], recency_months: int = 0) -> dict[str, tuple[float, float]]:
    """
    Partner to (shrunken rate, typical rate of its peers), for those whose rate rests on enough events.

    Peers are the partners of the category with volume, or of the whole program where the category has fewer than 5;
    typical is the median of their shrunken rates. Enough: 5 events were seen, or expected at that rate. Empty where
    the rate is 0 for everybody: nobody differs.
    Source: docs/rules/standing.md
    """
    samples = {candidate.partner: sample_over(metric, candidate, recency_months) for candidate in candidates}
    measured = [candidate for candidate in candidates if samples[candidate.partner][1]]
    if not any(samples[candidate.partner][0] for candidate in measured):
        return {}
    groups: dict[str, list[Candidate]] = {}
    for candidate in measured:
        groups.setdefault(candidate.category, []).append(candidate)
    fitted: dict[str, tuple[float, float]] = {}
    for members in groups.values():
        peers = members if len(members) >= FEWEST_PEERS else measured
        prior = fit_prior([samples[peer.partner] for peer in peers])
        if prior is not None:
            typical = round(median(shrink(*samples[peer.partner], prior) for peer in peers), DECIMALS)
            told = [member.partner for member in members if _is_telling(*samples[member.partner], typical)]
            fitted |= {partner: (shrink(*samples[partner], prior), typical) for partner in told}
    return fitted


def _is_telling(numerator: float, denominator: float, typical: float) -> bool:
    """Whether a rate says anything: 5 events were seen, or would have been at the typical rate. 0 of 200 at 1 % are chance."""
    return max(numerator, round(denominator * typical, DECIMALS)) >= FEWEST_SEEN


def sample_of(metric: str, figures: Figures) -> tuple[int, int]:
    """Numerator and denominator of a rate; (0, 0) where it is empty."""
    if figures.get(metric) is None:
        return 0, 0
    return int(figures[RATES[metric].numerator]), int(figures[RATES[metric].denominator])


def sample_over(metric: str, candidate: Candidate, recency_months: int) -> tuple[float, float]:
    """
    Numerator and denominator of a rate over the month and those before it that count, each as much as `recency_shares` says.

    Source: docs/rules/standing.md
    """
    now = sample_of(metric, candidate.figures)
    if not recency_months:
        return now
    months = [now, *((0, 0) if figures is None else sample_of(metric, figures) for figures in candidate.past)]
    weighed = list(zip(months, range(recency_months + 1, 0, -1), strict=False))
    numerator, denominator = (sum(weight * sample[place] for sample, weight in weighed) for place in (0, 1))
    whole = recency_months + 1
    return round(numerator / whole, DECIMALS), round(denominator / whole, DECIMALS)


def recency_shares(recency_months: int) -> list[float]:
    """How much the month and those before it count, newest first: 1, then evenly less, and nothing after the last one."""
    whole = recency_months + 1
    return [round(weight / whole, DECIMALS) for weight in range(whole, 0, -1)]


def score_partners(candidates: Sequence[Candidate], policy: PolicySpec) -> list[Scored]:
    """
    The standing, score and rank of every partner of a month, in order of external id.

    Source: docs/rules/standing.md
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.partner)
    judged = [candidate for candidate in ordered if count_judged_events(candidate.figures) >= policy.minimum_events]
    fitted = {metric: fit_metric(metric, judged, policy.recency_months) for metric in sorted(policy.weights)}
    results = {candidate.partner: _score(candidate.partner, policy, fitted) for candidate in judged}
    for candidate in ordered:
        if candidate.partner not in results:
            results[candidate.partner] = Scored(candidate.partner, _standing_without_score(candidate.figures))
    ranked = sorted(
        (result for result in results.values() if result.score is not None),
        key=lambda result: (-(result.score or Decimal(0)), result.partner),
    )
    ranks = {result.partner: place for place, result in enumerate(ranked, start=1)}
    return [
        Scored(result.partner, result.standing, result.score, ranks.get(result.partner), result.parts)
        for result in (results[candidate.partner] for candidate in ordered)
    ]


def find_band(score: Decimal, bands: Sequence[tuple[str, int]]) -> str:
    """The standing of a score: the first band that it reaches, so that 100 is in the top one."""
    return next(str(standing) for standing, lowest in bands if score >= lowest)


def _standing_without_score(figures: Figures) -> str:
    """No events of any kind and status at all, or too few to judge."""
    return Standing.NO_ACTIVITY if has_no_activity(figures) else Standing.INSUFFICIENT_DATA


def has_no_activity(figures: Figures) -> bool:
    """Whether there is not one event, of any kind and status."""
    return not any(
        int(figures[name] or 0) for name in ("impressions", "views", "attempts", "failures", "reversals", "members_any")
    )


def _score(partner: str, policy: PolicySpec, fitted: Mapping[str, Mapping[str, tuple[float, float]]]) -> Scored:
    parts: list[dict[str, Any]] = []
    for metric, rates in fitted.items():
        rate, typical = rates.get(partner, (0.0, 0.0))
        points = points_of(rate, typical, RATES[metric].is_loss) if partner in rates else None
        if points is not None:
            weight = policy.weights[metric]
            parts.append({"metric": metric, "weight": weight, "shrunken": rate, "typical": typical, "points": points})
    total = sum(part["weight"] for part in parts)
    if not total:
        return Scored(partner, Standing.INSUFFICIENT_DATA)
    exact = fsum(part["weight"] * part["points"] for part in parts) / total
    score = Decimal(repr(round(exact, DECIMALS))).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return Scored(partner, find_band(score, policy.bands), score, None, parts)
