"""Why a partner falls behind: which step of its funnel loses most against what was expected of it. docs/rules/diagnosis.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from reviews.choices import Cause, RuleTarget
from reviews.rules.flags import Crossing
from reviews.rules.measures import DECIMALS
from reviews.rules.sentences import say_season

ABOUT_AS_MUCH = 0.75  # a second cause that loses so much of what the first loses makes it mixed
LEAST_LEFT = 0.01  # so that the loss of everything is still a number
MOST_CARRIERS = 3
CARRIES = 0.2  # share of the fall that an offer or a segment must carry to be named
CAUSE_OF = {
    "impressions": Cause.AWARENESS,
    "views": Cause.AWARENESS,
    "members_viewed": Cause.AWARENESS,
    "members_any": Cause.AWARENESS,
    "unlocks": Cause.RELEVANCE,
    "members_unlocked": Cause.RELEVANCE,
    "unlock_rate": Cause.RELEVANCE,
    "view_rate": Cause.RELEVANCE,
    "activations": Cause.RELEVANCE,
    "members_activated": Cause.RELEVANCE,
    "activation_rate": Cause.RELEVANCE,
    "redemptions": Cause.FRICTION,
    "members_redeemed": Cause.FRICTION,
    "redemption_rate": Cause.FRICTION,
    "redemptions_per_unlock": Cause.FRICTION,
    "redemptions_per_view": Cause.FRICTION,
    "failures": Cause.DELIVERY,
    "attempts": Cause.RELEVANCE,
    "failure_rate": Cause.DELIVERY,
    "reversals": Cause.REVERSALS,
    "reversal_rate": Cause.REVERSALS,
}
LOSSES = ("failure_rate", "reversal_rate", "failures", "reversals")
ACTIONS = {
    Cause.AWARENESS: ("rerank", "promotional_push"),
    Cause.RELEVANCE: ("refresh_listing",),
    Cause.DELIVERY: ("contact_partner", "pause_offer"),
    Cause.FRICTION: ("contact_partner", "pause_offer"),
    Cause.REVERSALS: ("contact_partner", "pause_offer"),
    Cause.MIXED: ("contact_partner", "refresh_listing"),
}
# What explains a crossing without anybody's fault, in the order in which it is said.
EXPLAINED = ((Cause.MARKET_WIDE, "market_wide"), (Cause.POSITION, "position"))


@dataclass(frozen=True)
class Loss:
    """What one cause takes from a partner, as the logarithm of what is left of its redemptions; and the crossing that says so."""

    cause: str
    size: float
    crossing: Crossing


@dataclass(frozen=True)
class Part:
    """What an offer or a segment has of a metric, against what its own past lets expect."""

    target: str
    key: str
    metric: str
    observed: float
    expected: float
    missing: float  # events of the numerator


def diagnose(
    partner: str, crossings: Sequence[Crossing], failed: Mapping[str, int] | None, parts: Sequence[Part]
) -> dict[str, Any] | None:
    """
    The diagnosis of a partner, or None where no rule is crossed.

    failed: its failed unlocks, activations and redemptions. parts: its offers and segments.
    Shape: {"cause", "sentence", "evidence": [...], "carriers": [...], "actions": [{"kind", "target"}]}.
    Source: docs/rules/diagnosis.md
    """
    flags = [crossing for crossing in crossings if crossing.is_flag]
    if not flags:
        return _without_flag(crossings)
    losses = _losses(flags, failed or {})
    if not losses:
        return None  # what is flagged is no loss: more of something good, or less of something bad
    first = losses[0]
    others = [loss for loss in losses[1:] if loss.size >= ABOUT_AS_MUCH * first.size]
    cause = Cause.MIXED if others else first.cause
    carriers = _carriers(first.crossing, parts)
    named = [_sentence(loss, failed or {}) for loss in ([first, *others] if others else [first])]
    return {
        "cause": str(cause),
        "sentence": " ".join([*named, *_where(first.crossing, carriers)]),
        "evidence": [_as_json(loss) for loss in losses],
        "carriers": carriers,
        "actions": [{"kind": kind, "target": _target(kind, partner, first.crossing, carriers)} for kind in ACTIONS[Cause(cause)]],
    }


def _without_flag(crossings: Sequence[Crossing]) -> dict[str, Any] | None:
    """What explains crossings of the whole partner that are no flags, or that they may be chance."""
    crossings = [crossing for crossing in crossings if crossing.target == RuleTarget.PARTNER]
    for cause, reason in EXPLAINED:
        explained = [crossing for crossing in crossings if crossing.evidence.get("why_no_flag") == reason]
        if explained:
            return _quiet(cause, explained[0])
    unsure = [
        crossing for crossing in crossings if crossing.evidence.get("why_no_flag") == "not_confirmed" and not crossing.target_key
    ]
    return _quiet(Cause.TOO_LITTLE_DATA, unsure[0]) if unsure else None


def _quiet(cause: str, crossing: Crossing) -> dict[str, Any]:
    return {
        "cause": str(cause),
        "sentence": _sentence_without_flag(cause, crossing),
        "evidence": [_as_json(Loss(cause, 0.0, crossing))],
        "carriers": [],
        "actions": [],
    }


def _losses(flags: Sequence[Crossing], failed: Mapping[str, int]) -> list[Loss]:
    """One loss for each cause that a flag names, the largest first; flags on what is no loss name none."""
    whole = [flag for flag in flags if flag.target == RuleTarget.PARTNER] or list(flags)
    failing = [flag for flag in whole if flag.metric in ("failure_rate", "failures")]
    found: dict[str, Loss] = {}
    for flag in whole:
        cause = CAUSE_OF[flag.metric]
        if flag.metric in ("failure_rate", "failures") and failed.get("failed_redemptions", 0) * 2 > sum(failed.values()):
            cause = Cause.FRICTION
        elif failing and cause in (Cause.RELEVANCE, Cause.FRICTION) and _is_explained(flag, failed):
            cause = CAUSE_OF["failure_rate"] if cause == Cause.RELEVANCE else Cause.FRICTION
        loss = Loss(cause, _size(flag, whole), flag)
        if loss.size > (found[cause].size if cause in found else 0.0):
            found[cause] = loss
    return sorted(found.values(), key=lambda loss: (-loss.size, loss.cause))


def _is_explained(flag: Crossing, failed: Mapping[str, int]) -> bool:
    """Whether the rate would be as expected if what failed had succeeded."""
    step = {"activation_rate": "failed_activations", "unlock_rate": "failed_unlocks", "redemption_rate": "failed_redemptions"}
    extra = failed.get(step.get(flag.metric, ""), 0)
    denominator = flag.evidence["denominator"]
    return bool(denominator) and (flag.evidence["numerator"] + extra) / denominator >= flag.threshold


def _size(flag: Crossing, flags: Sequence[Crossing]) -> float:
    """What a flag loses by itself: where views follow unlocks, fewer views for each unlock are no second loss of views."""
    size = loss_of(flag.metric, flag.observed, _expected(flag))
    if flag.metric != "views":
        return size
    before = [loss_of(other.metric, other.observed, _expected(other)) for other in flags if other.metric == "view_rate"]
    return round(max(0.0, size - max(before)), 6) if before else size


def loss_of(metric: str, observed: float, expected: float) -> float:
    """
    How much of what was expected is lost, as a logarithm: 0 is nothing.

    Source: docs/rules/diagnosis.md
    """
    if metric in LOSSES and metric.endswith("_rate"):
        left = (1 - min(1.0, observed)) / (1 - min(0.99, expected))
    elif metric in LOSSES:
        left = expected / observed if observed else 1.0
    else:
        left = observed / expected if expected else 1.0
    return round(abs(log(min(1.0, max(LEAST_LEFT, left)))), DECIMALS)


def _carriers(crossing: Crossing, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The offers and segments that carry most of the fall."""
    mine = [part for part in parts if part.metric == crossing.metric]
    found = []
    for target in (RuleTarget.OFFER, RuleTarget.PARTNER_SEGMENT):
        of_kind = [part for part in mine if part.target == target]
        families: dict[str, list[Part]] = {}
        for part in of_kind:
            families.setdefault(part.key.split("=")[0] if target == RuleTarget.PARTNER_SEGMENT else "", []).append(part)
        for family in families.values():
            lacking = [part for part in family if part.missing > 0]
            total = sum(part.missing for part in lacking)
            for part in sorted(lacking, key=lambda one: (-one.missing, one.key))[:MOST_CARRIERS]:
                share = part.missing / total
                if share >= CARRIES and len(family) > 1 and share > 1.5 / len(family):
                    found.append(
                        {
                            "target": str(target),
                            "key": part.key,
                            "share": round(share, 3),
                            "observed": part.observed,
                            "expected": part.expected,
                        }
                    )
    return sorted(found, key=lambda carrier: (-carrier["share"], carrier["key"]))


