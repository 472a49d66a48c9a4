"""Champion and challenger: what the comparison of both arms of a trial says, so far or at its end."""

from decimal import Decimal

from reviews.choices import Verdict
from reviews.rules.effects import HOLD_OUT, Effect, EffectDesign, say_difference, say_effect

TRIED_METRICS = {"activations": "activated", "redemptions": "redeemed"}  # to the stage that the program must record
CHAMPION = "those who see the old offers"
TRIED_OUTCOMES: dict[str, str] = {
    Verdict.WORKED: "The new offers do better{0}.",
    Verdict.HARMED: "The new offers do worse{0}.",
    Verdict.NO_EVIDENCE: "No difference is seen{0}.",
    Verdict.CANNOT_TELL: "Too little data to tell{0}.",
}
SO_FAR: dict[str, str] = {Verdict.CANNOT_TELL: " yet"}


def design_trial(metric: str, days: int, offers: list[str], share_percent: int, salt: str) -> EffectDesign:
    """
    How a metric is compared: events per member on the offers of the trial, old and new together, over so many days. Whoever is
    not drawn keeps the old offers, and is in the place of those held out.

    Source: docs/rules/trial.md
    """
    return EffectDesign(
        method=HOLD_OUT,
        metric=metric,
        window_days=days,
        where=(("offer", tuple(sorted(offers))),),
        hold_out_share=1 - Decimal(share_percent) / 100,
        salt=salt,
    )


def say_trial(design: EffectDesign, effect: Effect, is_over: bool) -> str:
    """
    What a measured metric says of a trial, in words; of one that still runs, only so far.

    Source: docs/rules/trial.md
    """
    when = "" if is_over else SO_FAR.get(effect.verdict, " so far")
    outcome = TRIED_OUTCOMES[effect.verdict].format(when)
    measured = say_effect(design, effect.verdict, effect.estimate, effect.low, effect.high)
    if "treated_figure" not in effect.numbers:  # nothing was worked out: the sentence says why
        reason = effect.sentence.removeprefix("Cannot be told: ")
        return f"{outcome} {reason[:1].upper()}{reason[1:]}"
    more = effect.sentence.removeprefix(measured)  # the days that were left out
    return f"{outcome} {say_difference(design.metric, CHAMPION, effect.estimate, effect.low, effect.high)}{more}"


def say_outcome(verdict: str) -> str:
    """
    What a verdict on a trial that is over says, without figures: those of the old offers are another partner's.

    Source: docs/rules/trial.md
    """
    return TRIED_OUTCOMES[verdict].format("")
