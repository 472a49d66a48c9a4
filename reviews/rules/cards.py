"""A month's scorecards from its figures and the frozen configuration: a function, and nothing but a function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

from activity.metrics import METRICS
from reviews.choices import RuleTarget, Standing
from reviews.rules.crossings import Pasts, find_crossings
from reviews.rules.diagnosis import diagnose
from reviews.rules.digest import Verdict, review_content, review_digest
from reviews.rules.flags import Crossing, RuleSpec
from reviews.rules.gaps import DataGapFacts, list_gaps_of
from reviews.rules.measures import DECIMALS, RATES, Figures
from reviews.rules.parts import compare_parts
from reviews.rules.positions import Shift
from reviews.rules.seasons import History, OwnSeason, days_of, find_own_seasons
from reviews.rules.standing import (
    FEWEST_PEERS,
    Candidate,
    PolicySpec,
    Scored,
    count_judged_events,
    recency_shares,
    sample_of,
    score_partners,
)
from reviews.rules.subjects import Subject

PEER_VOLUME = 30  # observations that a rate must rest on to count among the peers
VOLUMES = ("impressions", "views", "unlocks", "activations", "redemptions")
TREND = (*VOLUMES, "failures", "reversals", *RATES, "spend", "net_spend")


@dataclass(frozen=True)
class PartnerInput:
    """
    What is known of one partner. months: figures by month, newest first, the reviewed one always there; settled: older.

    days: numbers of events of the last days, newest first, as far as rules look at days. offer_days: days on which offers
    were live, by month. failed: failed unlocks, activations and redemptions of the reviewed month. last_year: judged events of
    the reviewed calendar month a year ago and of those before it, newest first; empty where nothing is known.
    """

    partner: str
    category: str
    months: Sequence[Figures | None]
    settled: Figures | None = None
    days: Sequence[Figures] = ()
    offer_days: Sequence[int] = ()
    failed: Mapping[str, int] = field(default_factory=dict)
    last_year: Sequence[int] = ()


@dataclass(frozen=True)
class PartInput:
    """Numbers of events of one offer, or of a partner in one segment, by month, newest first. key: as in Crossing."""

    partner: str
    target: str
    key: str
    months: Sequence[Figures | None]


@dataclass(frozen=True)
class ReviewInput:
    """
    Everything that the scorecards of one month depend on.

    months: YYYY-MM of what PartnerInput.months holds, newest first. parts: offers and segments, where a rule looks at them.
    seasons: category to month to expected index. cooling: (rule code, partner) pairs that were flagged within the rule's
    cooldown. late: partner to late events by month of origin. is_over: whether the month had ended when it was consolidated.
    elapsed: share of the reviewed month's volume that is to be expected by then. gaps: data gaps, each with its partners.
    positions: reads what changed positions let expect of each partner, from the same part of the ledger.
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
    parts: Sequence[PartInput] = ()
    elapsed: float = 1.0
    gaps: Sequence[DataGapFacts] = ()
    positions: Callable[[], Mapping[str, Shift]] = field(default=dict, compare=False)


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


def make_cards(given: ReviewInput, remembered: dict[str, Pasts] | None = None) -> list[Card]:
    """
    The scorecard of every partner, in order of external id.

    remembered: what the months before the reviewed one let expect, by rule; filled at first, and good for as long as they
    stay the same.

    Source: docs/rules/standing.md, docs/rules/flags.md
    """
    candidates = [Candidate(entry.partner, entry.category, _newest(entry), entry.months[1:]) for entry in given.partners]
    scored = score_partners(candidates, given.policy)
    peers = find_peers(given.partners)
    own = own_seasons(given)
    subjects = make_subjects(given, own)
    rules = [rule for rule in given.rules if METRICS[rule.metric].is_recorded(given.recorded_stages)]
    crossings = find_crossings(
        rules,
        subjects,
        cooling=given.cooling,
        gaps=given.gaps,
        is_over=given.is_over,
        remembered=remembered,
        positions=given.positions,
    )
    parts = compare_parts(rules, subjects, crossings)
    by_partner = {result.partner: result for result in scored}
    ordered = sorted(given.partners, key=lambda entry: entry.partner)
    return [
        _make_card(
            given,
            entry,
            _season_ratio(given, entry.category, own[entry.category]),
            by_partner[entry.partner],
            peers.get(entry.category, {}),
            crossings.get(entry.partner, []),
            diagnose(entry.partner, crossings.get(entry.partner, []), entry.failed, parts.get(entry.partner, [])),
        )
        for entry in ordered
    ]


def make_subjects(given: ReviewInput, own: Mapping[str, OwnSeason | None]) -> list[Subject]:
    """
    What rules look at: every partner, and the offers and segments that were read. own: the season of each category.

    Source: docs/rules/flags.md
    """
    lengths = {category: exposures(given, category, own[category]) for category in own}
    worths = {category: season.worth if season else None for category, season in own.items()}
    category_of = {entry.partner: entry.category for entry in given.partners}
    subjects = [
        Subject(
            partner=entry.partner,
            category=entry.category,
            months=entry.months,
            exposures=lengths[entry.category][: len(entry.months)],
            groups=(entry.category,),
            days=entry.days,
            days_of_month=days_of(given.months[0]),
            elapsed=given.elapsed,
            offer_days=entry.offer_days,
            season_worth=worths[entry.category],
        )
        for entry in sorted(given.partners, key=lambda entry: entry.partner)
    ]
    for part in sorted(given.parts, key=lambda part: (part.partner, part.target, part.key)):
        if part.partner in category_of:
            category = category_of[part.partner]
            subjects.append(
                Subject(
                    partner=part.partner,
                    category=category,
                    months=part.months,
                    exposures=lengths[category][: len(part.months)],
                    elapsed=given.elapsed,
                    target=part.target,
                    key=part.key,
                    season_worth=worths[category],
                    groups=(category, part.key) if part.target == RuleTarget.PARTNER_SEGMENT else (category,),
                )
            )
    return subjects


