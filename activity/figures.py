"""Charts of activity: rows in, plotly figure out. Colours are names that the page's theme fills in."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from activity.metrics import METRICS, Tally, Unit, measure
from plum_site.lib.charts import Chart, safe_json
from plum_site.lib.lazy import lazily
from plum_site.lib.periods import parse_month
from plum_site.lib.present import NO_DATA, NOT_RECORDED, SUPPRESSED, Table, amounts, count, day, month, rate

go, plotly_io = lazily("plotly.graph_objects"), lazily("plotly.io")
TONES = ("main", "second", "third", "quiet")
DASHES = ("solid", "dash", "dot", "dashdot")  # lines differ by more than colour
SYMBOLS = ("circle", "square", "diamond", "triangle-up")


def show_metric(key: str, figures: Mapping[str, Any], recorded_stages: Sequence[str], currency: str = "") -> Any:
    """One figure of a row of the metric layer in its unit; suppressed, not recorded and no data look different."""
    metric = METRICS[key]
    if figures.get("suppressed"):
        return SUPPRESSED
    if not metric.is_recorded(recorded_stages):
        return NOT_RECORDED
    value = figures[key]
    if metric.unit is Unit.MONEY:
        return amounts(value, currency)
    if metric.unit is Unit.RATIO_BY_CURRENCY:
        return ", ".join(f"{rate(share)} {code}" for code, share in (value or {}).items()) or NO_DATA
    return rate(value) if metric.unit is Unit.RATIO else count(value)


def draw_days(days: Mapping[date, Tally], first: date, end: date, recorded_stages: Sequence[str], currency: str) -> Chart:
    """Redemptions day by day, and the spend on them in the reporting currency."""
    span = [first + timedelta(days=offset) for offset in range((end - first).days)]
    figures = {one: measure(days.get(one, Tally()), recorded_stages) for one in span}
    redemptions = [figures[one]["redemptions"] for one in span]
    spend = [float(figures[one]["spend"].get(currency, 0)) for one in span]
    labels = [one.isoformat() for one in span]
    traces: list[Any] = [go.Bar(x=labels, y=redemptions, name="Redemptions", meta={"tone": "main"})]
    if any(spend):
        line = {"dash": "dot", "width": 2}
        traces.append(
            go.Scatter(
                x=labels, y=spend, name=f"Spend ({currency})", yaxis="y2", mode="lines", line=line, meta={"tone": "second"}
            )
        )
    figure = go.Figure(traces)
    figure.update_layout(hovermode="x unified", yaxis={"rangemode": "tozero", "title": "Redemptions"})
    if any(spend):
        second = {
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "showgrid": False,
            "tickmode": "auto",
            "title": f"Spend ({currency})",
        }
        figure.update_layout(yaxis2=second, margin={"r": 64})
    figure.update_xaxes(type="date", tickformat="%-d %b")
    rows = [[day(one), count(figures[one]["redemptions"]), amounts(figures[one]["spend"])] for one in span if one in days]
    table = Table("", ["Day", METRICS["redemptions"].label, "Spend"], rows, "No activity in these days.", frozenset({1, 2}))
    busy = sum(1 for number in redemptions if number)
    summary = f"{sum(redemptions):,} redemptions in {month(first)}, on {busy} day{'' if busy == 1 else 's'}."
    return Chart("days", f"Redemptions by day, {month(first)}", summary, to_json(figure), table)


def draw_trend(rows: Sequence[Mapping[str, Any]], grain: str, keys: Sequence[str], recorded_stages: Sequence[str]) -> Chart:
    """How often each stage happened, by day or month; what is suppressed is a gap."""
    labels = [row[grain] for row in rows]
    traces = [
        {
            "type": "scatter",
            "x": labels,
            "y": [row[key] for row in rows],
            "name": METRICS[key].label,
            "mode": "lines+markers" if len(rows) <= 31 else "lines",
            "connectgaps": False,
            "line": {"dash": DASHES[index % 4], "width": 2},
            "marker": {"symbol": SYMBOLS[index % 4], "size": 6},
            "hovertemplate": "%{y:,.0f}",
            "meta": {"tone": TONES[index % 4]},
        }
        for index, key in enumerate(keys)
    ]
    few = max((row[key] or 0 for row in rows for key in keys), default=0) < 8  # no half events on the axis
    upright = {"rangemode": "tozero", "tickformat": "~s", **({"dtick": 1} if few else {})}
    layout = {"hovermode": "x unified", "xaxis": axis_of(grain, len(rows)), "yaxis": upright}
    figure = {"data": traces, "layout": layout}
    title = f"Stages by {grain}"
    return Chart("trend", title, say_busiest(rows, grain, keys), to_json(figure), trend_table(rows, grain, keys, recorded_stages))


def draw_spend(rows: Sequence[Mapping[str, Any]], grain: str, currency: str, recorded_stages: Sequence[str]) -> Chart | None:
    """What was spent in one currency, by day or month; None where nothing was. Other currencies stand in the table."""
    spend = [float(row["spend"].get(currency, 0)) if row["spend"] is not None else None for row in rows]
    if not any(spend):
        return None
    name = f"Spend ({currency})"
    bars = {
        "type": "bar",
        "x": [row[grain] for row in rows],
        "y": spend,
        "name": name,
        "hovertemplate": "%{y:,.2f}",
        "meta": {"tone": "second"},
    }
    upright = {"rangemode": "tozero", "tickformat": "~s"}
    layout = {"showlegend": False, "hovermode": "x unified", "xaxis": axis_of(grain, len(rows)), "yaxis": upright}
    figure = {"data": [bars], "layout": layout}
    others = sorted({code for row in rows for code in row["spend"] or {}} - {currency})
    summary = f"What members spent, in {currency}."
    summary += f" The table has {', '.join(others)} too; currencies are never added together." if others else ""
    table = trend_table(rows, grain, ["spend"], recorded_stages)
    return Chart("trend-spend", f"{name} by {grain}", summary, to_json(figure), table)


def draw_steps(steps: Sequence[Mapping[str, Any]]) -> Chart:
    """How many pairs of a member and an offer came how far, in order."""
    labels = [str(step["stage"]).capitalize() for step in steps]
    pairs = [step["pairs"] for step in steps]
    texts = [f"{number:,}" for number in pairs]
    bars = go.Bar(y=labels, x=pairs, orientation="h", name="Pairs", meta={"tone": "main"}, text=texts, hoverinfo="skip")
    figure = go.Figure([bars])
    figure.update_layout(showlegend=False, bargap=0.35)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickformat="~s", rangemode="tozero")
    first = max(pairs[0], 1)
    rows = [
        [
            label,
            count(step["pairs"]),
            count(step["members"]),
            rate(step["pairs"] / pairs[index - 1] if index and pairs[index - 1] else None),
            rate(step["pairs"] / first),
        ]
        for index, (label, step) in enumerate(zip(labels, steps, strict=True))
    ]
    headers = ["Stage", "Member-offer pairs", "Members", "Of the stage before", "Of the first"]
    summary = f"Of {pairs[0]:,} pairs of a member and an offer that began in the period, {pairs[-1]:,} came to the end, in order."
    table = Table("", headers, rows, numeric=frozenset({1, 2, 3, 4}))
    return Chart("funnel", "Funnel, in order", summary, to_json(figure), table, is_open=True)


def axis_of(grain: str, number: int) -> dict[str, Any]:
    """The axis of days or months."""
    if grain == "day":
        return {"type": "date", "tickformat": "%-d %b", "hoverformat": "%a %-d %b %Y"}
    every = {"dtick": "M1"} if number <= 12 else {}
    return {"type": "date", "tickformat": "%b %y", "hoverformat": "%B %Y", **every}


def trend_table(rows: Sequence[Mapping[str, Any]], grain: str, keys: Sequence[str], recorded_stages: Sequence[str]) -> Table:
    """The rows of a trend."""
    cells = [[say_time(row[grain]), *(show_metric(key, row, recorded_stages) for key in keys)] for row in rows]
    headers = [grain.capitalize(), *(METRICS[key].label for key in keys)]
    return Table("", headers, cells, numeric=frozenset(range(1, len(keys) + 1)))


def say_time(value: str) -> Any:
    """A month or a day in words."""
    return month(parse_month(value)) if len(value) == 7 else day(date.fromisoformat(value))


def say_busiest(rows: Sequence[Mapping[str, Any]], grain: str, keys: Sequence[str]) -> str:
    """A trend in a sentence: when most of the last stage happened."""
    known = [row for row in rows if keys and row[keys[-1]]]
    if not known:
        return f"Nothing to see on any {grain} of the period."
    best = max(known, key=lambda row: row[keys[-1]])
    label = METRICS[keys[-1]].label
    return f"{label}: most {'in' if grain == 'month' else 'on'} {say_time(best[grain])}, {best[keys[-1]]:,}."


def to_json(figure: Any) -> str:
    """
    The figure without plotly's own template: the page's theme decides. A plain object is not checked by plotly, which takes
    longer than all the rest of a chart that is drawn anew every few seconds.
    """
    if isinstance(figure, dict):
        return safe_json(plotly_io.to_json(figure, validate=False))
    figure.layout.template = None
    return safe_json(figure.to_json())
