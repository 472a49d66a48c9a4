"""
Every metric, declared once, and the one function that turns tallies into figures. Pure: no database, no Django.

Dashboard, API, CSV, scorecard and mail show what `measure` returns and nothing else.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum
from itertools import combinations
from typing import Any

from activity.choices import Kind, Measure, Status
from plum_site.lib.money import format_minor

METRIC_VERSION = 1
RATE_STEP = Decimal("1e-9")

IMPRESSION, VIEWED, UNLOCKED, ACTIVATED, REDEEMED = "impression", "viewed", "unlocked", "activated", "redeemed"
STAGES = (IMPRESSION, VIEWED, UNLOCKED, ACTIVATED, REDEEMED)
ATTEMPTED = (Kind.UNLOCKED, Kind.ACTIVATED, Kind.REDEEMED)


class Unit(StrEnum):
    """What a figure is, and so how it is written."""

    COUNT = "count"  # whole number of events
    MEMBERS = "members"  # whole number of people
    RATIO = "ratio"  # number with at most 9 decimals, or null
    MONEY = "money"  # {currency: decimal string}
    RATIO_BY_CURRENCY = "ratio_by_currency"  # {currency: number}
    FUNNEL = "funnel"  # [{"stage", "pairs", "members"}]


@dataclass(frozen=True)
class Metric:
    """
    One named number.

    stages: all of these must be recorded; any_stage: at least one of these. over: numerator and divisor of a ratio.
    settles: there is also `settled_<key>`, the same over the settled window.
    """

    key: str
    label: str
    formula: str
    unit: Unit
    stages: tuple[str, ...] = ()
    any_stage: tuple[str, ...] = ()
    over: tuple[str, str] | None = None
    settles: bool = False
    version: int = METRIC_VERSION

    def is_recorded(self, recorded_stages: Collection[str]) -> bool:
        """Whether a program that records these stages can have the metric."""
        return all(stage in recorded_stages for stage in self.stages) and (
            not self.any_stage or any(stage in recorded_stages for stage in self.any_stage)
        )


def _ratio(key: str, label: str, over: tuple[str, str], *stages: str, **options: Any) -> Metric:
    formula = f"{over[0]} ÷ {over[1]}".replace("_", " ")
    return Metric(key, label, formula, Unit.RATIO, stages, over=over, **options)


DONE = (UNLOCKED, ACTIVATED, REDEEMED)
SEEN = (IMPRESSION, VIEWED)
DECLARED = (
    Metric("impressions", "Impressions", "confirmed impression events", Unit.COUNT, (IMPRESSION,)),
    Metric("views", "Views", "confirmed viewed events", Unit.COUNT, (VIEWED,)),
    Metric("unlocks", "Unlocks", "confirmed unlocked events", Unit.COUNT, (UNLOCKED,)),
    Metric("activations", "Activations", "confirmed activated events", Unit.COUNT, (ACTIVATED,)),
    Metric("redemptions", "Redemptions", "confirmed redeemed events", Unit.COUNT, (REDEEMED,)),
    Metric("failures", "Failures", "events of status failed", Unit.COUNT),
    Metric("attempts", "Attempts", "confirmed and failed unlocks, activations and redemptions", Unit.COUNT),
    Metric("reversals", "Reversals", "redeemed events of status reversed, when they were reversed", Unit.COUNT, (REDEEMED,)),
    Metric("spend", "Spend", "sum of spend over redemptions", Unit.MONEY, (REDEEMED,), settles=True),
    Metric("reversed_spend", "Reversed spend", "sum of spend over reversals", Unit.MONEY, (REDEEMED,), settles=True),
    Metric("net_spend", "Net spend", "spend − reversed spend", Unit.MONEY, (REDEEMED,), settles=True),
    Metric("reward_cost", "Reward cost", "sum of reward cost over redemptions", Unit.MONEY, (REDEEMED,), settles=True),
    Metric(
        "reversed_reward_cost", "Reversed reward cost", "sum of reward cost over reversals", Unit.MONEY, (REDEEMED,), settles=True
    ),
    Metric("net_reward_cost", "Net reward cost", "reward cost − reversed reward cost", Unit.MONEY, (REDEEMED,), settles=True),
    Metric("members_viewed", "Members who viewed", "distinct members with a confirmed view", Unit.MEMBERS, (VIEWED,)),
    Metric("members_unlocked", "Members who unlocked", "distinct members with a confirmed unlock", Unit.MEMBERS, (UNLOCKED,)),
    Metric(
        "members_activated", "Members who activated", "distinct members with a confirmed activation", Unit.MEMBERS, (ACTIVATED,)
    ),
    Metric("members_redeemed", "Members who redeemed", "distinct members with a confirmed redemption", Unit.MEMBERS, (REDEEMED,)),
    Metric("members_any", "Active members", "distinct members with any event of any kind and status", Unit.MEMBERS),
    Metric("members_reached", "Members reached", "distinct members with a confirmed impression or view", Unit.MEMBERS, (), SEEN),
    Metric(
        "members_engaged",
        "Members engaged",
        "distinct members with a confirmed unlock, activation or redemption",
        Unit.MEMBERS,
        (),
        DONE,
    ),
    Metric("eligible_members", "Eligible members", "active members in the audience of an offer live in the period", Unit.MEMBERS),
    _ratio("unlock_rate", "Unlock rate", ("unlocks", "views"), UNLOCKED, VIEWED, settles=True),
    _ratio("view_rate", "View rate", ("views", "unlocks"), UNLOCKED, VIEWED, settles=True),
    _ratio("activation_rate", "Activation rate", ("activations", "unlocks"), ACTIVATED, UNLOCKED, settles=True),
    _ratio("redemption_rate", "Redemption rate", ("redemptions", "activations"), REDEEMED, ACTIVATED, settles=True),
    _ratio("redemptions_per_unlock", "Redemptions per unlock", ("redemptions", "unlocks"), REDEEMED, UNLOCKED, settles=True),
    _ratio("redemptions_per_view", "Redemptions per view", ("redemptions", "views"), REDEEMED, VIEWED, settles=True),
    _ratio("reversal_rate", "Reversal rate", ("reversals", "redemptions"), REDEEMED, settles=True),
    _ratio("failure_rate", "Failure rate", ("failures", "attempts"), any_stage=DONE, settles=True),
    _ratio("reach_rate", "Reach", ("members_reached", "eligible_members"), any_stage=SEEN),
    _ratio("engagement_rate", "Engagement", ("members_engaged", "eligible_members"), any_stage=DONE),
    Metric("average_spend", "Average spend", "spend ÷ redemptions that carry an amount in the currency", Unit.MONEY, (REDEEMED,)),
    Metric(
        "cost_per_redemption",
        "Cost per redemption",
        "reward cost ÷ redemptions that carry a reward cost in the currency",
        Unit.MONEY,
        (REDEEMED,),
    ),
    Metric("share_of_redemptions", "Share of redemptions", "redemptions ÷ redemptions of the program", Unit.RATIO, (REDEEMED,)),
    Metric(
        "share_of_net_spend",
        "Share of net spend",
        "net spend ÷ net spend of the program, by currency",
        Unit.RATIO_BY_CURRENCY,
        (REDEEMED,),
    ),
    Metric(
        "funnel",
        "Funnel",
        "member-offer pairs whose first stage falls in the period, and how far they came in order",
        Unit.FUNNEL,
    ),
)
METRICS: dict[str, Metric] = {metric.key: metric for metric in DECLARED} | {
    f"settled_{metric.key}": Metric(
        f"settled_{metric.key}",
        f"{metric.label}, settled",
        f"{metric.formula}, over the settled window",
        metric.unit,
        metric.stages,
        metric.any_stage,
    )
    for metric in DECLARED
    if metric.settles
}
SETTLING = tuple(metric.key for metric in DECLARED if metric.settles)
EVENT_COUNTS = {
    "impressions": Kind.IMPRESSION,
    "views": Kind.VIEWED,
    "unlocks": Kind.UNLOCKED,
    "activations": Kind.ACTIVATED,
    "redemptions": Kind.REDEEMED,
}


@dataclass
class Tally:
    """
    What was counted for one group: integers only, so that adding up in any order gives the same.

    events: (kind, status) to number. amounts: (measure, status, currency) to (number, minor units) over redeemed events.
    members: metric key to distinct members; None where they were not counted. eligible: None where not counted.
    """

    events: dict[tuple[int, int], int] = field(default_factory=dict)
    amounts: dict[tuple[int, int, str], tuple[int, int]] = field(default_factory=dict)
    members: Mapping[str, int] | None = None
    eligible: int | None = None
    funnel: list[dict[str, Any]] | None = None

    def add_events(self, kind: int, status: int, count: int) -> None:
        """So many more events of a kind and status."""
        self.events[kind, status] = self.events.get((kind, status), 0) + count

    def add_amount(self, measure: int, status: int, currency: str, count: int, minor: int) -> None:
        """So many more redeemed events that carry so much in a currency."""
        had_count, had_minor = self.amounts.get((measure, status, currency), (0, 0))
        self.amounts[measure, status, currency] = (had_count + count, had_minor + minor)

    def add(self, other: "Tally") -> None:
        """Add another group's events and amounts. People cannot be added up, so theirs stay out."""
        for (kind, status), count in other.events.items():
            self.add_events(kind, status, count)
        for (measure, status, currency), (count, minor) in other.amounts.items():
            self.add_amount(measure, status, currency, count, minor)

    def minor_by_currency(self, measure: int, status: int) -> dict[str, int]:
        """Minor units by currency, in alphabetical order of the currencies that occur."""
        return {c: minor for (m, s, c), (_count, minor) in sorted(self.amounts.items()) if (m, s) == (measure, status)}


