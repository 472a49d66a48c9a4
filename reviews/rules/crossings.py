"""Which rules are crossed by whom, and which crossings are certain. docs/rules/flags.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

from reviews.choices import Direction, Reference, RuleTarget, TimeUnit
from reviews.rules.evidence import (
    CLEAR,
    FALSE_DISCOVERIES,
    Expected,
    average,
    either,
    needed,
    select,
)
from reviews.rules.flags import Crossing, RuleSpec, difference_interval
from reviews.rules.gaps import DATA_GAP, DataGapFacts, blocks, list_gaps_of
from reviews.rules.measures import COUNTS, DECIMALS, RATES, Measured, count_interval, rate_interval
from reviews.rules.positions import BY_POSITION, Shift
from reviews.rules.references import (
    Past,
    doubt,
    expect,
    find_medians,
    find_movements,
    fixed,
    share_of_offer_days,
    strongest,
    survey,
    weigh,
)
from reviews.rules.subjects import Sample, Subject, samples_of

Pasts = dict[tuple[str, str, str], Past]  # what is expected of each subject, by name
MOST_SHOWN = 1e9  # e-values above are not told apart


@dataclass(frozen=True)
class Reading:
    """
    What a rule saw of a subject that there was enough of.

    log_e: logarithm of the e-value of what was seen against what was expected, and against that after the movement of the
    market: the smaller. doubt: minus the logarithm of the chance to see as much, likewise. market: whether only the market's
    movement takes the crossing away.
    """

    rule: RuleSpec
    subject: Subject
    observed: float
    threshold: float
    is_crossed: bool
    is_clear: bool
    log_e: float
    doubt: float
    market: bool
    told: dict[str, Any]


def find_crossings(
    rules: Sequence[RuleSpec],
    subjects: Sequence[Subject],
    *,
    cooling: frozenset[tuple[str, str]] = frozenset(),
    gaps: Sequence[DataGapFacts] = (),
    is_over: bool = True,
    remembered: dict[str, Pasts] | None = None,
    positions: Callable[[], Mapping[str, Shift]] = dict,
) -> dict[str, list[Crossing]]:
    """
    The crossings of every partner that has any, in order of rule, target and key; those that are flags say so.

    cooling: (rule code, partner) pairs that were flagged so recently that no second flag opens. gaps: data gaps, for want of
    whose events a crossing may be. remembered: what the months before let expect, by rule; filled at first, and good for as
    long as they stay the same. positions: reads what changed positions let expect of each partner; called only if somebody
    crossed for certain.
    Source: docs/rules/flags.md
    """
    readings = [
        reading for rule in sorted(rules, key=lambda rule: rule.code) for reading in read_rule(rule, subjects, remembered)
    ]
    certain: set[tuple[str, tuple[str, str, str]]] = set()
    limits: dict[str, dict[str, Any]] = {}
    for level in ("whole", "part"):
        share = FALSE_DISCOVERIES[level, is_over]
        family = [reading for reading in readings if (reading.subject.target == RuleTarget.PARTNER) == (level == "whole")]
        strength = {
            (one.rule.code, one.subject.name): one.doubt if is_over else one.log_e
            for one in family
            if one.is_crossed and one.is_clear
        }
        chosen = select(strength, len(family), share)
        certain |= chosen
        limits[level] = {
            "judged": len(family),
            "flagged": len(chosen),
            "expected_by_chance": round(share * len(chosen), 3),
            "needed": needed(len(family), max(1, len(chosen)), share),
            "is_over": is_over,
        }
    found: dict[str, list[Crossing]] = {}
    whole: set[tuple[str, str]] = set()  # (partner, metric) that the partner as a whole was flagged for
    for reading in sorted(readings, key=lambda one: (one.subject.target != RuleTarget.PARTNER, one.rule.code, one.subject.key)):
        if not reading.is_crossed and not reading.market:
            continue
        is_certain = reading.rule.is_strict or (reading.rule.code, reading.subject.name) in certain
        limit = limits["whole" if reading.subject.target == RuleTarget.PARTNER else "part"]
        crossing = _judge(reading, is_certain, limit, cooling, list_gaps_of(gaps, reading.subject.partner), whole, positions)
        if crossing.is_flag and reading.subject.target == RuleTarget.PARTNER:
            whole.add((reading.subject.partner, reading.rule.metric))
        found.setdefault(reading.subject.partner, []).append(crossing)
    return found


def read_rule(rule: RuleSpec, subjects: Sequence[Subject], remembered: dict[str, Pasts] | None = None) -> list[Reading]:
    """What a rule sees of every subject of its target that there is enough of to judge."""
    mine = [subject for subject in subjects if subject.target == rule.target]
    pasts = (remembered or {}).get(rule.code)
    if pasts is None:
        pasts = _find_pasts(rule, mine)
        if remembered is not None and rule.reference != Reference.CATEGORY_MEDIAN:
            remembered[rule.code] = pasts
    movements = find_movements(rule, mine, pasts) if _is_own(rule) else {}
    found = []
    for subject in mine:
        past = pasts.get(subject.name)
        reading = _read(rule, subject, past, movements) if past is not None else None
        if reading is not None:
            found.append(reading)
    return found


def _find_pasts(rule: RuleSpec, subjects: Sequence[Subject]) -> Pasts:
    """What the rule compares each subject with, where there is anything."""
    share = float(rule.threshold)
    if rule.reference == Reference.FIXED:
        return {subject.name: fixed(share) for subject in subjects}
    if rule.reference == Reference.CATEGORY_MEDIAN:
        medians = find_medians(rule.metric, subjects)
        return {
            subject.name: fixed(round(share * medians[subject.category], DECIMALS))
            for subject in subjects
            if medians.get(subject.category, 0.0) > 0
        }
    surroundings = survey(rule, subjects)
    return {subject.name: past for subject in subjects if (past := expect(rule, subject, surroundings)) is not None}


def _read(rule: RuleSpec, subject: Subject, past: Past, movements: Mapping[str, float]) -> Reading | None:
    samples = _find_samples(rule, subject, past)
    if not samples:
        return None
    now, held = samples[0], _hold_against(rule, subject, samples[0], movements)
    if _is_own(rule) and held.own * past.level <= 0:
        return None
    threshold = round(held.share * past.level * held.moved, DECIMALS)
    is_crossed = _are_beyond(rule, samples, threshold)
    is_crossed_alone = _are_beyond(rule, samples, held.share * past.level * held.own)
    scales = {held.own, held.moved}
    log_e = min(_weigh_all(rule, now, past, scale) for scale in scales)
    least = min(_doubt_all(rule, now, past, scale) for scale in scales) if is_crossed else 0.0
    measured = _measured(rule, now)
    low, high = _difference(rule, measured, past, held)
    told: dict[str, Any] = {
        "numerator": now.numerator,
        "denominator": now.denominator,
        "interval": [round(measured.low, DECIMALS), round(measured.high, DECIMALS)],
        "difference_interval": [low, high],
        "e_value": _shown(log_e),
        "chance": float(f"{exp(-least):.3g}"),
    }
    if _is_own(rule):
        value = round(past.level * held.own, DECIMALS)
        told["reference"] = {"value": value, "months": past.months, "movement": held.movement}
        if rule.metric in COUNTS and subject.season_worth is not None:
            told["reference"]["season"] = "last_year"
    return Reading(
        rule=rule,
        subject=subject,
        observed=_observed(rule, now),
        threshold=threshold,
        is_crossed=is_crossed,
        is_clear=high < 0 if rule.direction == Direction.BELOW else low > 0,
        log_e=log_e,
        doubt=least,
        market=is_crossed_alone and not is_crossed and held.movement != 1.0,
        told=told,
    )


@dataclass(frozen=True)
class _Held:
    """
    What is held against a subject, as shares. share: of what is expected that is the limit. own: of the past's level that is
    expected of the period that is seen. movement: how the market moved that the subject is part of.
    """

    share: float
    own: float
    movement: float

    @property
    def moved(self) -> float:
        """What is expected after the market's movement."""
        return self.own * self.movement