def own_seasons(given: ReviewInput) -> dict[str, OwnSeason | None]:
    """
    What each category's season is by the program's own last year; None where it has none, or an index is given.

    Source: docs/rules/season.md
    """
    histories = [
        History(
            entry.partner,
            entry.category,
            [None if figures is None else count_judged_events(figures) for figures in entry.months[1:]],
            entry.last_year,
        )
        for entry in given.partners
        if entry.last_year
    ]
    found = find_own_seasons(given.months, histories)
    categories = {entry.category for entry in given.partners}
    return {name: None if _has_index(given, name) else found.get(name, found.get("")) for name in categories}


def exposures(given: ReviewInput, category: str, own: OwnSeason | None = None) -> list[float]:
    """
    How much volume each month lets expect, against the others: its days, and the season.

    Where there is a seasonal index for the month and for an earlier one, or a season of the program's own, months without one
    say nothing: 0.
    """
    index = given.seasons.get(category, {})
    if _has_index(given, category):
        factors = [index.get(month, 0.0) for month in given.months]
    else:
        factors = [own.factors.get(month[5:], 0.0) if own else 1.0 for month in given.months]
    return [round(days_of(month) * factor, DECIMALS) for month, factor in zip(given.months, factors, strict=True)]


def _has_index(given: ReviewInput, category: str) -> bool:
    """Whether a given index speaks of the reviewed month and of an earlier one."""
    index = given.seasons.get(category, {})
    return given.months[0] in index and any(month in index for month in given.months[1:])


def content_of(given: ReviewInput, cards: Sequence[Card]) -> dict[str, Any]:
    """
    What the digest of a review is made of.

    Source: docs/rules/digest.md
    """
    verdicts = [
        Verdict(
            partner=card.partner,
            figures=card.metrics,
            standing=card.standing,
            flags=[(flag.rule, flag.observed) for flag in card.flags],
            cause=(card.diagnosis or {}).get("cause"),
        )
        for card in cards
    ]
    return review_content(
        program=given.program,
        month=given.months[0],
        recorded_stages=given.recorded_stages,
        rule_digests=[rule.digest for rule in given.rules],
        metric_version=given.metric_version,
        verdicts=verdicts,
    )


def digest_cards(given: ReviewInput, cards: Sequence[Card]) -> str:
    """
    The digest of a review.

    Source: docs/rules/digest.md
    """
    return review_digest(content_of(given, cards))


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


def _season_ratio(given: ReviewInput, category: str, own: OwnSeason | None) -> float | None:
    """The same by the index that is given, or else by the program's own last year."""
    if len(given.months) < 2:
        return None
    month, before = given.months[:2]
    ratio = season_ratio(given.seasons, category, month, before)
    if ratio is None and own is not None and before[5:] in own.factors:
        ratio = round(own.factors[month[5:]] / own.factors[before[5:]], DECIMALS)
    return ratio


def _newest(entry: PartnerInput) -> Figures:
    figures = entry.months[0]
    if figures is None:
        raise ValueError(f"partner {entry.partner} has no figures for the reviewed month")
    return figures


def _make_card(
    given: ReviewInput,
    entry: PartnerInput,
    season_ratio: float | None,
    scored: Scored,
    peers: dict[str, Any],
    crossings: Sequence[Crossing],
    diagnosis: dict[str, Any] | None,
) -> Card:
    gaps = list_gaps_of(given.gaps, entry.partner)
    previous = entry.months[1] if len(entry.months) > 1 else None
    evidence: dict[str, Any] = {
        "score": scored.parts,
        "crossed": [_as_json(crossing) for crossing in crossings if not crossing.is_flag],
        "gaps": [gap.as_evidence() for gap in gaps],
        "late": [{"month": month, "events": count} for month, count in sorted(given.late.get(entry.partner, {}).items())],
    }
    if given.policy.recency_months:
        shares = zip(given.months, recency_shares(given.policy.recency_months), strict=False)
        evidence["recency"] = [{"month": month, "share": share} for month, share in shares]
    return Card(
        partner=entry.partner,
        standing=str(Standing.INCOMPLETE if gaps else scored.standing),
        score=scored.score,
        rank=scored.rank,
        metrics=_newest(entry),
        previous=previous,
        settled=entry.settled,
        expected=_expect(previous, season_ratio),
        peers=peers,
        trend=_trend(given.months, entry.months),
        evidence=evidence,
        flags=[crossing for crossing in crossings if crossing.is_flag],
        diagnosis=diagnosis,
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


def _as_json(crossing: Crossing) -> dict[str, Any]:
    return {
        "rule": crossing.rule,
        "metric": crossing.metric,
        "observed": crossing.observed,
        "threshold": crossing.threshold,
        "target": crossing.target,
        "target_key": crossing.target_key,
        **crossing.evidence,
    }