def divide(numerator: int, divisor: int) -> float | None:
    """A ratio of integers, half-even to 9 decimals, as a JSON number; None where the divisor is 0. Never capped."""
    if divisor == 0:
        return None
    with localcontext() as context:
        context.prec = 60  # the quotient is exact far beyond the last kept decimal
        return float((Decimal(numerator) / Decimal(divisor)).quantize(RATE_STEP, ROUND_HALF_EVEN))


def measure(
    tally: Tally, recorded_stages: Collection[str], *, settled: Tally | None = None, program: Tally | None = None
) -> dict[str, Any]:
    """
    Every metric of one group, in the order of METRICS.

    settled: the same group over the settled window (None: settled figures are null). program: the program's own
    events and amounts in the period, which the shares divide by (None: shares are null).
    Units: counts and members are integers; ratios numbers or None; money {currency: decimal string}.
    Source: docs/rules/metrics.md
    """
    row = dict.fromkeys(METRICS)
    figures = _figures(tally, recorded_stages)
    row |= figures
    row["share_of_redemptions"], row["share_of_net_spend"] = _shares(tally, program, recorded_stages)
    row["funnel"] = tally.funnel
    if settled is not None:
        older = _figures(settled, recorded_stages)
        row |= {f"settled_{key}": older[key] for key in SETTLING}
    return row