def _target(kind: str, partner: str, crossing: Crossing, carriers: Sequence[Mapping[str, Any]]) -> str:
    """What an action is best aimed at: the offer that carries the fall, else the partner."""
    if kind in ("pause_offer", "refresh_listing"):
        if crossing.target == RuleTarget.OFFER:
            return crossing.target_key
        for carrier in carriers:
            if carrier["target"] == RuleTarget.OFFER:
                return str(carrier["key"])
    return partner


def _as_json(loss: Loss) -> dict[str, Any]:
    crossing = loss.crossing
    return {
        "cause": str(loss.cause),
        "loss": loss.size,
        "rule": crossing.rule,
        "metric": crossing.metric,
        "observed": crossing.observed,
        "expected": _expected(crossing),
        "numerator": crossing.evidence["numerator"],
        "denominator": crossing.evidence["denominator"],
        "target": str(crossing.target),
        "target_key": crossing.target_key,
    }


def _expected(crossing: Crossing) -> float:
    """What was expected, or where nothing but a limit is known, the limit."""
    return float(crossing.evidence.get("reference", {}).get("value", crossing.threshold))


WORDS = {
    "impressions": "Impressions",
    "views": "Views",
    "unlocks": "Unlocks",
    "activations": "Activations",
    "redemptions": "Redemptions",
    "unlock_rate": "Unlocks per view",
    "view_rate": "Views per unlock",
    "activation_rate": "Activations per unlock",
    "redemption_rate": "Redemptions per activation",
    "redemptions_per_unlock": "Redemptions per unlock",
    "redemptions_per_view": "Redemptions per view",
    "failure_rate": "Failed attempts",
    "reversal_rate": "Reversals per redemption",
}
MEANINGS = {
    Cause.AWARENESS: "Members do not get to see the offers",
    Cause.RELEVANCE: "Members see the offers and do not want them",
    Cause.DELIVERY: "What members ask for is not delivered",
    Cause.FRICTION: "Members activate and cannot or do not redeem",
    Cause.REVERSALS: "Redemptions are taken back",
}


