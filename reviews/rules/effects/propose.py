"""Which comparison an action gets: members held out by chance, units that moved alike, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from math import fsum, sqrt
from typing import Any

from activity.rules import ArmCounts
from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind, Cause
from reviews.rules.effects.design import (
    EVENTS_PER_MEMBER,
    HOLD_OUT,
    LOSSES,
    MATCHED,
    MEMBER_SHARES,
    METRICS,
    NONE,
    USUAL_MINIMUM,
    USUAL_WINDOW,
    EffectDesign,
    freeze_where,
)
from reviews.rules.effects.hold_out import FEWEST_MEMBERS, FEWEST_RESPONDERS
from reviews.rules.effects.matched import (
    FEWEST_CONTROLS,
    FEWEST_EVENTS,
    FEWEST_PERIODS,
    UnitCounts,
    choose_controls,
    expect_visible,
    is_busy,
)
from reviews.rules.effects.quantiles import NEARLY_NORMAL, POWER, t_quantile
from reviews.rules.effects.sentences import say_names
from reviews.rules.measures import DECIMALS
from reviews.rules.sentences import say_share

SHARES = tuple(Decimal(text) for text in ("0.1", "0.15", "0.2", "0.25", "0.3", "0.4", "0.5"))
TOLERABLE = Decimal("1.5")  # times the minimum effect: where half the audience shows less than that, it is not held out
STEP = Decimal("0.001")  # to which a visible effect is rounded up
LONGEST_WINDOW = 92  # days
SPLITTABLE = ActionKind.PROMOTIONAL_PUSH
OF_CAUSE: dict[str, tuple[str, set[str]]] = {  # metric, and the stages that it needs
    Cause.AWARENESS: ("views", {"viewed"}),
    Cause.RELEVANCE: ("unlock_rate", {"viewed", "unlocked"}),
    Cause.DELIVERY: ("failure_rate", set()),
    Cause.FRICTION: ("redemption_rate", {"activated", "redeemed"}),
    Cause.REVERSALS: ("reversal_rate", {"redeemed"}),
}
WITHOUT_COMPARISON: dict[str, str] = {
    ActionKind.PAUSE_OFFER: "a paused offer has no figures of its own to compare.",
}


@dataclass(frozen=True)
class Facts:
    """
    What is known before an action is executed.

    metric: of the metric layer. past: of a push, what its audience did in the window before, by what they had done in the
    one before that (one stratum where that is not known). hold_out_share: as a person chose it; None to have it proposed.
    salt: of this action alone. unit, treated, candidates: of any other action, what it changes and what it leaves alone,
    each with the baseline's periods, all of the length of the window.
    """

    metric: str
    window_days: int = USUAL_WINDOW
    minimum_effect: Decimal = USUAL_MINIMUM
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    past: Sequence[ArmCounts] = ()
    hold_out_share: Decimal | None = None
    salt: str = ""
    unit: str = ""
    treated: Sequence[UnitCounts] = ()
    candidates: Sequence[UnitCounts] = ()


def usual_metric(kind: str, cause: str, recorded_stages: Sequence[str]) -> str:
    """
    What an action is measured by where nobody chose: for a push the share of members who came to the last recorded stage,
    else what the diagnosed cause is about, as far as it is recorded.

    Source: docs/rules/effects.md
    """
    stages = [stage for stage in ("viewed", "unlocked", "activated", "redeemed") if stage in recorded_stages]
    last = stages[-1] if stages else "redeemed"
    if kind == SPLITTABLE:
        return next(name for name, stage in MEMBER_SHARES.items() if stage == last)
    metric, needed = OF_CAUSE.get(cause, ("", set()))
    if metric and needed <= set(recorded_stages):
        return metric
    return next(name for name, stage in EVENTS_PER_MEMBER.items() if stage == last)


def propose_design(kind: str, facts: Facts) -> EffectDesign:
    """
    The design that an action gets, with the reason for it, and how small an effect it will find, in a sentence.

    Raises: InvalidInput, code "invalid_design", with a sentence for each field at fault.
    Source: docs/rules/effects.md
    """
    _check(kind, facts)
    if reason := WITHOUT_COMPARISON.get(kind):
        return _none(facts, reason)
    return _hold_out(facts) if kind == SPLITTABLE else _matched(facts)


def _check(kind: str, facts: Facts) -> None:
    """Refuse what no design can be made of."""
    faults: dict[str, str] = {}
    known = METRICS[HOLD_OUT if kind == SPLITTABLE else MATCHED]
    if facts.metric not in known:
        faults["metric"] = f"{facts.metric!r} cannot be compared for this kind of action. Choose one of {', '.join(known)}."
    if not 1 <= facts.window_days <= LONGEST_WINDOW:
        faults["window_days"] = f"Write 1 to {LONGEST_WINDOW} days."
    if not Decimal("0.01") <= facts.minimum_effect <= 5:
        faults["minimum_effect"] = "Write a relative change from 0.01 (1 %) to 5 (500 %)."
    if facts.hold_out_share is not None and not 0 < facts.hold_out_share < 1:
        faults["hold_out_share"] = "Write a share above 0 and below 1, such as 0.1."
    if kind == SPLITTABLE and not facts.salt:
        faults["salt"] = "Without a salt of its own, the same members would be held out of every push."
    lengths = {len(unit.periods) for unit in (*facts.treated, *facts.candidates)}
    if len(lengths) > 1:
        faults["candidates"] = "Count the same periods of every unit."
    if {unit.key for unit in facts.treated} & {unit.key for unit in facts.candidates}:
        faults["candidates"] = "What is changed cannot be what it is compared with."
    if faults:
        raise InvalidInput("invalid_design", "No design was made: correct what is named.", faults)


def _hold_out(facts: Facts) -> EffectDesign:
    members = sum(arm.members for arm in facts.past)
    responders = sum(arm.responders for arm in facts.past)
    if members < 2 * FEWEST_MEMBERS:
        return _none(facts, f"the audience has {members} members; {FEWEST_MEMBERS} in each arm are the fewest that are compared.")
    shares = SHARES if facts.hold_out_share is None else (facts.hold_out_share,)
    usable = [share for share in shares if int(members * min(share, 1 - share)) >= 2 * FEWEST_MEMBERS] or [shares[-1]]
    if responders < FEWEST_RESPONDERS:
        chosen, visible = usable[0], None
        foresight = (
            f"How small a change will be found cannot be said beforehand: {responders} members did what counts in the "
            f"{facts.window_days} days before."
        )
    else:
        chosen, visible = _choose_share(facts, usable)
        foresight = _say_visible(visible, facts)
    return _design(
        facts,
        HOLD_OUT,
        f"{say_share(chosen)} of the audience, chosen by chance, is not written to; the others are compared with them. "
        + foresight,
        visible_effect=visible,
        hold_out_share=chosen,
        salt=facts.salt,
    )


def _choose_share(facts: Facts, usable: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """The smallest share that shows the minimum effect, and the smallest effect that it shows."""
    visible = {share: visible_by_hold_out(facts, share) for share in usable}
    best = usable[-1] if visible[usable[-1]] <= facts.minimum_effect * TOLERABLE else usable[0]
    chosen = next((share for share in usable if visible[share] <= facts.minimum_effect), best)
    return chosen, visible[chosen]


def visible_by_hold_out(facts: Facts, share: Decimal) -> Decimal:
    """
    The smallest relative change that will be found nine times in ten with a share held out.

    Source: docs/rules/effects.md
    """
    members = sum(arm.members for arm in facts.past)
    is_share = facts.metric in MEMBER_SHARES
    parts = [_spread(arm, is_share) for arm in facts.past if arm.members]
    mean = sum(arm.responders if is_share else arm.events for arm in facts.past) / members
    within = fsum(parts) / members
    held = float(share)
    needed = t_quantile(NEARLY_NORMAL) + t_quantile(NEARLY_NORMAL, POWER)
    return _up(needed * sqrt(within / members * (1 / held + 1 / (1 - held))) / mean)


def _spread(arm: ArmCounts, is_share: bool) -> float:
    """The sum of squares of a stratum's outcomes around their mean."""
    return arm.responders * (1 - arm.responders / arm.members) if is_share else arm.squares - arm.events**2 / arm.members


