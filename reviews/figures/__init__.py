"""Charts of the scorecard and the review: rows in, plotly figure out. Colours are names that the page's theme fills in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString

from activity.metrics import METRICS, Unit
from plum_site.lib.charts import Chart, safe_json
from plum_site.lib.lazy import lazily
from plum_site.lib.periods import parse_month
from plum_site.lib.present import NO_DATA, NOT_RECORDED, Table, amounts, count, month, rate, unbroken
from reviews.rules import RATES, Comparison, count_places, funnel_limits
from reviews.rules.compare import INSIDE, LIKELY, NEARLY_SURE, OUTSIDE_95, OUTSIDE_998
from reviews.selectors.compare import Group, Row

go = lazily("plotly.graph_objects")
DASHES = ("solid", "dash", "dot", "dashdot")  # lines differ by more than colour
TONES = ("main", "second", "third", "quiet")
SYMBOLS = ("circle", "square", "diamond", "triangle-up")
PLACE_NAMES = {INSIDE: "Within the limits", OUTSIDE_95: "Outside 95 %", OUTSIDE_998: "Outside 99.8 %"}
PLACE_MARKS = ((INSIDE, "circle", "main"), (OUTSIDE_95, "diamond", "third"), (OUTSIDE_998, "square", "bad"))


def draw_volumes(trend: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Chart:
    """The volumes of the months up to this one; a month without any event is a gap, not a zero."""
    figure = draw_lines(trend, keys, ",.0f", "Events")
    table = Table(
        "", ["Month", *(METRICS[key].label for key in keys)], trend_rows(trend, keys), numeric=columns_after_first(keys)
    )
    return Chart("trend-volumes", "Volumes by month", say_change(trend, keys), to_json(figure), table)


def draw_rates(trend: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Chart:
    """The rates of the months up to this one."""
    figure = draw_lines(trend, keys, ".1%", "")
    table = Table(
        "", ["Month", *(METRICS[key].label for key in keys)], trend_rows(trend, keys), numeric=columns_after_first(keys)
    )
    formulas = "; ".join(f"{METRICS[key].label}: {METRICS[key].formula}" for key in keys)
    return Chart("trend-rates", "Rates by month", f"{formulas}.", to_json(figure), table)


def draw_against_peers(metrics: Mapping[str, Any], peers: Mapping[str, Any], keys: Sequence[str], category: str) -> Chart:
    """The steps of the funnel beside the median of the partner's category."""
    labels = [METRICS[key].label for key in keys]
    medians = [peers.get(key, {}).get("median") for key in keys]
    figure = go.Figure(
        [
            bars("This partner", labels, [metrics.get(key) for key in keys], "main", ""),
            bars(f"Median of {category}", labels, medians, "quiet", "/"),
        ]
    )
    figure.update_layout(barmode="group", bargap=0.35)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    rows = [
        [
            METRICS[key].label,
            rate(metrics.get(key)),
            rate(median),
            count(peers.get(key, {}).get("partners")),
            METRICS[key].formula,
        ]
        for key, median in zip(keys, medians, strict=True)
    ]
    headers = ["Step", "This partner", "Median of the category", "Partners compared", "What it is"]
    few = not any(median is not None for median in medians)
    summary = (
        f"Fewer than five partners of {category} have enough volume to compare with."
        if few
        else f"Each step of the funnel beside the median of the partners of {category} with enough volume."
    )
    return Chart(
        "funnel", "Funnel against peers", summary, to_json(figure), Table("", headers, rows, numeric=frozenset({1, 2, 3}))
    )


def draw_funnel(funnel: Sequence[Mapping[str, Any]]) -> Chart:
    """How many member-offer pairs came how far, in order."""
    labels = [str(step["stage"]).capitalize() for step in funnel]
    pairs = [step["pairs"] for step in funnel]
    figure = go.Figure(
        [go.Bar(y=labels, x=pairs, orientation="h", name="Pairs", meta={"tone": "main"}, text=[f"{n:,}" for n in pairs])]
    )
    figure.update_layout(showlegend=False, bargap=0.35)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickformat="~s", rangemode="tozero")
    rows = [
        [
            label,
            count(step["pairs"]),
            count(step["members"]),
            rate(step["pairs"] / pairs[index - 1] if index and pairs[index - 1] else None),
        ]
        for index, (label, step) in enumerate(zip(labels, funnel, strict=True))
    ]
    headers = ["Stage", "Member-offer pairs", "Members", "Of the stage before"]
    summary = f"Of {pairs[0]:,} pairs of a member and an offer that began this month, {pairs[-1]:,} came to the end, in order."
    return Chart(
        "funnel-pairs", "Ordered funnel", summary, to_json(figure), Table("", headers, rows, numeric=frozenset({1, 2, 3}))
    )


