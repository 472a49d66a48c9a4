"""What a rule expects of a partner: its own past, what its peers show, or a fixed value. docs/rules/flags.md."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from statistics import median
from typing import TypeVar

from reviews.choices import Direction, Reference, TimeUnit
from reviews.rules.evidence import (
    EXACT,
    UNKNOWN_PACE,
    UNKNOWN_STEADINESS,
    Expected,
    known_as_well_as,
    rate_chance,
    rate_evidence,
    rate_steadiness,
    volume_chance,
    volume_evidence,
    volume_steadiness,
)
from reviews.rules.flags import RuleSpec
from reviews.rules.measures import DECIMALS, RATES
from reviews.rules.standing import FEWEST_PEERS, FEWEST_SEEN, Prior, fit_prior
from reviews.rules.subjects import Sample, Subject, newest, sample

Name = TypeVar("Name", bound=Hashable)

FEWEST_MOVED = 10  # events that were to be expected of a partner whose movement tells of the market
FEWEST_MOVERS = 3  # partners that must have moved alike before it is the market
PEER_VOLUME = 30  # observations that a rate must rest on to count among the peers
FALLEN = log(20)  # a past month that so clearly fell itself is no measure for the next
WEAKEST_OWN_SHARE = 100  # observations of the peers that a partner with few of its own leans on at most
OLDER_NEEDS = 4  # past months from which on the older half stands for itself, so that slow falls are seen
HALF = 0.5  # with fewer than half the offer days that it had, a partner is expected to have less


def strongest(movements: Sequence[float], direction: str) -> float:
    """Of the movements of the groups that something is part of, the one furthest to the bad side; 1 where there is none."""
    found = movements or [1.0]
    return min(found) if direction == Direction.BELOW else max(found)


@dataclass(frozen=True)
class Surroundings:
    """
    What is usual among all subjects of one kind.

    priors: by category, "" of everybody. steadiness: in observations. movements: how the subjects of a group moved together
    in a past month against the months before it, by (group, how many months ago).
    """

    priors: Mapping[str, Prior | None]
    steadiness: float
    movements: Mapping[tuple[str, int], float] = field(default_factory=dict)

    def movement_of(self, subject: Subject, back: int, direction: str) -> float:
        """How the market moved in a past month that the subject was part of: the strongest of its groups' movements."""
        everybody = self.movements.get(("", back), 1.0)
        return strongest([self.movements.get((group, back), everybody) for group in subject.groups], direction)

    def prior_of(self, subject: Subject) -> Prior | None:
        """What is known of a rate before the subject's own figures are seen."""
        return self.priors.get(subject.category, self.priors.get(""))


@dataclass(frozen=True)
class Past:
    """
    What is expected from the past. levels: from all of it, and from its older half where it is long enough.

    threshold: share of the level that is held against it. level: the one that is compared with. months: how many were used.
    """

    levels: tuple[Expected, ...]
    level: float
    months: int


