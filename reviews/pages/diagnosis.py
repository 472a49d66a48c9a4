"""Why a partner falls behind, as a scorecard shows it."""

from typing import Any

from activity.metrics import METRICS
from plum_site.lib.present import Table, badge, rate
from reviews.choices import Cause, RuleTarget
from reviews.models import Scorecard
from reviews.pages.flags import show_measured
from reviews.rules.report import say_target

CAUSE_TONES = {Cause.MARKET_WIDE: "idle", Cause.POSITION: "idle", Cause.TOO_LITTLE_DATA: "idle", Cause.MIXED: "warn"}
TARGET_NAMES = {RuleTarget.OFFER: "Offer", RuleTarget.PARTNER_SEGMENT: "Segment", RuleTarget.PARTNER: "Partner"}
ACTION_NAMES = {
    "rerank": "Rank its offers higher where they sell",
    "promotional_push": "Tell members about its offers",
    "refresh_listing": "Refresh the listing",
    "contact_partner": "Contact the partner",
    "pause_offer": "Pause the offer",
    "replace_partner": "Replace the partner",
}


def show_diagnosis(card: Scorecard) -> dict[str, Any] | None:
    """The diagnosis of a scorecard as its page shows it, or None where nothing was crossed."""
    told = card.diagnosis
    if not told:
        return None
    cause = Cause(told["cause"])
    steps = [
        [
            Cause(one["cause"]).label,
            f"{METRICS[one['metric']].label}{say_target(one['target'], one['target_key'])}",
            show_measured(one["metric"], one["observed"]),
            show_measured(one["metric"], one["expected"]),
        ]
        for one in told["evidence"]
    ]
    carriers = [
        [TARGET_NAMES[RuleTarget(one["target"])], one["key"].replace("=", " "), rate(one["share"])] for one in told["carriers"]
    ]
    return {
        "badge": badge(cause.label, CAUSE_TONES.get(cause, "bad")),
        "sentence": told["sentence"],
        "steps": Table("What was lost", ["Cause", "Metric", "Observed", "Expected"], steps, numeric=frozenset({2, 3})),
        "carriers": Table("Who carries the fall", ["What", "Which", "Share of the fall"], carriers, numeric=frozenset({2}))
        if carriers
        else None,
        "actions": [f"{ACTION_NAMES[one['kind']]} ({one['target']})" for one in told["actions"]],
    }