def draw_comparison(group: Group, metric: str, index: int) -> Chart:
    """The funnel plot of one group: every ranked partner by its volume and raw rate, between the limits of 95 and 99.8 %."""
    found = group.comparison
    overall, factor = found.rate or 0.0, found.dispersion.factor if found.dispersion else 1.0
    sizes = spread_sizes([row.placed.sample.denominator for row in group.ranked if row.placed])
    traces: list[dict[str, Any]] = []
    for name, z, dash in (("95 %", LIKELY, "dash"), ("99.8 %", NEARLY_SURE, "dot")):
        limits = [funnel_limits(overall, factor, size, z) for size in sizes]
        for side in (0, 1):
            line = {"dash": dash, "width": 1.5}
            ends = [limit[side] for limit in limits]
            shape = {"type": "scatter", "mode": "lines", "line": line, "hoverinfo": "skip", "meta": {"tone": "quiet"}}
            traces.append({**shape, "x": sizes, "y": ends, "name": f"Limits of {name}", "showlegend": False})
    shape = {"type": "scatter", "mode": "lines", "line": {"width": 1.5}, "hoverinfo": "skip", "meta": {"tone": "second"}}
    traces.append({**shape, "x": [sizes[0], sizes[-1]], "y": [overall] * 2, "name": "All", "showlegend": False})
    for place, symbol, tone in PLACE_MARKS:
        rows = [row for row in group.ranked if row.placed and row.placed.place == place]
        if rows:
            traces.append(mark_partners(rows, PLACE_NAMES[place], symbol, tone))
    rates = [row.placed.rate or 0.0 for row in group.ranked if row.placed]
    top = max([*rates, min(1.0, funnel_limits(overall, factor, sizes[0], LIKELY)[1])])
    layout = {
        "xaxis": {"rangemode": "tozero", "tickformat": "~s"},
        "yaxis": {"tickformat": ".0%", "range": [0, top * 1.08 or 1]},
    }
    table = Table("", ["Partner", RATES[metric].denominator.capitalize(), "Rate", "95 %", "99.8 %", "Where"], [])
    for row in group.ranked:
        if row.placed:
            size = row.placed.sample.denominator
            within = [show_pair(funnel_limits(overall, factor, size, z)) for z in (LIKELY, NEARLY_SURE)]
            table.rows.append([row.name, count(size), rate(row.placed.rate), *within, PLACE_NAMES[row.placed.place]])
    table = replace(table, numeric=frozenset({1, 2, 3, 4}))
    title = f"{METRICS[metric].label} by {RATES[metric].denominator}{f', {group.label}' if group.label else ''}"
    return Chart(f"comparison-{index}", title, say_comparison(found), to_json(figure_of(traces, layout)), table)


