"""Where a partner's fall lies: what each of its offers and segments has, against what its own past lets expect."""

from collections.abc import Mapping, Sequence

from reviews.choices import Direction, RuleTarget
from reviews.rules.diagnosis import Part
from reviews.rules.flags import Crossing, RuleSpec
from reviews.rules.measures import DECIMALS, RATES
from reviews.rules.references import Surroundings, expect
from reviews.rules.subjects import Subject, newest

LEAST_TOLD = 20  # observations that an offer or a segment needs to be named as carrying a fall
LOOSE = 1e3  # the steadiness assumed here: only levels are compared, nothing is tested


def compare_parts(
    rules: Sequence[RuleSpec], subjects: Sequence[Subject], crossings: Mapping[str, Sequence[Crossing]]
) -> dict[str, list[Part]]:
    """
    For each partner with a flag, what its offers and segments have of the flagged metrics and what was expected.

    Source: docs/rules/diagnosis.md
    """
    by_code = {rule.code: rule for rule in rules}
    wanted = {
        partner: {crossing.metric: by_code[crossing.rule] for crossing in found if crossing.is_flag}
        for partner, found in crossings.items()
    }
    parts: dict[str, list[Part]] = {}
    for subject in subjects:
        if subject.target == RuleTarget.PARTNER:
            continue
        for metric, rule in wanted.get(subject.partner, {}).items():
            part = _compare(metric, rule, subject)
            if part is not None:
                parts.setdefault(subject.partner, []).append(part)
    return parts


def _compare(metric: str, rule: RuleSpec, subject: Subject) -> Part | None:
    if not all(
        name in (subject.months[0] or {})
        for name in ((RATES[metric].numerator, RATES[metric].denominator) if metric in RATES else (metric,))
    ):
        return None
    now = newest(metric, subject)
    own = RuleSpec(rule.code, metric, rule.direction, "trailing", rule.threshold, 1, lookback_months=rule.lookback_months)
    past = expect(own, subject, Surroundings({}, LOOSE))
    if now is None or past is None or max(now.denominator, past.level) < LEAST_TOLD:
        return None
    sign = 1 if rule.direction == Direction.BELOW else -1
    size = now.denominator if metric in RATES else 1
    observed = now.numerator / now.denominator if metric in RATES else float(now.numerator)
    level = past.level if metric in RATES else past.level * subject.elapsed
    missing = sign * (level - observed) * size
    return Part(
        str(subject.target), subject.key, metric, round(observed, DECIMALS), round(level, DECIMALS), round(missing, DECIMALS)
    )
