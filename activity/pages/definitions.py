"""What every figure means, from the one declaration of each metric: beside the figure, and on a page of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from activity.metrics import DECLARED, METRIC_VERSION, METRICS, Metric, Unit
from plum_site.lib.admin import page, program_of, show
from plum_site.lib.present import NOT_RECORDED

UNITS = {
    Unit.COUNT: "a whole number of events",
    Unit.MEMBERS: "a whole number of people",
    Unit.RATIO: "a ratio, shown as per cent",
    Unit.MONEY: "amounts, one for each currency",
    Unit.RATIO_BY_CURRENCY: "a ratio for each currency, shown as per cent",
    Unit.FUNNEL: "pairs of a member and an offer, and the members behind them, stage by stage",
}
RULES = {
    Unit.COUNT: "An event counts once, however often it was sent, on the program day on which it happened.",
    Unit.MEMBERS: "Each member counts once in a group, so groups do not add up to their total. Exact, never estimated.",
    Unit.RATIO: "Divided from whole numbers. Empty where the divisor is 0 or a stage is not recorded; it may exceed 100 %.",
    Unit.MONEY: "Currencies are never added together. Only redeemed events carry amounts into it.",
    Unit.RATIO_BY_CURRENCY: "Only for currencies in which the program has a net spend other than 0.",
    Unit.FUNNEL: "A pair belongs to the period of its very first step; the later steps may come after it, in order.",
}
RULES_OF = {
    "reversals": "A reversal counts in the period in which it happened, not in that of what it takes back.",
    "eligible_members": "People as they are known now, with the attributes at the end of the period.",
    "share_of_redemptions": "The divisor is the whole program in the same period, whatever the filters.",
    "average_spend": "Rounded half-even to the smallest unit of the currency.",
    "cost_per_redemption": "Rounded half-even to the smallest unit of the currency.",
}


@dataclass(frozen=True)
class Definition:
    """One metric in words. is_recorded: whether the program records what it needs."""

    key: str
    label: str
    formula: str
    unit: str
    rule: str
    needs: str
    settles: bool
    is_recorded: bool

    @property
    def url(self) -> str:
        """Its place on the page of definitions."""
        return f"{reverse('admin:activity_definitions')}#{self.key}"


def define(key: str, recorded_stages: Sequence[str]) -> Definition:
    """One metric in words."""
    metric = METRICS[key]
    return Definition(
        key,
        metric.label,
        metric.formula,
        UNITS[metric.unit],
        RULES_OF.get(key, RULES[metric.unit]),
        say_needs(metric),
        metric.settles,
        metric.is_recorded(recorded_stages),
    )


def say_needs(metric: Metric) -> str:
    """Which stages a program must record for it."""
    return " and ".join(metric.stages) or " or ".join(metric.any_stage)


@page("activity/definitions/", name="activity_definitions", operation="metric.read", title="Definitions")
def show_definitions(request: HttpRequest) -> HttpResponse:
    """Every metric, in the order of its declaration."""
    stages = program_of(request).recorded_stages
    return show(
        request,
        "activity/definitions.html",
        title="What every figure means",
        definitions=[define(metric.key, stages) for metric in DECLARED],
        version=METRIC_VERSION,
        not_recorded=NOT_RECORDED,
        back_url=reverse("admin:activity_dashboard"),
        back_label="Activity dashboard",
    )