def _hold_against(rule: RuleSpec, subject: Subject, now: Sample, movements: Mapping[str, float]) -> _Held:
    """A fixed value and a median are held against everybody as they are; the own past as much as is left of it."""
    if not _is_own(rule):
        return _Held(1.0, 1.0, 1.0)
    own = share_of_offer_days(subject) * now.exposure / subject.exposures[0] if rule.metric in COUNTS else 1.0
    return _Held(float(rule.threshold), own, _movement(rule, subject, movements))


def _is_own(rule: RuleSpec) -> bool:
    """Whether a rule compares with the subject's own past."""
    return rule.reference in (Reference.PREVIOUS, Reference.TRAILING)


def _find_samples(rule: RuleSpec, subject: Subject, past: Past) -> list[Sample]:
    """What a rule looks at, newest first; nothing where a period is missing, or there is too little to judge."""
    found = samples_of(rule, subject)
    samples = [one for one in found if one is not None]
    is_whole = len(samples) == len(found) >= _periods(rule)
    return samples if is_whole and samples and _is_enough(rule, subject, samples[0], past) else []


def _are_beyond(rule: RuleSpec, samples: Sequence[Sample], limit: float) -> bool:
    """Whether every period is beyond a limit that holds for the newest one."""
    return all(_is_beyond(rule, _observed(rule, one), limit * _of(rule, one, samples[0])) for one in samples)


def _difference(rule: RuleSpec, measured: Measured, past: Past, held: _Held) -> tuple[float, float]:
    """The interval of what was seen beyond the limit."""
    then = _closest(rule, past).times(held.moved).as_measured(is_rate=rule.metric in RATES)
    low, high = difference_interval(measured, then, held.share)
    return round(low, DECIMALS), round(high, DECIMALS)


