"""Charts of the scorecard and the review: rows in, plotly figure out. Colours are names that the page's theme fills in."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.utils.formats import date_format

from activity.metrics import METRICS, Unit
from plum_site.lib.charts import Chart, safe_json
from plum_site.lib.lazy import lazily
from plum_site.lib.periods import parse_month
from plum_site.lib.present import NOT_RECORDED, Table, amounts, count, month, rate

go = lazily("plotly.graph_objects")
DASHES = ("solid", "dash", "dot", "dashdot")  # lines differ by more than colour
TONES = ("main", "second", "third", "quiet")
SYMBOLS = ("circle", "square", "diamond", "triangle-up")


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
