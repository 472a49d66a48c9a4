"""Whether a corrective action did what it was meant to: designs, measurements, verdicts. docs/rules/effects.md."""

from activity.rules import ArmCounts
from reviews.rules.effects.arms import HELD_OUT, TREATED, arm_of
from reviews.rules.effects.design import (
    EVENTS_PER_MEMBER,
    HOLD_OUT,
    MATCHED,
    MEMBER_SHARES,
    METHODS,
    METRICS,
    NONE,
    UNITS_OF_OFFERS,
    EffectDesign,
)
from reviews.rules.effects.gaps import Kept, Silence, keep_days, say_left_out, silences_about
from reviews.rules.effects.hold_out import Stratum
from reviews.rules.effects.matched import UnitCounts
from reviews.rules.effects.measure import measure_effect
from reviews.rules.effects.propose import Facts, propose_design, usual_metric
from reviews.rules.effects.sentences import say_change, say_difference, say_effect, say_metric, say_names
from reviews.rules.effects.summary import (
    ALL,
    BY_CATEGORY,
    BY_SEGMENT,
    FEWEST_SUMMED,
    KindSummary,
    Measurement,
    Pooled,
    summarise_verdicts,
)
from reviews.rules.effects.verdicts import CANNOT_TELL, HARMED, NO_EVIDENCE, VERDICTS, WORKED, Effect, cannot_tell

__all__ = [
    "ALL",
    "BY_CATEGORY",
    "BY_SEGMENT",
    "CANNOT_TELL",
    "EVENTS_PER_MEMBER",
    "FEWEST_SUMMED",
    "HARMED",
    "HELD_OUT",
    "HOLD_OUT",
    "MATCHED",
    "MEMBER_SHARES",
    "METHODS",
    "METRICS",
    "NONE",
    "NO_EVIDENCE",
    "TREATED",
    "UNITS_OF_OFFERS",
    "VERDICTS",
    "WORKED",
    "ArmCounts",
    "Effect",
    "EffectDesign",
    "Facts",
    "Kept",
    "KindSummary",
    "Measurement",
    "Pooled",
    "Silence",
    "Stratum",
    "UnitCounts",
    "arm_of",
    "cannot_tell",
    "keep_days",
    "measure_effect",
    "propose_design",
    "say_change",
    "say_difference",
    "say_effect",
    "say_left_out",
    "say_metric",
    "say_names",
    "silences_about",
    "summarise_verdicts",
    "usual_metric",
]
