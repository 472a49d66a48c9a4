"""Designs and effects in plain words."""

from collections.abc import Sequence

from reviews.choices import Verdict
from reviews.rules.effects.design import MEMBER_SHARES, EffectDesign

MOST_NAMED = 4
OUTCOMES: dict[str, str] = {
    Verdict.WORKED: "It worked.",
    Verdict.HARMED: "It did harm.",
    Verdict.NO_EVIDENCE: "No evidence that it did anything.",
    Verdict.CANNOT_TELL: "Too little data to tell.",
}


def say_effect(design: EffectDesign, verdict: str, estimate: float | None, low: float | None, high: float | None) -> str:
    """One sentence on what was measured, the verdict first."""
    than = "those held out" if design.hold_out_share else "the comparison"
    return f"{OUTCOMES[verdict]} {say_difference(design.metric, than, estimate, low, high)}"


def say_difference(metric: str, than: str, estimate: float | None, low: float | None, high: float | None) -> str:
    """The relative change of a metric against somebody, with its interval, as one sentence."""
    name = say_metric(metric)
    if estimate is None:
        return f"{name}: nobody among {than}, so that there is no relative change."
    most = "with no upper end" if high is None else f"to {say_change(high)}"
    return f"{name}: {say_change(estimate)} against {than} (95 % interval {say_change(low or 0.0)} {most})."


def say_metric(metric: str) -> str:
    """What is compared, as the beginning of a sentence."""
    stage = MEMBER_SHARES.get(metric)
    return f"Members who {stage}" if stage else metric.replace("_", " ").capitalize()


def say_change(change: float) -> str:
    """A relative change in percent with its sign."""
    return f"{change * 100:+.1f} %".replace("-", "−")


def say_names(names: Sequence[str]) -> str:
    """Some names, and how many there are beside them."""
    shown = [name or "unknown" for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