def number_words(metric: str, value: float) -> str:
    """A figure as people read it: 12.3 % for a rate, 1,234 for a number."""
    is_rate = metric.endswith("_rate") or metric.startswith("redemptions_per")
    return f"{100 * value:.1f} %" if is_rate else f"{value:,.0f}"


def _words(metric: str) -> str:
    return WORDS.get(metric, metric.replace("_", " ").capitalize())


def _seen(crossing: Crossing) -> str:
    """What was seen and what was expected, in one clause."""
    observed, told = number_words(crossing.metric, crossing.observed), crossing.evidence
    of = f" ({told['numerator']:,} of {told['denominator']:,})" if told["numerator"] != told["denominator"] else ""
    if "reference" not in told:
        return (
            f"{_words(crossing.metric)}: {observed}{of}, where {number_words(crossing.metric, crossing.threshold)} is the limit"
        )
    expected = number_words(crossing.metric, told["reference"]["value"])
    months = told["reference"]["months"]
    since = "the month before" if months == 1 else f"the {months} months before"
    return f"{_words(crossing.metric)}: {observed}{of}, where {since} let expect {expected}{say_season(told['reference'])}"


def _sentence(loss: Loss, failed: Mapping[str, int]) -> str:
    more = ""
    if loss.cause in (Cause.DELIVERY, Cause.FRICTION) and any(failed.values()):
        steps = {name: name.removeprefix("failed_").removesuffix("s") for name in sorted(failed)}
        parts = [f"{failed[name]:,} {step}{'' if failed[name] == 1 else 's'}" for name, step in steps.items() if failed[name]]
        more = f" Failed: {', '.join(parts)}."
    return f"{MEANINGS[Cause(loss.cause)]}. {_seen(loss.crossing)}.{more}"


def say_carriers(carriers: Sequence[Mapping[str, Any]]) -> str:
    """
    Which offers and segments carry a fall, as one short sentence; "" where none stands out.

    carriers: of a diagnosis; groups that are too small to be shown are not among them.
    Source: docs/rules/diagnosis.md
    """
    named = [
        f"{_part_words(carrier['target'], carrier['key'])} ({100 * carrier['share']:.0f} %)"
        for carrier in carriers[:MOST_CARRIERS]
    ]
    return f"Most of the fall is carried by {', '.join(named)}." if named else ""


def _where(crossing: Crossing, carriers: Sequence[Mapping[str, Any]]) -> list[str]:
    if crossing.target == RuleTarget.OFFER:
        return [f"Only the offer {crossing.target_key} is concerned."]
    if crossing.target == RuleTarget.PARTNER_SEGMENT:
        return [f"Only members with {_part_words(crossing.target, crossing.target_key)} are concerned."]
    said = say_carriers(carriers)
    return [said] if said else []


def _part_words(target: str, key: str) -> str:
    """An offer by its id; a segment as "region north", or "no region" for members of whom it is not known."""
    if target != RuleTarget.PARTNER_SEGMENT:
        return key
    attribute, _, value = key.partition("=")
    return f"{attribute} {value}" if value else f"no {attribute}"


def _sentence_without_flag(cause: str, crossing: Crossing) -> str:
    seen = _seen(crossing)
    if cause == Cause.MARKET_WIDE:
        return f"{seen}; but the whole category moved alike, so that it is not held against the partner."
    if cause == Cause.POSITION:
        return f"{seen}; but the offers were shown further down, which explains it."
    return f"{seen}. This may be chance: it is too little data to say."
