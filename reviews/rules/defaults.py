"""The rules and the policy that a program starts with. docs/rules/flags.md says why these numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reviews.choices import Direction, Reference, RuleTarget, Severity, Standing
from reviews.rules.flags import RuleSpec
from reviews.rules.standing import PolicySpec

UNLOCK_FIRST = "unlock_first"


@dataclass(frozen=True)
class NamedRule:
    """A rule with the name that people read."""

    name: str
    spec: RuleSpec


def _fall(code: str, metric: str, minimum: int, share: str = "0.8", target: str = RuleTarget.PARTNER) -> RuleSpec:
    return _against_past(code, metric, Direction.BELOW, share, minimum, Severity.WARNING, target)


def _rise(code: str, metric: str, minimum: int, share: str, target: str = RuleTarget.PARTNER) -> RuleSpec:
    severity = Severity.CRITICAL if metric == "reversal_rate" else Severity.WARNING
    return _against_past(code, metric, Direction.ABOVE, share, minimum, severity, target)


def _against_past(code: str, metric: str, direction: str, share: str, minimum: int, severity: str, target: str) -> RuleSpec:
    """Parts are compared with three months only: they come and go faster than partners, and there are many of them."""
    months = 6 if target == RuleTarget.PARTNER else 3
    return RuleSpec(
        code,
        metric,
        direction,
        Reference.TRAILING,
        Decimal(share),
        minimum,
        severity=severity,
        target=target,
        lookback_months=months,
    )


def _ceiling(code: str, metric: str, threshold: str, minimum: int, severity: str) -> RuleSpec:
    return RuleSpec(code, metric, Direction.ABOVE, Reference.FIXED, Decimal(threshold), minimum, severity=severity)


def default_rules(stage_order: str) -> Sequence[NamedRule]:
    """
    The first rules of a program, by its stage order.

    A rule whose stages the program does not record stays silent. No rule looks at unlocks alone: they come in bursts
    when a campaign starts, so that their number says nothing about a partner.
    Source: docs/rules/flags.md
    """
    interest = ("view_rate", "View rate") if stage_order == UNLOCK_FIRST else ("unlock_rate", "Unlock rate")
    falls = (interest, ("activation_rate", "Activation rate"), ("redemption_rate", "Redemption rate"))
    rises = (("failure_rate", "Failures"), ("reversal_rate", "Reversals"))
    offer, segment = RuleTarget.OFFER, RuleTarget.PARTNER_SEGMENT
    return (
        NamedRule("Views fell", _fall("views_fall", "views", 100, "0.75")),
        *(NamedRule(f"{name} fell", _fall(f"{metric}_fall", metric, 40)) for metric, name in falls),
        NamedRule("Failures rose", _rise("failure_rate_rise", "failure_rate", 30, "2")),
        NamedRule("Reversals rose", _rise("reversal_rate_rise", "reversal_rate", 15, "2")),
        NamedRule("Many failures", _ceiling("failure_rate_high", "failure_rate", "0.1", 50, Severity.WARNING)),
        NamedRule("Many reversals", _ceiling("reversal_rate_high", "reversal_rate", "0.1", 20, Severity.CRITICAL)),
        NamedRule("Views fell in one segment", _fall("views_fall_in_segment", "views", 100, "0.6", segment)),
        *(
            NamedRule(f"{name} fell for one offer", _fall(f"{metric}_fall_of_offer", metric, 40, "0.6", offer))
            for metric, name in falls
        ),
        *(
            NamedRule(f"{name} fell in one segment", _fall(f"{metric}_fall_in_segment", metric, 40, "0.6", segment))
            for metric, name in falls
        ),
        *(
            NamedRule(f"{name} rose for one offer", _rise(f"{metric}_rise_of_offer", metric, 30, "3", offer))
            for metric, name in rises
        ),
        *(
            NamedRule(f"{name} rose in one segment", _rise(f"{metric}_rise_in_segment", metric, 30, "3", segment))
            for metric, name in rises
        ),
    )


def default_policy(stage_order: str) -> PolicySpec:
    """
    The first policy of a program, by its stage order.

    Source: docs/rules/standing.md
    """
    interest = "view_rate" if stage_order == UNLOCK_FIRST else "unlock_rate"
    return PolicySpec(
        weights={
            interest: 20,
            "activation_rate": 20,
            "redemption_rate": 15,
            "redemptions_per_unlock": 15,
            "failure_rate": 15,
            "reversal_rate": 15,
        },
        bands=(
            (Standing.EXCELLENT, 80),
            (Standing.ON_TRACK, 62),
            (Standing.WATCH, 52),
            (Standing.UNDERPERFORMING, 0),
        ),
        minimum_events=100,
    )