def _matched(facts: Facts) -> EffectDesign:
    if not facts.treated:
        return _none(facts, "the action changes nothing that has figures of its own.")
    periods = len(facts.treated[0].periods)
    if periods < FEWEST_PERIODS:
        return _none(facts, f"{periods} earlier periods are known, and {FEWEST_PERIODS} are the fewest that show what is usual.")
    treated = [unit for unit in facts.treated if is_busy(unit)]
    idle = [unit.key for unit in facts.treated if not is_busy(unit)]
    if not treated:
        return _none(facts, f"{say_names(idle)} had fewer than {FEWEST_EVENTS} events a period.")
    controls = choose_controls(treated, facts.candidates, float(facts.minimum_effect))
    if len(controls) < FEWEST_CONTROLS:
        return _none(facts, _say_lonely(facts, controls))
    visible = _up(expect_visible(treated, controls))
    rest = f" {say_names(idle)} had fewer than {FEWEST_EVENTS} events a period, and is left out." if idle else ""
    names = say_names([unit.key for unit in controls])
    return _design(
        facts,
        MATCHED,
        f"Compared by {facts.unit.removeprefix('member.').replace('_', ' ')} with {names}, which moved alike over the "
        f"{periods} periods of {facts.window_days} days before. " + _say_visible(visible, facts) + rest,
        visible_effect=visible,
        unit=facts.unit,
        treated=tuple(unit.key for unit in treated),
        controls=tuple(unit.key for unit in controls),
        baseline_periods=periods,
    )


def _say_lonely(facts: Facts, controls: Sequence[UnitCounts]) -> str:
    if not facts.candidates:
        return "nothing comparable is left alone."
    return (
        f"of {len(facts.candidates)} that are left alone, {len(controls)} moved alike before, and {FEWEST_CONTROLS} are the "
        "fewest that are compared with."
    )


def _say_visible(visible: Decimal, facts: Facts) -> str:
    change = "fall" if facts.metric in LOSSES else "rise"
    text = f"A {change} by {say_share(visible)} or more will be found nine times in ten"
    if visible <= facts.minimum_effect:
        return f"{text}."
    return f"{text}; one by {say_share(facts.minimum_effect)}, which would be worth knowing of, may not be."


def _none(facts: Facts, reason: str) -> EffectDesign:
    return _design(facts, NONE, f"Cannot be told: {reason}")


def _design(facts: Facts, method: str, sentence: str, **more: Any) -> EffectDesign:
    return EffectDesign(
        method=method,
        metric=facts.metric,
        window_days=facts.window_days,
        minimum_effect=facts.minimum_effect,
        sentence=sentence,
        where=freeze_where(facts.where),
        **more,
    )


def _up(change: float) -> Decimal:
    """A change that can be seen, rounded up."""
    return Decimal(str(round(change, DECIMALS))).quantize(STEP, ROUND_UP)
