"""Charts of activity: rows in, plotly figure out. Colours are names that the page's theme fills in."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go

from activity.metrics import METRICS, Tally, measure
from plum_site.lib.charts import Chart, safe_json
from plum_site.lib.present import Table, amounts, count, day, month


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
    figure.layout.template = None
    return Chart("days", f"Redemptions by day, {month(first)}", summary, safe_json(figure.to_json()), table)
