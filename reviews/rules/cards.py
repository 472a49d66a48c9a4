"""A month's scorecards from its figures and the frozen configuration: a function, and nothing but a function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from statistics import median
from typing import Any

from reviews.rules.digest import Verdict, review_content, review_digest
from reviews.rules.flags import Crossing, Month, RuleSpec, evaluate
from reviews.rules.gaps import DATA_GAP, DataGapFacts, blocks, list_gaps_of
from reviews.rules.measures import DECIMALS, RATES, Figures
from reviews.rules.standing import FEWEST_PEERS, Candidate, PolicySpec, Scored, sample_of, score_partners

PEER_VOLUME = 30  # observations that a rate must rest on to count among the peers
VOLUMES = ("impressions", "views", "unlocks", "activations", "redemptions")
TREND = (*VOLUMES, "failures", "reversals", *RATES, "spend", "net_spend")


@dataclass(frozen=True)
class PartnerInput:
    """What is known of one partner. months: figures by month, newest first, the reviewed one always there; settled: older."""

    partner: str
    category: str
    months: Sequence[Figures | None]
    settled: Figures | None = None


@dataclass(frozen=True)
class ReviewInput:
    """
    Everything that the scorecards of one month depend on.

    months: YYYY-MM of what PartnerInput.months holds, newest first. seasons: category to month to expected index.
    cooling: (rule code, partner) pairs that were flagged within the rule's cooldown. late: partner to late events by
    month of origin. is_over: whether the month had ended when it was consolidated. gaps: the data gaps that lie in it.
    """

    program: str
    months: Sequence[str]
    recorded_stages: Sequence[str]
    metric_version: str
    policy: PolicySpec
    rules: Sequence[RuleSpec]
    partners: Sequence[PartnerInput]
    seasons: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cooling: frozenset[tuple[str, str]] = frozenset()
    late: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    is_over: bool = True
    gaps: Sequence[DataGapFacts] = ()


@dataclass(frozen=True)
class Card:
    """One partner's scorecard, and the flags that stand on it."""

    partner: str
    standing: str
    score: Decimal | None
    rank: int | None
    metrics: Figures
    previous: Figures | None
    settled: Figures | None
    expected: dict[str, float]
    peers: dict[str, Any]
    trend: list[dict[str, Any]]
    evidence: dict[str, Any]
    flags: list[Crossing]
    diagnosis: dict[str, Any] | None = None


def make_cards(given: ReviewInput) -> list[Card]:
    """
    The scorecard of every partner, in order of external id.

    Source: docs/rules/standing.md, docs/rules/flags.md
    """
    scored = score_partners([Candidate(entry.partner, entry.category, _newest(entry)) for entry in given.partners], given.policy)
    peers = find_peers(given.partners)
    by_partner = {result.partner: result for result in scored}
    ordered = sorted(given.partners, key=lambda entry: entry.partner)
    return [_make_card(given, entry, by_partner[entry.partner], peers.get(entry.category, {})) for entry in ordered]


def digest_cards(given: ReviewInput, cards: Sequence[Card]) -> str:
    """
    The digest of a review.

    Source: docs/rules/digest.md
    """
    verdicts = [
        Verdict(
            card.partner,
            card.metrics,
            card.standing,
            [(flag.rule, flag.observed) for flag in card.flags],
            (card.diagnosis or {}).get("cause"),
        )
        for card in cards
    ]
    content = review_content(
        program=given.program,
        month=given.months[0],
        recorded_stages=given.recorded_stages,
        rule_digests=[rule.digest for rule in given.rules],
        metric_version=given.metric_version,
        verdicts=verdicts,
    )
    return review_digest(content)


