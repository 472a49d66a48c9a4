"""Charts as data: what is drawn is what the table beneath says, and a gap stays a gap."""

import json
from datetime import date
from typing import Any

from activity.choices import Kind, Measure, Status
from activity.figures import draw_days
from activity.metrics import Tally
from reviews.figures import draw_against_peers, draw_funnel, draw_rates, draw_volumes

TREND: list[dict[str, Any]] = [
    {"month": "2026-04", "views": 100, "redemptions": 10, "unlock_rate": 0.3},
    {"month": "2026-05"},
    {"month": "2026-06", "views": 80, "redemptions": 4, "unlock_rate": None},
]


def data_of(chart: Any) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = json.loads(chart.json)["data"]
    return data


def test_a_month_without_events_is_a_gap_in_line_and_table() -> None:
    chart = draw_volumes(TREND, ["views", "redemptions"])
    assert [trace["y"] for trace in data_of(chart)] == [[100, None, 80], [10, None, 4]]
    assert all(trace["connectgaps"] is False for trace in data_of(chart))
    assert [str(cell) for cell in chart.table.rows[0]] == ["April 2026", "100", "10"]
    assert "No data" in str(chart.table.rows[1][1])


def test_lines_differ_by_more_than_colour() -> None:
    traces = data_of(draw_volumes(TREND, ["views", "redemptions"]))
    assert len({trace["line"]["dash"] for trace in traces}) == len({trace["marker"]["symbol"] for trace in traces}) == 2


def test_a_trend_is_said_in_a_sentence() -> None:
    assert (
        draw_volumes([TREND[0], TREND[2]], ["redemptions"]).summary == "Redemptions fell from 10 to 4 against the month before."
    )
    assert "no earlier month" in draw_volumes(TREND, ["redemptions"]).summary


def test_rates_say_how_they_are_made() -> None:
    chart = draw_rates(TREND, ["unlock_rate"])
    assert data_of(chart)[0]["y"] == [0.3, None, None]
    assert "unlocks ÷ views" in chart.summary


def test_peers_that_are_too_few_are_said_to_be_missing() -> None:
    few = draw_against_peers({"unlock_rate": 0.2}, {}, ["unlock_rate"], "travel")
    assert "Fewer than five partners of travel" in few.summary
    enough = draw_against_peers({"unlock_rate": 0.2}, {"unlock_rate": {"median": 0.3, "partners": 7}}, ["unlock_rate"], "travel")
    assert [trace["y"] for trace in data_of(enough)] == [[0.2], [0.3]]
    assert [str(cell) for cell in enough.table.rows[0][:4]] == ["Unlock rate", "20.0 %", "30.0 %", "7"]


def test_the_funnel_counts_down_in_order() -> None:
    funnel = [{"stage": "viewed", "pairs": 200, "members": 150}, {"stage": "unlocked", "pairs": 50, "members": 45}]
    chart = draw_funnel(funnel)
    assert data_of(chart)[0]["x"] == [200, 50]
    assert str(chart.table.rows[1][3]) == "25.0 %"


def test_figures_cannot_end_the_script_element() -> None:
    chart = draw_against_peers({"unlock_rate": 0.2}, {}, ["unlock_rate"], "</script><b>")
    assert "<" not in chart.json


def test_days_without_activity_are_drawn_and_not_listed() -> None:
    tally = Tally()
    tally.add_events(Kind.REDEEMED, Status.CONFIRMED, 3)
    tally.add_amount(Measure.SPEND, Status.CONFIRMED, "EUR", 3, 4500)
    chart = draw_days({date(2026, 6, 2): tally}, date(2026, 6, 1), date(2026, 6, 4), ["redeemed"], "EUR")
    bars, line = data_of(chart)
    assert bars["y"] == [0, 3, 0]
    assert line["y"] == [0.0, 45.0, 0.0]
    assert len(chart.table.rows) == 1
    assert chart.summary == "3 redemptions in June 2026, on 1 day."
