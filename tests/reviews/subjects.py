"""Partners and their parts as rules look at them, from numbers of events."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from reviews.choices import Direction, Reference, RuleTarget
from reviews.rules import Crossing, RuleSpec
from reviews.rules.crossings import find_crossings
from reviews.rules.subjects import Subject
from tests.reviews.figures import figures

HEALTHY = {"views": 1000, "unlocks": 300, "activations": 200, "redemptions": 100}


def rule(metric: str = "unlock_rate", **changes: Any) -> RuleSpec:
    """A fall below 0.8 of the last six months of at least 40, unless said otherwise."""
    values = {
        "code": f"{metric}_rule",
        "direction": Direction.BELOW,
        "reference": Reference.TRAILING,
        "threshold": Decimal("0.8"),
        "minimum_denominator": 40,
    } | changes
    if not isinstance(values["threshold"], Decimal):
        values["threshold"] = Decimal(str(values["threshold"]))
    return RuleSpec(metric=metric, **values)


def subject(name: str, *months: dict[str, int] | None, category: str = "food", **changes: Any) -> Subject:
    """A partner with months of so many events, newest first; its months are all 30 days long."""
    key = changes.get("key", "")
    values = {
        "exposures": [30.0] * len(months),
        "groups": (category, key) if changes.get("target") == RuleTarget.PARTNER_SEGMENT else (category,),
        "days_of_month": 30,
    } | changes
    return Subject(name, category, [None if one is None else figures(**one) for one in months], **values)


def healthy(count: int = 5, months: int = 7, category: str = "food", **counts: int) -> list[Subject]:
    """Partners whose months are all alike: who else falls is alone with it."""
    return [subject(f"{category}-{number}", *[HEALTHY | counts] * months, category=category) for number in range(count)]


def judge(rules: RuleSpec | Sequence[RuleSpec], subjects: Iterable[Subject], **options: Any) -> dict[str, list[Crossing]]:
    """The crossings by partner."""
    return find_crossings([rules] if isinstance(rules, RuleSpec) else rules, list(subjects), **options)


def only(found: dict[str, list[Crossing]], name: str = "P") -> Crossing:
    """The one crossing of a partner."""
    [crossing] = found[name]
    return crossing


def verdict(rules: RuleSpec | Sequence[RuleSpec], subjects: Iterable[Subject], name: str = "P", **options: Any) -> str:
    """What becomes of the only crossing of a partner: "flag", why it is none, or "nothing" where there is no crossing."""
    found = judge(rules, subjects, **options).get(name, [])
    assert len(found) <= 1
    return ("flag" if found[0].is_flag else found[0].evidence["why_no_flag"]) if found else "nothing"