def mark_partners(rows: Sequence[Row], name: str, symbol: str, tone: str) -> dict[str, Any]:
    """The points of the partners at one place, each with what it is when pointed at."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [row.placed.sample.denominator for row in rows if row.placed],
        "y": [row.placed.rate for row in rows if row.placed],
        "text": [say_point(row) for row in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": symbol, "size": 9},
        "meta": {"tone": tone},
    }


def say_point(row: Row) -> str:
    """What a point of the funnel plot says; plotly takes a few tags, so that names are escaped."""
    one = row.placed
    if one is None:
        return ""
    low, high = one.ranks or ("", "")
    of = f"{count(one.sample.numerator)} of {count(one.sample.denominator)}: {rate(one.rate)}"
    return f"{escape(row.name)}<br>{of}<br>evened out {rate(one.shrunken)}<br>rank {one.rank} (between {low} and {high})"


def spread_sizes(denominators: Sequence[int]) -> list[int]:
    """Volumes at which the limits are worked out: denser where they bend."""
    low, high = max(min(denominators) * 0.8, 1.0), max(denominators) * 1.05
    steps = [low * (high / low) ** (step / 40) for step in range(41)]
    return sorted({round(one) for one in steps})


def say_comparison(found: Comparison) -> str:
    """The funnel plot in sentences: how many are outside, how many chance alone would put there, and how wide the limits are."""
    if found.dispersion is None:
        return ""
    places, total = count_places(found), len(found.ranked)
    outside = places[OUTSIDE_95] + places[OUTSIDE_998]
    spread = found.dispersion
    said = f"Of {total} partners, {outside} lie outside the limits of 95 % and {places[OUTSIDE_998]} outside those of 99.8 %; "
    said += f"chance alone would put {count(total * 0.05, 1)} and {count(total * 0.002, 1)} there. "
    said += "The solid line is the rate of all of them, dashed are the limits of 95 %, dotted those of 99.8 %. "
    if spread.factor > 1:
        return said + (
            f"Partners differ {count(spread.measured, 1)} times as much as by chance "
            f"(up to {count(spread.tolerated, 1)} is tolerated), so the variance behind the limits was multiplied by that."
        )
    return said + (
        f"But for a tenth at either end, chance explains how much partners differ ({count(spread.measured, 1)} times, up to "
        f"{count(spread.tolerated, 1)} is tolerated): the limits were not widened."
    )


def show_pair(interval: tuple[float, float] | None) -> SafeString | str:
    """An interval as two rates."""
    return NO_DATA if interval is None else unbroken(f"{rate(interval[0])} – {rate(interval[1])}")


def figure_of(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> Any:
    """A figure from plain objects."""
    return go.Figure({"data": list(traces), "layout": dict(layout)})


def draw_lines(trend: Sequence[Mapping[str, Any]], keys: Sequence[str], form: str, title: str) -> Any:
    """One line a metric over the months."""
    months = [short_month(parse_month(row["month"])) for row in trend]
    figure = go.Figure(
        [
            go.Scatter(
                x=months,
                y=[row.get(key) for row in trend],
                name=METRICS[key].label,
                mode="lines+markers",
                connectgaps=False,
                line={"dash": DASHES[index % 4], "width": 2},
                marker={"symbol": SYMBOLS[index % 4], "size": 7},
                hovertemplate=f"%{{y:{form}}}",
                meta={"tone": TONES[index % 4]},
            )
            for index, key in enumerate(keys)
        ]
    )
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(tickformat=form if "%" in form else "~s", rangemode="tozero", title=title or None)
    return figure


def short_month(day: date) -> str:
    """A month on an axis: Jan 26."""
    return date_format(day, "M y")


def bars(name: str, labels: Sequence[str], values: Sequence[Any], tone: str, pattern: str) -> Any:
    """One series of bars; a pattern tells it from others without colour."""
    return go.Bar(x=labels, y=values, name=name, meta={"tone": tone}, marker={"pattern": {"shape": pattern}})


def trend_rows(trend: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[list[Any]]:
    """The rows of a trend as a table shows them."""
    return [[month(parse_month(row["month"])), *(show_value(key, row.get(key)) for key in keys)] for row in trend]


def columns_after_first(keys: Sequence[str]) -> frozenset[int]:
    """Every column but the first is a number."""
    return frozenset(range(1, len(keys) + 1))


def show_value(key: str, value: Any, recorded_stages: Sequence[str] | None = None) -> Any:
    """One figure of the metric layer in its unit; no data and not recorded look different."""
    metric = METRICS[key]
    if recorded_stages is not None and not metric.is_recorded(recorded_stages):
        return NOT_RECORDED
    if metric.unit == Unit.MONEY:
        return amounts(value)
    return rate(value) if metric.unit == Unit.RATIO else count(value)


def say_change(trend: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    """A chart of volumes in a sentence: how the last of the metrics moved in the newest month."""
    key = keys[-1]
    values = [row.get(key) for row in trend]
    if len(values) < 2 or values[-1] is None or values[-2] is None:
        return f"{METRICS[key].label}: there is no earlier month to compare with."
    change = values[-1] - values[-2]
    direction = "rose" if change > 0 else "fell" if change < 0 else "stayed"
    return f"{METRICS[key].label} {direction} from {values[-2]:,} to {values[-1]:,} against the month before."


def to_json(figure: Any) -> str:
    """The figure without plotly's own template: the page's theme decides."""
    figure.layout.template = None
    return safe_json(figure.to_json())
