"""What a rule says, and what it is when one is crossed. docs/rules/flags.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from math import sqrt
from typing import Any

from plum_site.lib.errors import InvalidInput
from reviews.choices import Direction, Reference, RuleTarget, Severity, TimeUnit
from reviews.rules.digest import hash_json, number_text
from reviews.rules.measures import COUNTS, DECIMALS, MONEY, RATES, Measured

TARGETS = tuple(RuleTarget)
REFERENCES = tuple(Reference)
LARGEST_THRESHOLD = Decimal(10) ** 9
LONGEST_MEMORY = 12  # cycles that persistence and cooldown may look back, and months of a trailing reference
LONGEST_DAYS = 31  # days that persistence and cooldown may be
WINDOWS = (7, 92)  # days that a rule may look at instead of the month
CODE = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True)
class RuleSpec:
    """What one version of a rule says. threshold: a value for "fixed", a share of the reference otherwise."""

    code: str
    metric: str
    direction: str
    reference: str
    threshold: Decimal
    minimum_denominator: int
    persistence: int = 1
    persistence_unit: str = TimeUnit.CYCLES
    cooldown: int = 0
    cooldown_unit: str = TimeUnit.CYCLES
    severity: str = Severity.WARNING
    target: str = RuleTarget.PARTNER
    lookback_months: int = 6
    window_days: int | None = None
    is_strict: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what the version says."""
        return hash_json(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The form that is frozen in a cycle and hashed; `from_json` reads it."""
        return {
            "code": self.code,
            "cooldown": self.cooldown,
            "cooldown_unit": str(self.cooldown_unit),
            "direction": str(self.direction),
            "is_strict": self.is_strict,
            "lookback_months": self.lookback_months,
            "metric": self.metric,
            "minimum_denominator": self.minimum_denominator,
            "persistence": self.persistence,
            "persistence_unit": str(self.persistence_unit),
            "reference": str(self.reference),
            "severity": str(self.severity),
            "target": str(self.target),
            "threshold": number_text(self.threshold),
            "window_days": self.window_days,
        }

    @classmethod
    def from_json(cls, frozen: Mapping[str, Any]) -> "RuleSpec":
        """The specification that `as_json` wrote; keys that stand beside it in a cycle are ignored."""
        values = {name: frozen[name] for name in cls.__dataclass_fields__ if name in frozen}
        return cls(**{**values, "threshold": Decimal(frozen["threshold"])})


@dataclass(frozen=True)
class Crossing:
    """
    A rule that was crossed. is_flag: it is certain, and nothing else explains it; `why_no_flag` in the evidence says what does.

    target_key: "" for the whole partner, else the offer's external id, or attribute=value.
    """

    rule: str
    metric: str
    observed: float
    threshold: float
    is_flag: bool
    evidence: dict[str, Any] = field(compare=False)
    target: str = RuleTarget.PARTNER
    target_key: str = ""


def check_rule(rule: RuleSpec) -> None:
    """
    Refuse a rule that cannot be evaluated as written.

    Raises: InvalidInput, code "invalid_rule", with a sentence for each field at fault.
    """
    faults = {**_check_observed(rule), **_check_limit(rule), **_check_time(rule)}
    if faults:
        raise InvalidInput("invalid_rule", f"The rule {rule.code!r} was not saved: correct what is named.", faults)


def _check_observed(rule: RuleSpec) -> dict[str, str]:
    """What is wrong with what the rule is called and looks at."""
    faults: dict[str, str] = {}
    if not CODE.fullmatch(rule.code):
        faults["code"] = "Write 1 to 60 letters, digits, hyphens and underscores, such as redemption_rate_fall."
    if rule.metric in MONEY:
        faults["metric"] = f"{rule.metric} is money, and one large redemption must not decide. Choose a rate or a count."
    elif rule.metric not in RATES and rule.metric not in COUNTS:
        near = get_close_matches(rule.metric.strip().lower().replace(" ", "_"), [*RATES, *COUNTS], n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        known = ", ".join([*RATES, *COUNTS])
        faults["metric"] = f"There is no metric {rule.metric!r} that a rule can look at. {hint}Choose one of {known}."
    if rule.target not in TARGETS:
        faults["target"] = f"Choose one of {', '.join(TARGETS)}."
    elif rule.target != RuleTarget.PARTNER and rule.metric.startswith("members_"):
        faults["metric"] = "Numbers of members are known of whole partners only. Choose a number of events, or a rate."
    if rule.severity not in Severity.values:
        faults["severity"] = f"Choose one of {', '.join(Severity.values)}."
    return faults


def _check_limit(rule: RuleSpec) -> dict[str, str]:
    """What is wrong with what is compared with what."""
    faults: dict[str, str] = {}
    if rule.reference not in REFERENCES:
        faults["reference"] = f"Compare with one of {', '.join(REFERENCES)}."
    elif rule.reference == Reference.CATEGORY_MEDIAN and rule.metric not in RATES:
        faults["reference"] = "Volumes of partners are not alike, so that their median says nothing. Choose a rate."
    if rule.direction not in Direction.values:
        faults["direction"] = f"Choose one of {', '.join(Direction.values)}."
    if not 0 <= rule.threshold < LARGEST_THRESHOLD or rule.threshold != round(rule.threshold, DECIMALS):
        faults["threshold"] = f"Write a number from 0 to below {LARGEST_THRESHOLD} with at most {DECIMALS} decimals."
    elif rule.threshold == 0 and rule.direction == Direction.BELOW:
        faults["threshold"] = "Nothing is below 0: the rule would never flag."
    if not 1 <= rule.minimum_denominator <= LARGEST_THRESHOLD:
        faults["minimum_denominator"] = "Without a minimum of at least 1 the rule would judge partners with no activity."
    if not 1 <= rule.lookback_months <= LONGEST_MEMORY:
        faults["lookback_months"] = f"Write 1 to {LONGEST_MEMORY} months."
    return faults


def _check_time(rule: RuleSpec) -> dict[str, str]:
    """What is wrong with the window, and with how often and how seldom."""
    faults: dict[str, str] = {}
    shortest, longest = WINDOWS
    if rule.window_days is not None and not shortest <= rule.window_days <= longest:
        faults["window_days"] = f"Write {shortest} to {longest} days, or leave it empty for the month."
    elif rule.window_days is not None and rule.target != RuleTarget.PARTNER:
        faults["window_days"] = "Only whole partners are looked at by days. Leave it empty for the month."
    elif rule.window_days is not None and rule.metric.startswith("members_"):
        faults["window_days"] = "Members of single days cannot be added up. Leave it empty for the month."
    for name, number, unit, fewest in (
        ("persistence", rule.persistence, rule.persistence_unit, 1),
        ("cooldown", rule.cooldown, rule.cooldown_unit, 0),
    ):
        most = LONGEST_DAYS if unit == TimeUnit.DAYS else LONGEST_MEMORY
        if unit not in TimeUnit.values:
            faults[f"{name}_unit"] = f"Choose one of {', '.join(TimeUnit.values)}."
        elif not fewest <= number <= most:
            faults[name] = f"Write {fewest} to {most} {'days' if unit == TimeUnit.DAYS else 'months'}."
    if rule.persistence_unit == TimeUnit.DAYS and rule.persistence > 1 and rule.window_days is None:
        faults.setdefault(
            "persistence_unit",
            "Days in a row can be counted where the rule looks at the last days: say how many, or count months.",
        )
    if rule.persistence_unit == TimeUnit.CYCLES and rule.persistence > 1 and rule.window_days is not None:
        faults.setdefault(
            "persistence_unit",
            "Months in a row can be counted where the rule looks at the month: leave the days empty, or count days.",
        )
    return faults


def months_needed(rules: Sequence[RuleSpec]) -> int:
    """How many months, the reviewed one included, the rules look at."""
    needed = [1]
    for rule in rules:
        before = {Reference.PREVIOUS: 1, Reference.TRAILING: rule.lookback_months}.get(Reference(rule.reference), 0)
        needed.append(before + (rule.persistence if rule.persistence_unit == TimeUnit.CYCLES else 1))
    return max(needed)


def difference_interval(now: Measured, then: Measured, share: float) -> tuple[float, float]:
    """
    The interval of `now - share × then`, put together from the intervals of the two (the MOVER method).

    Source: docs/rules/flags.md
    """
    difference = now.value - share * then.value
    low = difference - sqrt((now.value - now.low) ** 2 + (share * (then.high - then.value)) ** 2)
    high = difference + sqrt((now.high - now.value) ** 2 + (share * (then.value - then.low)) ** 2)
    return low, high
