"""What the pages of a review show: the standard form of a scorecard, and the workbench of a cycle."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from activity.metrics import METRICS, shown_rates
from activity.selectors.ledger import prefix_of
from plum_site.lib.admin import url_of
from plum_site.lib.charts import Chart
from plum_site.lib.people import names_of
from plum_site.lib.periods import parse_month
from plum_site.lib.present import Table, amounts, badge, change, count, month, rate, words
from reviews.choices import CycleState, Standing
from reviews.figures import draw_against_peers, draw_funnel, draw_rates, draw_volumes, show_value
from reviews.models import Decision, ReviewCycle, Scorecard
from reviews.pages.diagnosis import show_diagnosis
from reviews.pages.flags import make_crossed, make_flags, say_flag
from reviews.rules import RATES, say_recency
from reviews.selectors import count_after_cutoff, list_scorecards
from reviews.services.cycles import freezes_at

CORE = ("views", "activations", "redemptions", "spend")  # the four that every headline has
STANDING_TONES = {
    Standing.EXCELLENT: "good",
    Standing.ON_TRACK: "fair",
    Standing.WATCH: "warn",
    Standing.UNDERPERFORMING: "bad",
    Standing.INSUFFICIENT_DATA: "idle",
    Standing.NO_ACTIVITY: "idle",
    Standing.INCOMPLETE: "info",
    Standing.EXEMPT: "idle",
}
CYCLE_TONES = {CycleState.OPEN: "info", CycleState.READY: "warn", CycleState.CLOSED: "good"}
DECISION_TONES = {"pass": "good", "monitor": "warn", "act": "bad", "exempt": "idle"}


@dataclass(frozen=True)
class Headline:
    """One of the four metrics on top of a scorecard."""

    label: str
    formula: str
    value: Any
    rows: list[tuple[str, Any]]
    is_long: bool = False


def show_standing(standing: str) -> SafeString:
    """A standing as a badge."""
    return badge(Standing(standing).label, STANDING_TONES[Standing(standing)])


def show_state(cycle: ReviewCycle) -> SafeString:
    """The state of a cycle as a badge."""
    return badge(cycle.get_state_display(), CYCLE_TONES[CycleState(cycle.state)])


def find_decision(card: Scorecard) -> Decision | None:
    """The decision about a scorecard, if there is one."""
    return getattr(card, "decision", None)


def show_decision(card: Scorecard) -> SafeString:
    """What was decided, and whether by rule."""
    decision = find_decision(card)
    if decision is None:
        return badge("Needs you", "info")
    by = " by rule" if decision.is_by_rule else ""
    return badge(f"{decision.get_kind_display()}{by}", DECISION_TONES[decision.kind])


def stages_of(cycle: ReviewCycle) -> list[str]:
    """The stages the program recorded when the cycle was consolidated."""
    stages: list[str] = cycle.config.get("program", {}).get("recorded_stages", [])
    return stages


def make_headlines(card: Scorecard, stages: Sequence[str]) -> list[Headline]:
    """The four metrics with previous, settled and expected values."""
    previous, settled, expected = card.previous or {}, card.settled or {}, card.expected or {}
    headlines = []
    for key in CORE:
        rows: list[tuple[str, Any]] = [("Month before", show_value(key, previous.get(key), stages))]
        if METRICS[key].unit == "count" and METRICS[key].is_recorded(stages):
            rows.append(("Change", change(card.metrics.get(key), previous.get(key))))
        if key in expected:
            rows.append(("Expected", count(expected[key])))
        if key in settled:
            rows.append(("Settled window", show_value(key, settled[key], stages)))
        value = show_value(key, card.metrics.get(key), stages)
        headlines.append(Headline(METRICS[key].label, METRICS[key].formula, value, rows, is_long=METRICS[key].unit == "money"))
    return headlines


def make_rates(card: Scorecard, stages: Sequence[str]) -> Table:
    """Derived rates, only where there is something to divide by."""
    previous, settled = card.previous or {}, card.settled or {}
    rows, missing = [], []
    order = card.cycle.config.get("program", {}).get("stage_order", "")
    unfit = {"unlock_rate", "view_rate"} - set(shown_rates(order))  # only one of the two fits the program's stage order
    for key in [key for key in RATES if key not in unfit]:
        metric = METRICS[key]
        if not metric.is_recorded(stages):
            missing.append(f"{metric.label} (not recorded)")
        elif card.metrics.get(key) is None:
            missing.append(f"{metric.label} (no data)")
        else:
            over = f"{count(card.metrics[RATES[key].numerator])} of {count(card.metrics[RATES[key].denominator])}"
            median = card.peers.get(key, {}).get("median")
            now, before, older = card.metrics[key], previous.get(key), settled.get(key)
            rows.append([metric.label, rate(now), over, rate(before), rate(older), rate(median)])
    headers = ["Rate", "This month", "From", "Month before", "Settled window", "Median of peers"]
    note = f"Left out: {', '.join(missing)}." if missing else ""
    return Table("Rates", headers, rows, "There is nothing to divide by this month.", frozenset({1, 2, 3, 4, 5}), note)


def make_split(card: Scorecard, stages: Sequence[str]) -> Table:
    """How the events ended."""
    keys = ("impressions", "views", "unlocks", "activations", "redemptions", "failures", "reversals")
    previous = card.previous or {}
    rows = [
        [
            METRICS[key].label,
            show_value(key, card.metrics.get(key), stages),
            show_value(key, previous.get(key), stages),
            METRICS[key].formula,
        ]
        for key in keys
    ]
    money = ("spend", "reversed_spend", "net_spend", "reward_cost", "net_reward_cost")
    rows += [
        [METRICS[key].label, amounts(card.metrics.get(key)), amounts(previous.get(key)), METRICS[key].formula] for key in money
    ]
    return Table(
        "Everything that happened", ["Figure", "This month", "Month before", "What it is"], rows, numeric=frozenset({1, 2})
    )


def make_score(card: Scorecard) -> Table:
    """How the score came about, metric by metric."""
    policy = card.cycle.config.get("policy", {})
    rows = [
        [
            METRICS[part["metric"]].label,
            str(part["weight"]),
            rate(part["shrunken"]),
            rate(part["typical"]),
            count(round(part["points"])),
        ]
        for part in card.evidence.get("score", [])
    ]
    counted = {part["metric"] for part in card.evidence.get("score", [])}
    left_out = [
        f"{METRICS[key].label.lower()} ({weight})" for key, weight in policy.get("weights", {}).items() if key not in counted
    ]
    bands = ", ".join(f"{Standing(standing).label.lower()} from {lowest}" for standing, lowest in policy.get("bands", []))
    note = (
        f"Policy version {policy.get('number', '–')}: {bands}. Rates are drawn towards what is typical of the category "
        "where little was seen, so that a small partner is not judged by chance."
    )
    if policy.get("recency_months"):
        note += f" What counts: {say_recency(policy['recency_months'])}."
    if counted and left_out:
        note += f" Left out for want of events, the other weights count for them: {words(left_out)}."
    headers = ["Metric", "Weight", "Rate, evened out", "Typical of the category", "Points of 100"]
    empty = f"No score: fewer than {policy.get('minimum_events', 0)} events, too little to say anything."
    return Table("How the score came about", headers, rows, empty, frozenset({1, 2, 3, 4}), note)


def make_late(card: Scorecard) -> Table:
    """Events that arrived after the month they belong to was cut off."""
    rows = [[month(parse_month(one["month"])), count(one["events"])] for one in card.evidence.get("late", [])]
    return Table("Late events", ["They belong to", "Events"], rows, "None arrived late for an earlier month.", frozenset({1}))


def make_charts(card: Scorecard, stages: Sequence[str]) -> tuple[list[Chart], list[Chart]]:
    """Trend charts, and the funnel with its peers."""
    program = card.cycle.config.get("program", {})
    volumes = [key for key in ("views", "unlocks", "activations", "redemptions") if METRICS[key].is_recorded(stages)]
    rates = [key for key in shown_rates(program.get("stage_order", "")) if METRICS[key].is_recorded(stages)]
    trend = [draw_volumes(card.trend, volumes)] if volumes else []
    funnel = []
    if rates:
        trend.append(draw_rates(card.trend, rates))
        funnel.append(draw_against_peers(card.metrics, card.peers, rates, card.partner.category.code))
    if len(card.metrics.get("funnel") or []) > 1:
        funnel.insert(0, draw_funnel(card.metrics["funnel"]))
    return trend, funnel


def show_scorecard(card: Scorecard) -> dict[str, Any]:
    """Everything on the page of one scorecard, in the standard order."""
    cycle, stages = card.cycle, stages_of(card.cycle)
    decision = find_decision(card)
    trend, funnel = make_charts(card, stages)
    as_of = prefix_of(cycle.program_id, cycle.cutoff).sealed_at if cycle.cutoff else None
    names = names_of(filter(None, [decision.decided_by if decision else "", cycle.closed_by]))
    return {
        "card": card,
        "cycle": cycle,
        "month": month(cycle.month_start_date),
        "state": show_state(cycle),
        "standing": show_standing(card.standing),
        "as_of": as_of,
        "headlines": make_headlines(card, stages),
        "rates": make_rates(card, stages),
        "score": make_score(card),
        "flags": make_flags(list(card.flags.all())),
        "flag_lines": [say_flag(flag) for flag in card.flags.all()],
        "crossed": make_crossed(card),
        "diagnosis": show_diagnosis(card),
        "split": make_split(card, stages),
        "late": make_late(card),
        "trend": trend,
        "funnel": funnel,
        "has_funnel": any(chart.id == "funnel-pairs" for chart in funnel),
        "decision": decision,
        "decision_badge": show_decision(card),
        "decided_by": names.get(decision.decided_by, "") if decision else "",
        "closed_by": names.get(cycle.closed_by, ""),
        "partner_url": url_of(card.partner),
        "cycle_url": url_of(cycle),
        "rank_of": Scorecard.objects.filter(cycle=cycle, rank__isnull=False).count(),
    }


def keep_cards(cards: Sequence[Scorecard], wanted: str) -> list[Scorecard]:
    """The cards that a chip of the workbench stands for: "you", "flagged", a standing, or all."""
    if wanted == "you":
        return [card for card in cards if find_decision(card) is None]
    if wanted == "flagged":
        return [card for card in cards if card.flags.all()]
    if wanted in Standing.values:
        return [card for card in cards if card.standing == wanted]
    return list(cards)


def make_chips(cards: Sequence[Scorecard], wanted: str, url: str) -> list[dict[str, Any]]:
    """The filters of the workbench, each with its number."""
    needing = keep_cards(cards, "you")
    chips = [
        {"label": badge(f"All {len(cards)}", "idle"), "url": url, "is_current": not wanted},
        {"label": badge(f"Need you {len(needing)}", "info"), "url": f"{url}?show=you", "is_current": wanted == "you"},
    ]
    flagged = len(keep_cards(cards, "flagged"))
    chips.append({"label": badge(f"Flagged {flagged}", "bad"), "url": f"{url}?show=flagged", "is_current": wanted == "flagged"})
    for standing in Standing:
        number = len(keep_cards(cards, standing))
        if number:
            label = badge(f"{standing.label} {number}", STANDING_TONES[standing])
            chips.append({"label": label, "url": f"{url}?show={standing.value}", "is_current": wanted == standing})
    return chips


def make_line(card: Scorecard, stages: Sequence[str]) -> dict[str, Any]:
    """One partner in the workbench."""
    previous = card.previous or {}
    figures = [
        {"value": show_value(key, card.metrics.get(key), stages), "change": change(card.metrics.get(key), previous.get(key))}
        if METRICS[key].unit == "count"
        else {"value": show_value(key, card.metrics.get(key), stages), "change": ""}
        for key in CORE
        if METRICS[key].is_recorded(stages)
    ]
    return {
        "card": card,
        "url": url_of(card),
        "standing": show_standing(card.standing),
        "score": count(card.score, 1),
        "figures": figures,
        "flags": [flag.rule_version.rule.name for flag in card.flags.all()],
        "decision": show_decision(card),
    }


def show_cycle(cycle: ReviewCycle, wanted: str, at: datetime) -> dict[str, Any]:
    """Everything on the workbench of one month, at an instant."""
    cards, stages, url = list(list_scorecards(cycle.pk)), stages_of(cycle), url_of(cycle)
    by_rule = sum(1 for card in cards if (decision := find_decision(card)) and decision.is_by_rule)
    undecided = keep_cards(cards, "you")
    return {
        "cycle": cycle,
        "month": month(cycle.month_start_date),
        "state": show_state(cycle),
        "as_of": prefix_of(cycle.program_id, cycle.cutoff).sealed_at if cycle.cutoff else None,
        "scorecards": len(cards),
        "by_rule": by_rule,
        "by_people": len(cards) - by_rule - len(undecided),
        "undecided": len(undecided),
        "arrived_since": 0 if cycle.state == CycleState.CLOSED else count_after_cutoff(cycle),
        "is_running": at < cycle.ends_at,
        "freezes_at": freezes_at(cycle, cycle.program),
        "decided": len(cards) - len(undecided),
        "chips": make_chips(cards, wanted, url),
        "lines": [make_line(card, stages) for card in keep_cards(cards, wanted)],
        "core": [METRICS[key].label for key in CORE if METRICS[key].is_recorded(stages)],
        "unrecorded": words(METRICS[key].label for key in CORE if not METRICS[key].is_recorded(stages)),
        "closed_by": names_of([cycle.closed_by]).get(cycle.closed_by, "") if cycle.closed_by else "",
        "csv_url": reverse("admin:reviews_reviewcycle_csv", args=[cycle.pk]),
    }