def _judge(
    reading: Reading,
    is_certain: bool,
    limit: Mapping[str, Any],
    cooling: frozenset[tuple[str, str]],
    gaps: Sequence[DataGapFacts],
    whole: set[tuple[str, str]],
    positions: Callable[[], Mapping[str, Shift]],
) -> Crossing:
    rule, subject = reading.rule, reading.subject
    reason = ""
    if reading.market:
        reason = "market_wide"
    elif not is_certain:
        reason = "not_confirmed"
    elif _is_position(reading, positions):
        reason = "position"
    elif blocks(gaps, rule.metric, rule.direction):
        reason = DATA_GAP
    elif (rule.code, subject.partner) in cooling:
        reason = "cooldown"
    elif subject.target != RuleTarget.PARTNER and (subject.partner, rule.metric) in whole:
        reason = "whole_partner"
    told = {**reading.told, "judged": limit["judged"]}
    if reason:
        told["why_no_flag"] = reason
        if reason == "not_confirmed":
            if limit["is_over"]:
                told["chance_needed"] = float(f"{exp(-limit['needed']):.3g}")
            else:
                told["e_value_needed"] = _shown(limit["needed"])
    else:
        told |= {"flagged": limit["flagged"], "expected_by_chance": limit["expected_by_chance"]}
    return Crossing(
        rule.code, rule.metric, reading.observed, reading.threshold, not reason, told, str(subject.target), subject.key
    )


def _is_position(reading: Reading, positions: Callable[[], Mapping[str, Shift]]) -> bool:
    """Whether the rule would not be crossed, had the partner's offers been shown where they were before."""
    rule = reading.rule
    if rule.direction != Direction.BELOW or rule.metric not in BY_POSITION or reading.subject.target != RuleTarget.PARTNER:
        return False
    shift = positions().get(reading.subject.partner)
    return shift is not None and reading.observed >= round(reading.threshold * shift.of(rule.metric), DECIMALS)


def _movement(rule: RuleSpec, subject: Subject, movements: Mapping[str, float]) -> float:
    """How the market moved that the subject is part of: the strongest of its groups' movements."""
    everybody = movements.get("", 1.0)
    return strongest([movements.get(group, everybody) for group in subject.groups], rule.direction)


def _periods(rule: RuleSpec) -> int:
    """How many samples must all be there: so many months, or so many windows of days."""
    by_months = rule.persistence_unit == TimeUnit.CYCLES
    return rule.persistence if by_months == (rule.window_days is None) else 1


def _of(rule: RuleSpec, one: Sample, now: Sample) -> float:
    """How much of the newest period's volume an older one lets expect; a fixed value holds for each alike."""
    return 1.0 if rule.metric in RATES or rule.reference == Reference.FIXED else one.exposure / now.exposure


def _observed(rule: RuleSpec, seen: Sample) -> float:
    return round(seen.numerator / seen.denominator, DECIMALS) if rule.metric in RATES else float(seen.numerator)


def _is_beyond(rule: RuleSpec, observed: float, threshold: float) -> bool:
    limit = round(threshold, DECIMALS)
    return observed < limit if rule.direction == Direction.BELOW else observed > limit


def _is_enough(rule: RuleSpec, subject: Subject, now: Sample, past: Past) -> bool:
    if rule.metric in RATES:
        return now.denominator >= rule.minimum_denominator
    if rule.reference == Reference.FIXED:
        figures = subject.months[0]
        if rule.direction == Direction.BELOW and rule.window_days is None and subject.elapsed < 1:
            return False  # the month's number still grows
        return figures is not None and int(figures["members_any"]) >= rule.minimum_denominator
    return True


def _weigh_all(rule: RuleSpec, now: Sample, past: Past, scale: float) -> float:
    """The e-value against all of the past and against its older half, averaged: either may have changed."""
    logs = [weigh(rule, now, expected.times(scale)) for expected in past.levels]
    return logs[0] if len(logs) == 1 else average(*logs)


def _doubt_all(rule: RuleSpec, now: Sample, past: Past, scale: float) -> float:
    """The chance to see as much against all of the past or against its older half: either look may find it."""
    logs = [doubt(rule, now, expected.times(scale)) for expected in past.levels]
    return logs[0] if len(logs) == 1 else either(*logs)


def _shown(log_e: float) -> float:
    """An e-value to four digits; beyond a billion they are not told apart."""
    return float(f"{min(MOST_SHOWN, exp(min(50.0, log_e))):.4g}")


def _closest(rule: RuleSpec, past: Past) -> Expected:
    """The level that the threshold is a share of."""
    return next((expected for expected in past.levels if expected.level == past.level), past.levels[0])


def _measured(rule: RuleSpec, seen: Sample) -> Measured:
    if rule.metric in RATES:
        low, high = rate_interval(seen.numerator, seen.denominator, CLEAR)
        return Measured(_observed(rule, seen), seen.numerator, seen.denominator, low, high)
    low, high = count_interval(seen.numerator, CLEAR)
    return Measured(float(seen.numerator), seen.numerator, seen.numerator, low, high)
