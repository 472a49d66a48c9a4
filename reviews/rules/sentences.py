"""A rule as one sentence: the same on the form, in lists, on pages, in mails and in the API. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reviews.choices import Direction, Reference, RuleTarget, TimeUnit
from reviews.rules.flags import RuleSpec
from reviews.rules.measures import RATES
from reviews.rules.standing import recency_shares

# What follows "its": singular, so that every sentence goes on with "is".
NOUNS = {
    "unlock_rate": "unlock rate",
    "view_rate": "view rate",
    "activation_rate": "activation rate",
    "redemption_rate": "redemption rate",
    "redemptions_per_unlock": "number of redemptions per unlock",
    "redemptions_per_view": "number of redemptions per view",
    "reversal_rate": "reversal rate",
    "failure_rate": "failure rate",
    "impressions": "number of impressions",
    "views": "number of views",
    "unlocks": "number of unlocks",
    "activations": "number of activations",
    "redemptions": "number of redemptions",
    "failures": "number of failures",
    "attempts": "number of attempts",
    "reversals": "number of reversals",
    "members_viewed": "number of members who viewed",
    "members_unlocked": "number of members who unlocked",
    "members_activated": "number of members who activated",
    "members_redeemed": "number of members who redeemed",
    "members_any": "number of active members",
}
# What a minimum counts, where it is the count itself that must have been large enough before.
PLURALS = {
    "members_viewed": "members who viewed",
    "members_unlocked": "members who unlocked",
    "members_activated": "members who activated",
    "members_redeemed": "members who redeemed",
    "members_any": "active members",
}
SUBJECTS = {
    RuleTarget.PARTNER: ("a partner", "its {noun}"),
    RuleTarget.OFFER: ("an offer", "its {noun}"),
    RuleTarget.PARTNER_SEGMENT: ("a partner in a segment", "its {noun} there"),
}
NAMED_SHARES = 3  # shares of months before that a sentence names one by one
SIDES = {Direction.BELOW: "below", Direction.ABOVE: "above"}


def say_season(reference: Mapping[str, Any]) -> str:
    """That the season of a program's own last year is in what was expected, to follow the number; nothing where it is not."""
    return ", in a season like last year's" if "season" in reference else ""


def say_recency(recency_months: int) -> str:
    """What a standing rests on, such as "the month, and the 3 before it by 75 %, 50 % and 25 %"."""
    if not recency_months:
        return "the month alone"
    if recency_months == 1:
        return "the month, and the one before it by half"
    shares = [f"{round(share * 100)} %" for share in recency_shares(recency_months)[1:]]
    by = f"{', '.join(shares[:-1])} and {shares[-1]}" if recency_months <= NAMED_SHARES else f"{shares[0]} down to {shares[-1]}"
    return f"the month, and the {recency_months} before it by {by}"


def say_rule(rule: RuleSpec) -> str:
    """
    What a rule flags, as one English sentence with its full stop. Severity and owner are said beside it, not in it.

    A rule that names an unknown target, metric, direction or reference cannot be said: `check_rule` refuses it before.
    Source: docs/rules/flags.md
    """
    subject, observed = SUBJECTS[RuleTarget(rule.target)]
    noun = observed.format(noun=NOUNS[rule.metric])
    parts = [
        f"Flag {subject} when {noun} {_say_window(rule)} is {SIDES[Direction(rule.direction)]} {_say_limit(rule)}",
        f"with at least {_say_minimum(rule)}",
    ]
    if rule.persistence > 1:
        parts.append(
            f"on {rule.persistence} consecutive days"
            if rule.persistence_unit == TimeUnit.DAYS
            else f"in {rule.persistence} consecutive months"
        )
    if rule.is_strict:
        parts.append("even where it may be chance")
    if rule.cooldown:
        parts.append(f"and then not again for {_say_span(rule.cooldown, rule.cooldown_unit)}")
    return f"{', '.join(parts)}."


def say_number(value: Decimal) -> str:
    """A number without needless zeros, thousands apart: 1,200 or 0.25."""
    text = f"{value.normalize():,f}"
    return "0" if text == "-0" else text


def say_share(value: Decimal) -> str:
    """A share of 1 as per cent, as exact as it was written: 60 % or 2.5 %."""
    return f"{say_number(value * 100)} %"


def say_threshold(metric: str, reference: str, threshold: Decimal) -> str:
    """The threshold as a person writes it: per cent for rates and shares, else a number."""
    is_share = reference != Reference.FIXED or (metric in RATES and metric.endswith("_rate"))
    return say_share(threshold) if is_share else say_number(threshold)


def _say_window(rule: RuleSpec) -> str:
    return f"over the last {rule.window_days} days" if rule.window_days else "in the month"


def _say_limit(rule: RuleSpec) -> str:
    """The threshold with its reference."""
    threshold = say_threshold(rule.metric, rule.reference, rule.threshold)
    if rule.reference == Reference.FIXED:
        return threshold
    share = "" if rule.threshold == 1 else f"{threshold} of "
    if rule.reference == Reference.CATEGORY_MEDIAN:
        return f"{share}its category's median"
    if rule.reference == Reference.TRAILING:
        months = "month" if rule.lookback_months == 1 else f"{rule.lookback_months} months"
        return f"{share}its level in the {months} before"
    before = f"{rule.window_days} days" if rule.window_days else "month"
    return f"{share}what it was in the {before} before"


def _say_minimum(rule: RuleSpec) -> str:
    """So many of what the metric is divided by; for counts what makes them large enough to judge."""
    number = rule.minimum_denominator
    if rule.metric in RATES:
        return _plural(number, RATES[rule.metric].denominator)
    if rule.reference == Reference.FIXED:
        return _plural(number, "active members")
    before = {
        Reference.PREVIOUS: "before",
        Reference.CATEGORY_MEDIAN: "as the median",
        Reference.TRAILING: "before",
    }[Reference(rule.reference)]
    return f"{_plural(number, PLURALS.get(rule.metric, rule.metric))} {before}"


def _plural(number: int, things: str) -> str:
    """1 view, 2 views, 1 member who viewed, 2 members who viewed."""
    if number == 1:
        things = things.replace("members", "member", 1) if "members" in things else things.removesuffix("s")
    return f"{number:,} {things}"


def _say_span(number: int, unit: str) -> str:
    thing = "day" if unit == TimeUnit.DAYS else "month"
    return f"{number} {thing}{'' if number == 1 else 's'}"
