"""A month's figures from the sealed ledger and a frozen configuration: what the scorecards are a function of."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from activity.metrics import SETTLING, Tally, measure
from activity.selectors import summarise
from activity.selectors.counts import FAILED, count_by
from partners.models import Program
from plum_site.lib.periods import next_month, parse_month
from reviews.rules import DataGapFacts, Figures, PartnerInput, PolicySpec, ReviewInput, RuleSpec, has_no_activity
from reviews.selectors.history import Before, read_before
from reviews.selectors.parts import position_reader, read_days, read_parts

# Members, their attributes and audiences are as known now, not as of the cut-off: these may move without any event.
UNFROZEN = frozenset({"eligible_members", "reach_rate", "engagement_rate"})


def read_input(program: Program, config: Mapping[str, Any], cutoff: int) -> ReviewInput:
    """
    Everything that the scorecards of a month depend on: the ledger up to a seal number, and the rest as frozen.

    Partners are those with a live offer (as frozen) or any event in the month, and no others.

    Shape: one ReviewInput, partners by external id.
    Source: docs/rules/digest.md
    """
    frozen = as_frozen(program, config)
    months = list(config["months"])
    stages = config["program"]["recorded_stages"]
    newest = parse_month(months[0])
    present = summarise(
        program=frozen, starts_date=newest, ends_date=next_month(newest), by=["partner"], cutoff=cutoff, recorded_stages=stages
    )
    current = {row["partner"]: figures_of(row, "partner") for row in present.rows}
    earlier: dict[tuple[str, str], Figures] = {}
    before = Before([])
    if len(months) > 1:
        may_keep, with_season = not config.get("is_over", True), config.get("has_last_year", False)  # older cycles do not say
        before = read_before(frozen, months, cutoff, stages, with_season=with_season, may_keep=may_keep)
        rows = {(row["month"], row["partner"]): figures_of(row, "month", "partner") for row in before.rows}
        earlier = {key: figures for key, figures in rows.items() if not has_no_activity(figures)}
    rules = [RuleSpec.from_json(rule) for rule in config["rules"]]
    nothing = measure(Tally(members={}, eligible=0, funnel=[]), stages, settled=Tally(), program=Tally())
    active = {partner for partner, figures in current.items() if not has_no_activity(figures)}
    failed = count_by(program=frozen, starts_date=newest, ends_date=next_month(newest), by=["partner"], cutoff=cutoff)
    days = read_days(frozen, config, rules, cutoff)
    offer_days = config.get("offer_days", {})
    partners = []
    for partner in sorted(active | set(config["live"])):
        figures = current.get(partner, nothing)
        partners.append(
            PartnerInput(
                partner=partner,
                category=config["partners"][partner]["category"],
                months=[figures, *(earlier.get((month, partner)) for month in months[1:])],
                settled={key: figures[f"settled_{key}"] for key in SETTLING},
                days=days.get(partner, ()),
                offer_days=offer_days.get(partner, ()),
                failed={key: failed.get((partner,), {}).get(key, 0) for key in FAILED},
                last_year=before.last_year.get(partner, ()),
            )
        )
    return ReviewInput(
        program=config["program"]["code"],
        months=months,
        recorded_stages=stages,
        metric_version=config["metric_version"],
        policy=PolicySpec.from_json(config["policy"]),
        rules=rules,
        partners=partners,
        seasons={category: {month: float(index) for month, index in row.items()} for category, row in config["seasons"].items()},
        cooling=frozenset((rule, partner) for rule, partner in config["cooling"]),
        late=config["late"],
        is_over=config.get("is_over", True),  # older cycles do not say
        parts=read_parts(frozen, config, rules, cutoff),
        elapsed=float(config.get("elapsed", 1)),
        positions=position_reader(frozen, config, cutoff),
        gaps=[DataGapFacts.from_json(gap) for gap in config.get("gaps", [])],
    )


def as_frozen(program: Program, config: Mapping[str, Any]) -> Program:
    """
    The program with the settings that a review froze; a copy that is never saved.

    Shape: one Program.
    """
    frozen = copy(program)
    for name in ("time_zone", "stage_order", "settlement_days", "recorded_stages"):
        setattr(frozen, name, config["program"][name])
    return frozen


def figures_of(row: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """
    The metrics of one row of `summarise`, without its key.

    Shape: metric key to figure.
    """
    return {name: value for name, value in row.items() if name not in keys and name != "suppressed"}
