"""The effect on members of whom some were held out by chance: those treated against those held out."""

from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from typing import Any

from activity.rules import ArmCounts
from reviews.rules.effects.design import MEMBER_SHARES, EffectDesign
from reviews.rules.effects.intervals import Interval, divide, mean_of, share_of, subtract, weigh
from reviews.rules.effects.sentences import say_effect
from reviews.rules.effects.verdicts import Effect, cannot_tell, judge
from reviews.rules.measures import DECIMALS
from reviews.rules.sentences import say_share

Stratum = tuple[ArmCounts, ArmCounts]  # treated, held out

FEWEST_MEMBERS = 20  # of an arm
FEWEST_RESPONDERS = 10  # of both arms together
UNLIKELY_SPLIT = 4.0  # standard errors, once in 15,000 splits


def measure_hold_out(design: EffectDesign, strata: Sequence[Stratum]) -> Effect:
    """
    The effect of an action on members of whom a share was held out.

    strata: the outcomes of both arms in the window, of members who did about as much before; the lowest first.
    Source: docs/rules/effects.md
    """
    treated, held_out = total(strata)
    numbers: dict[str, Any] = {"treated": _counts(treated), "held_out": _counts(held_out)}
    if reason := _find_fault(design, treated, held_out):
        return cannot_tell(reason, **numbers)
    merged = merge_strata(strata)
    everyone = treated.members + held_out.members
    weights = [(one.members + other.members) / everyone for one, other in merged]
    figure = share_of if design.metric in MEMBER_SHARES else mean_of
    ours = weigh([figure(one) for one, _ in merged], weights)
    theirs = weigh([figure(other) for _, other in merged], weights)
    difference = subtract(ours, theirs)
    low, high = round(difference.low, DECIMALS), round(difference.high, DECIMALS)
    usual = theirs.value or ours.value
    verdict = judge(low, high, round((high - low) / 2 / usual, DECIMALS), design)
    ratio, least, most = divide(ours, theirs)
    numbers |= {
        "strata": len(merged),
        "treated_figure": _plain(ours),
        "held_out_figure": _plain(theirs),
        "difference": _plain(difference),
    }
    lift = _change(ratio), _change(least), _change(most)
    return Effect(verdict, *lift, say_effect(design, verdict, *lift), numbers)


def total(strata: Sequence[Stratum]) -> Stratum:
    """Both arms, all strata together."""
    return sum((one for one, _ in strata), ArmCounts()), sum((other for _, other in strata), ArmCounts())


def merge_strata(strata: Sequence[Stratum]) -> list[Stratum]:
    """
    Neighbouring strata together until each has enough members in both arms. What members did afterwards plays no part.

    Source: docs/rules/effects.md
    """
    merged: list[Stratum] = []
    for one, other in strata:
        if merged and _is_small(merged[-1]):
            one, other = merged[-1][0] + one, merged[-1][1] + other
            merged.pop()
        merged.append((one, other))
    if len(merged) > 1 and _is_small(merged[-1]):
        last, before = merged.pop(), merged.pop()
        merged.append((before[0] + last[0], before[1] + last[1]))
    return merged


def _is_small(stratum: Stratum) -> bool:
    return min(arm.members for arm in stratum) < FEWEST_MEMBERS


def _find_fault(design: EffectDesign, treated: ArmCounts, held_out: ArmCounts) -> str:
    """Why the two arms cannot be compared; "" where they can."""
    fewest = min(treated.members, held_out.members)
    if fewest < FEWEST_MEMBERS:
        return f"an arm has {fewest} members, and {FEWEST_MEMBERS} are the fewest that are compared."
    if treated.responders + held_out.responders < FEWEST_RESPONDERS:
        return (
            f"{treated.responders + held_out.responders} members of both arms did anything that counts; "
            f"{FEWEST_RESPONDERS} are the fewest that are compared."
        )
    everyone, share = treated.members + held_out.members, design.hold_out_share or Decimal()
    planned = float(share)
    if abs(held_out.members - everyone * planned) > UNLIKELY_SPLIT * sqrt(everyone * planned * (1 - planned)):
        return (
            f"{held_out.members} of {everyone} members were held out where {say_share(share)} were planned, which is not "
            "chance. Somebody is missing from one of the arms."
        )
    return ""


def _change(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio - 1, DECIMALS)


def _counts(arm: ArmCounts) -> dict[str, int]:
    return {"members": arm.members, "responders": arm.responders, "events": arm.events, "squares": arm.squares}


def _plain(figure: Interval) -> list[float]:
    return [round(part, DECIMALS) + 0.0 for part in (figure.value, figure.low, figure.high)]