def expect(rule: RuleSpec, subject: Subject, surroundings: Surroundings) -> Past | None:
    """
    What the months before the newest let expect of all of it; None where they say too little.

    Source: docs/rules/flags.md
    """
    months = keep_months(rule, subject, surroundings)
    whole = _level(rule, subject, surroundings, months, subject.exposures[0])
    if whole is None:
        return None
    levels = [whole]
    if len(months) >= OLDER_NEEDS:
        older = months[len(months) // 2 :]
        expected = _level(rule, subject, surroundings, older, subject.exposures[0])
        levels += [expected] if expected is not None else []
    sides = [expected.level for expected in levels]
    return Past(tuple(levels), max(sides) if rule.direction == Direction.BELOW else min(sides), len(months))


def keep_months(rule: RuleSpec, subject: Subject, surroundings: Surroundings) -> list[Sample]:
    """The months that a rule compares with, newest first, without those that had crossed it themselves."""
    kept: list[Sample] = []
    for back in _past_months(rule, subject):
        month = sample(rule.metric, subject.months[back], subject.exposures[back])
        if month is not None:
            expected = _expected_then(rule, subject, kept, month, surroundings)
            movement = surroundings.movement_of(subject, back, rule.direction)
            if expected is None or not _has_fallen(rule, month, expected.times(movement)):
                kept.insert(0, month)
    return kept


def survey(rule: RuleSpec, subjects: Sequence[Subject]) -> Surroundings:
    """
    What is usual among all subjects of one kind: the prior of each category, how steady months are, and how groups moved.

    Done twice, the second time without the months that had crossed the rule: a few that fell far must not say what is usual.
    Source: docs/rules/flags.md
    """
    surroundings = Surroundings({}, UNKNOWN_STEADINESS if rule.metric in RATES else UNKNOWN_PACE)
    for _ in range(2):
        kept = {subject.name: keep_months(rule, subject, surroundings) for subject in subjects}
        priors, steadiness = _priors(rule, subjects, kept), _steadiness(rule, kept.values())
        surroundings = Surroundings(priors, steadiness, _past_movements(rule, subjects, Surroundings(priors, steadiness)))
    return surroundings


def _past_movements(rule: RuleSpec, subjects: Sequence[Subject], surroundings: Surroundings) -> dict[tuple[str, int], float]:
    """How groups moved in each past month, against all that each subject had before it."""
    ratios: dict[tuple[str, int], list[float]] = {}
    for subject in subjects:
        before: list[Sample] = []
        for back in _past_months(rule, subject):
            month = sample(rule.metric, subject.months[back], subject.exposures[back])
            if month is None:
                continue
            expected = _expected_then(rule, subject, before, month, surroundings)
            if expected is not None and _tells_of_movement(rule, month, expected.level):
                for group in {*subject.groups, ""}:
                    ratios.setdefault((group, back), []).append(_seen(rule, month) / expected.level)
            before.insert(0, month)
    return _middles(rule, ratios)


def _past_months(rule: RuleSpec, subject: Subject) -> range:
    """
    How many months ago the past months of a rule are, oldest first.

    They lie before the months that must all cross it: what is judged is not its own measure.
    """
    judged = rule.persistence if rule.window_days is None and rule.persistence_unit == TimeUnit.CYCLES else 1
    length = 1 if rule.reference == Reference.PREVIOUS else rule.lookback_months
    return range(min(judged + length, len(subject.months)) - 1, judged - 1, -1)


def _expected_then(
    rule: RuleSpec, subject: Subject, before: Sequence[Sample], month: Sample, surroundings: Surroundings
) -> Expected | None:
    """What the months before a past month let expect of it."""
    if not before:
        return None
    return _level(rule, subject, surroundings, before, month.exposure, needs_minimum=False)


def _has_fallen(rule: RuleSpec, month: Sample, expected: Expected) -> bool:
    if expected.level <= 0:
        return False
    limit, seen = float(rule.threshold) * expected.level, _seen(rule, month)
    return (seen < limit if rule.direction == Direction.BELOW else seen > limit) and weigh(rule, month, expected) >= FALLEN


def _seen(rule: RuleSpec, month: Sample) -> float:
    return month.numerator / month.denominator if rule.metric in RATES else float(month.numerator)


def _tells_of_movement(rule: RuleSpec, month: Sample, level: float) -> bool:
    """Whether enough was to be expected that the ratio is more than chance."""
    expected = month.denominator * level if rule.metric in RATES else level
    return level > 0 and expected >= (FEWEST_SEEN if rule.metric in RATES else FEWEST_MOVED)


def _middles(rule: RuleSpec, ratios: Mapping[Name, Sequence[float]]) -> dict[Name, float]:
    """The median of each group that is large enough; only movements to the bad side count."""
    found = {group: median(values) for group, values in ratios.items() if len(values) >= FEWEST_MOVERS}
    is_below = rule.direction == Direction.BELOW
    return {group: round(min(1.0, middle) if is_below else max(1.0, middle), DECIMALS) for group, middle in found.items()}


def _priors(
    rule: RuleSpec, subjects: Sequence[Subject], kept: Mapping[tuple[str, str, str], Sequence[Sample]]
) -> dict[str, Prior | None]:
    if rule.metric not in RATES:
        return {}
    groups: dict[str, list[tuple[int, int]]] = {}
    for subject in subjects:
        months = kept[subject.name]
        pair = (sum(one.numerator for one in months), sum(one.denominator for one in months))
        if pair[1]:
            groups.setdefault(subject.category, []).append(pair)
            groups.setdefault("", []).append(pair)
    return {name: fit_prior(pairs) for name, pairs in groups.items() if name == "" or len(pairs) >= FEWEST_PEERS}


def _steadiness(rule: RuleSpec, kept: Iterable[Sequence[Sample]]) -> float:
    if rule.metric in RATES:
        return rate_steadiness([(one.numerator, one.denominator) for one in months] for months in kept)
    return volume_steadiness([(one.numerator, one.exposure) for one in months] for months in kept)


def find_movements(rule: RuleSpec, subjects: Sequence[Subject], pasts: Mapping[tuple[str, str, str], Past]) -> dict[str, float]:
    """
    How those of one group moved together: the median of what was seen over what was expected, over at least 3 of them of
    whom 5 events were to be expected.

    Only movements to the bad side count: 1 is the best. "" is everybody, for groups that are too small.
    Source: docs/rules/flags.md
    """
    ratios: dict[str, list[float]] = {}
    for subject in subjects:
        past = pasts.get(subject.name)
        now = newest(rule.metric, subject)
        level = past.level * (1.0 if rule.metric in RATES else subject.elapsed) if past is not None else 0.0
        if now is not None and _tells_of_movement(rule, now, level):
            for group in {*subject.groups, ""}:
                ratios.setdefault(group, []).append(_seen(rule, now) / level)
    return _middles(rule, ratios)


def find_medians(metric: str, subjects: Sequence[Subject]) -> dict[str, float]:
    """The median of a rate over the partners of each category with enough of it, where there are at least 5."""
    values: dict[str, list[float]] = {}
    for subject in subjects:
        now = sample(metric, subject.months[0], 1.0)
        if now is not None and now.denominator >= PEER_VOLUME:
            values.setdefault(subject.category, []).append(now.numerator / now.denominator)
    return {name: round(median(found), DECIMALS) for name, found in values.items() if len(found) >= FEWEST_PEERS}


def fixed(level: float) -> Past:
    """A value that is known, as something to compare with; nothing at all is so seldom that once is too often."""
    return Past((Expected(max(level, 0.5 / EXACT), EXACT),), level, 0)


def share_of_offer_days(subject: Subject) -> float:
    """What fewer live offers leave of a volume: 1, unless there are less than half the offer days of the months before."""
    past = [days for days in subject.offer_days[1:] if days]
    if not subject.offer_days or not past:
        return 1.0
    share = subject.offer_days[0] / (sum(past) / len(past))
    return 1.0 if share >= HALF else round(share, DECIMALS)


def doubt(rule: RuleSpec, seen: Sample, expected: Expected) -> float:
    """Minus the logarithm of the chance to see as much, or more, without a change."""
    if rule.metric in RATES:
        return rate_chance(seen.numerator, seen.denominator, expected, rule.direction)
    return volume_chance(seen.numerator, expected, rule.direction) if expected.level > 0 else 0.0


def weigh(rule: RuleSpec, seen: Sample, expected: Expected) -> float:
    """The logarithm of the e-value of what was seen against what was expected."""
    if rule.metric in RATES:
        return rate_evidence(seen.numerator, seen.denominator, expected, rule.direction)
    return volume_evidence(seen.numerator, expected, rule.direction) if expected.level > 0 else 0.0


def _level(
    rule: RuleSpec,
    subject: Subject,
    surroundings: Surroundings,
    months: Sequence[Sample],
    exposure: float,
    *,
    needs_minimum: bool = True,
) -> Expected | None:
    total = sum(month.numerator for month in months)
    if rule.metric in RATES:
        size = sum(month.denominator for month in months)
        if size < (rule.minimum_denominator if needs_minimum else 1):
            return None
        prior = surroundings.prior_of(subject)
        weight = min(prior.strength, max(size, WEAKEST_OWN_SHARE)) if prior else 0.0
        mean = prior.mean if prior else 0.0
        level = round((min(total, size) + weight * mean) / (size + weight), DECIMALS)
        return Expected(level, round(known_as_well_as(size + weight, surroundings.steadiness), DECIMALS))
    length = sum(month.exposure for month in months)
    if length <= 0 or not total or (needs_minimum and total / len(months) < rule.minimum_denominator):
        return None
    worths = [total, surroundings.steadiness, *([] if subject.season_worth is None else [subject.season_worth])]
    return Expected(round(total / length * exposure, DECIMALS), round(known_as_well_as(*worths), DECIMALS))
