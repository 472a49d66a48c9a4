"""The rules and the policy that a program starts with. docs/rules/flags.md says why these numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reviews.choices import Direction, Reference, Severity, Standing
from reviews.rules.flags import RuleSpec
from reviews.rules.standing import PolicySpec

UNLOCK_FIRST = "unlock_first"


@dataclass(frozen=True)
class NamedRule:
    """A rule with the name that people read."""

    name: str
    spec: RuleSpec


def _fall(code: str, metric: str, minimum_denominator: int, share: str = "0.6") -> RuleSpec:
    return RuleSpec(code, metric, Direction.BELOW, Reference.PREVIOUS, Decimal(share), minimum_denominator)


def _ceiling(code: str, metric: str, threshold: str, minimum_denominator: int, severity: str) -> RuleSpec:
    return RuleSpec(code, metric, Direction.ABOVE, Reference.FIXED, Decimal(threshold), minimum_denominator, severity=severity)


def default_rules(stage_order: str) -> Sequence[NamedRule]:
    """
    The first rules of a program, by its stage order.

    A rule whose stages the program does not record stays silent. No rule looks at unlocks alone: they come in bursts
    when a campaign starts, so that their number says nothing about a partner.
    Source: docs/rules/flags.md
    """
    if stage_order == UNLOCK_FIRST:
        interest = NamedRule("View rate fell", _fall("view_rate_fall", "view_rate", 100))
    else:
        interest = NamedRule("Unlock rate fell", _fall("unlock_rate_fall", "unlock_rate", 100))
    return (
        NamedRule("Views fell", _fall("views_fall", "views", 100)),
        interest,
        NamedRule("Activation rate fell", _fall("activation_rate_fall", "activation_rate", 50)),
        NamedRule("Redemption rate fell", _fall("redemption_rate_fall", "redemption_rate", 50)),
        NamedRule("Many failures", _ceiling("failure_rate_high", "failure_rate", "0.05", 50, Severity.WARNING)),
        NamedRule("Many reversals", _ceiling("reversal_rate_high", "reversal_rate", "0.08", 20, Severity.CRITICAL)),
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