def suppressed_row() -> dict[str, Any]:
    """Every metric as null: what is shown of a group that is too small."""
    return dict.fromkeys(METRICS)


def shown_rates(stage_order: str) -> tuple[str, ...]:
    """The rates that fit a program's stage order, from the first step to the last."""
    first = "view_rate" if stage_order == "unlock_first" else "unlock_rate"
    return (first, "activation_rate", "redemption_rate")


def funnel_stages(stage_order: str, recorded_stages: Collection[str]) -> list[str]:
    """The recorded stages of the ordered funnel, first to last. Impressions are not part of it."""
    start = [UNLOCKED, VIEWED] if stage_order == "unlock_first" else [VIEWED, UNLOCKED]
    return [stage for stage in [*start, ACTIVATED, REDEEMED] if stage in recorded_stages]


def _figures(tally: Tally, recorded_stages: Collection[str]) -> dict[str, Any]:
    """Counts, members, money and ratios of one tally."""
    figures: dict[str, Any] = {key: tally.events.get((kind, Status.CONFIRMED), 0) for key, kind in EVENT_COUNTS.items()}
    figures["failures"] = sum(count for (_kind, status), count in tally.events.items() if status == Status.FAILED)
    tried = (Status.CONFIRMED, Status.FAILED)
    figures["attempts"] = sum(tally.events.get((kind, status), 0) for kind in ATTEMPTED for status in tried)
    figures["reversals"] = tally.events.get((Kind.REDEEMED, Status.REVERSED), 0)
    for key in METRICS:
        if METRICS[key].unit is Unit.MEMBERS:
            figures[key] = None if tally.members is None else tally.members.get(key, 0)
    figures["eligible_members"] = tally.eligible
    figures |= _money(tally)
    for metric in DECLARED:
        if not metric.is_recorded(recorded_stages) and metric.key in figures:
            figures[metric.key] = {} if metric.unit is Unit.MONEY else None if figures[metric.key] is None else 0
    for metric in DECLARED:
        if metric.over:
            numerator, divisor = figures[metric.over[0]], figures[metric.over[1]]
            known = metric.is_recorded(recorded_stages) and numerator is not None and divisor is not None
            figures[metric.key] = divide(numerator, divisor) if known else None
    return figures


