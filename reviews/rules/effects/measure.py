"""The effect of an action by its frozen design: the one way from counts to a verdict."""

from collections.abc import Sequence

from reviews.rules.effects.design import HOLD_OUT, MATCHED, EffectDesign
from reviews.rules.effects.hold_out import Stratum, measure_hold_out
from reviews.rules.effects.matched import UnitCounts, measure_matched
from reviews.rules.effects.verdicts import Effect, cannot_tell


def measure_effect(design: EffectDesign, *, strata: Sequence[Stratum] = (), units: Sequence[UnitCounts] = ()) -> Effect:
    """
    What became of an action, once its window is over.

    strata: for a hold-out, the outcomes of both arms (treated, held out) by what members did before. units: for matched
    units, each with the periods of the baseline and the window. What the method does not need is not looked at.
    Source: docs/rules/effects.md
    """
    if design.method == HOLD_OUT:
        return measure_hold_out(design, strata)
    if design.method == MATCHED:
        return measure_matched(design, units)
    return cannot_tell(design.sentence.removeprefix("Cannot be told: ") or "nothing comparable is left alone.")