def find_peers(partners: Sequence[PartnerInput]) -> dict[str, dict[str, Any]]:
    """
    Category to metric to the median over its partners with enough volume, where there are at least 5.

    Source: docs/rules/standing.md
    """
    rates: dict[str, dict[str, list[float]]] = {}
    for entry in partners:
        for metric in RATES:
            if sample_of(metric, _newest(entry))[1] >= PEER_VOLUME:
                rates.setdefault(entry.category, {}).setdefault(metric, []).append(_newest(entry)[metric])
    return {
        category: {
            metric: {"median": round(median(values), DECIMALS), "partners": len(values)}
            for metric, values in sorted(by_metric.items())
            if len(values) >= FEWEST_PEERS
        }
        for category, by_metric in rates.items()
    }


def season_ratio(seasons: Mapping[str, Mapping[str, float]], category: str, month: str, before: str) -> float | None:
    """How much volume the season lets expect against the month before; None where the index does not say."""
    index = seasons.get(category, {})
    if month not in index or before not in index:
        return None
    return round(index[month] / index[before], DECIMALS)


def _newest(entry: PartnerInput) -> Figures:
    figures = entry.months[0]
    if figures is None:
        raise ValueError(f"partner {entry.partner} has no figures for the reviewed month")
    return figures


def _make_card(given: ReviewInput, entry: PartnerInput, scored: Scored, peers: dict[str, Any]) -> Card:
    ratios = [
        season_ratio(given.seasons, entry.category, month, before)
        for month, before in zip(given.months, given.months[1:], strict=False)
    ]
    months = [
        Month(figures, 1.0 if index >= len(ratios) or ratios[index] is None else float(ratios[index] or 1.0))
        for index, figures in enumerate(entry.months)
    ]
    gaps = list_gaps_of(given.gaps, entry.partner)
    crossings = [
        _without_gaps(crossing, rule, gaps)
        for rule in sorted(given.rules, key=lambda rule: rule.code)
        if (crossing := evaluate(rule, months, (rule.code, entry.partner) in given.cooling, given.is_over)) is not None
    ]
    previous = entry.months[1] if len(entry.months) > 1 else None
    evidence = {
        "score": scored.parts,
        "crossed": [_as_json(crossing) for crossing in crossings if not crossing.is_flag],
        "gaps": [gap.as_evidence() for gap in gaps],
        "late": [{"month": month, "events": count} for month, count in sorted(given.late.get(entry.partner, {}).items())],
    }
    return Card(
        partner=entry.partner,
        standing=str(scored.standing),
        score=scored.score,
        rank=scored.rank,
        metrics=_newest(entry),
        previous=previous,
        settled=entry.settled,
        expected=_expect(previous, ratios[0] if ratios else None),
        peers=peers,
        trend=_trend(given.months, entry.months),
        evidence=evidence,
        flags=[crossing for crossing in crossings if crossing.is_flag],
    )


def _expect(previous: Figures | None, ratio: float | None) -> dict[str, float]:
    """The previous month's volumes times the season's ratio; empty where there is no index or no previous month."""
    if previous is None or ratio is None:
        return {}
    return {"season_ratio": ratio, **{name: round(previous[name] * ratio, 1) for name in VOLUMES}}


def _trend(months: Sequence[str], figures: Sequence[Figures | None]) -> list[dict[str, Any]]:
    """The months up to the reviewed one, oldest first; a month without any event has no figures."""
    rows = [
        {"month": month, **({name: row[name] for name in TREND} if row else {})}
        for month, row in zip(months, figures, strict=True)
    ]
    return rows[::-1]


def _without_gaps(crossing: Crossing, rule: RuleSpec, gaps: Sequence[DataGapFacts]) -> Crossing:
    """A crossing that missing events can explain is no flag, however certain."""
    if not crossing.is_flag or not blocks(gaps, rule.metric, rule.direction):
        return crossing
    return replace(crossing, is_flag=False, evidence={**crossing.evidence, "why_no_flag": DATA_GAP})


def _as_json(crossing: Crossing) -> dict[str, Any]:
    return {
        "rule": crossing.rule,
        "metric": crossing.metric,
        "observed": crossing.observed,
        "threshold": crossing.threshold,
        **crossing.evidence,
    }