def _money(tally: Tally) -> dict[str, dict[str, str]]:
    """The eight money metrics as decimal strings by currency."""
    figures = {}
    for measure_code, name, average in (
        (Measure.SPEND, "spend", "average_spend"),
        (Measure.REWARD_COST, "reward_cost", "cost_per_redemption"),
    ):
        gross = tally.minor_by_currency(measure_code, Status.CONFIRMED)
        back = tally.minor_by_currency(measure_code, Status.REVERSED)
        figures[name] = _texts(gross)
        figures[f"reversed_{name}"] = _texts(back)
        figures[f"net_{name}"] = _texts(_net(tally, measure_code))
        counts = {c: tally.amounts[measure_code, Status.CONFIRMED, c][0] for c in gross}
        figures[average] = _texts({c: _half_even(gross[c], counts[c]) for c in gross if counts[c]})
    return figures


def _texts(minor_by_currency: Mapping[str, int]) -> dict[str, str]:
    return {currency: format_minor(minor, currency) for currency, minor in sorted(minor_by_currency.items())}


def _net(tally: Tally, measure_code: int) -> dict[str, int]:
    gross = tally.minor_by_currency(measure_code, Status.CONFIRMED)
    back = tally.minor_by_currency(measure_code, Status.REVERSED)
    return {currency: gross.get(currency, 0) - back.get(currency, 0) for currency in sorted({*gross, *back})}


def _half_even(minor: int, count: int) -> int:
    """Minor units per event, rounded half-even to a whole minor unit."""
    whole, rest = divmod(minor, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


def _shares(
    tally: Tally, program: Tally | None, recorded_stages: Collection[str]
) -> tuple[float | None, dict[str, float] | None]:
    if program is None:
        return None, None
    if REDEEMED not in recorded_stages:
        return None, {}
    key = (Kind.REDEEMED, Status.CONFIRMED)
    total = _net(program, Measure.SPEND)
    shares = {c: divide(minor, total.get(c, 0)) for c, minor in _net(tally, Measure.SPEND).items()}
    return divide(tally.events.get(key, 0), program.events.get(key, 0)), {
        c: share for c, share in shares.items() if share is not None
    }


def hide(sizes: Mapping[tuple[str, ...], int], positions: Iterable[int], minimum: int) -> set[tuple[str, ...]]:
    """
    The groups that must not be shown: too small, or needed to keep a too small one from being worked out.

    sizes: group key to distinct members. positions: which parts of the key are member attributes; groups that
    differ only in some of these add up to a total that others can see. Where exactly one group of such a total is
    hidden, the next smallest (ties: the first key) is hidden too, until no total gives one away.
    Source: docs/rules/suppression.md
    """
    hidden = {key for key, size in sizes.items() if size < minimum}
    where = sorted(positions)
    splits = [set(chosen) for count in range(1, len(where) + 1) for chosen in combinations(where, count)]
    families: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for number, split in enumerate(splits):
        for key in sorted(sizes):
            total = (str(number), *(part for position, part in enumerate(key) if position not in split))
            families.setdefault(total, []).append(key)
    changed = bool(hidden)
    while changed:
        changed = False
        for keys in families.values():
            visible = [key for key in keys if key not in hidden]
            if visible and len(keys) - len(visible) == 1:
                hidden.add(min(visible, key=lambda key: (sizes[key], key)))
                changed = True
    return hidden
