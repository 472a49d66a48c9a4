"""The chart of what actions changed: one line an action, and several of one metric together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from plum_site.lib.charts import Chart
from plum_site.lib.present import NO_DATA, Table, unbroken
from reviews.choices import ActionKind, Verdict
from reviews.figures import figure_of, to_json
from reviews.models import CorrectiveAction
from reviews.rules.effects import ALL, KindSummary, say_change, say_metric

TOGETHER = "Together"
MOST_POINTS = 40  # in one chart
LONGEST_LABEL = 18  # so that half of a telephone's width is left
VERDICT_MARKS = (
    (TOGETHER, "diamond", "main"),
    (Verdict.WORKED, "circle", "second"),
    (Verdict.HARMED, "square", "bad"),
    (Verdict.NO_EVIDENCE, "circle-open", "quiet"),
    (Verdict.CANNOT_TELL, "x-thin-open", "quiet"),
)


@dataclass(frozen=True)
class Point:
    """One line of the chart of effects. verdict: TOGETHER for several actions."""

    label: str
    verdict: str
    estimate: float
    low: float
    high: float


def draw_verdicts(actions: Sequence[CorrectiveAction], kinds: Sequence[KindSummary]) -> Chart | None:
    """
    The change that each action made with its interval, kind by kind, and those of one metric together above them; None where
    not one has an interval.
    """
    points: list[Point] = []
    for one in kinds:
        if one.by != ALL:
            continue
        label = ActionKind(one.kind).label
        points += [
            Point(f"{label}: {say_metric(pool.metric)} ({pool.actions})", TOGETHER, pool.estimate, pool.low, pool.high)
            for pool in one.pooled
        ]
        points += [point_of(action) for action in actions if action.kind == one.kind and has_interval(action)]
    if not points:
        return None
    shown = points[:MOST_POINTS]
    traces = []
    for verdict, symbol, tone in VERDICT_MARKS:
        some = [point for point in shown if point.verdict == verdict]
        if some:
            traces.append(mark_points(some, TOGETHER if verdict == TOGETHER else Verdict(verdict).label, symbol, tone))
    layout = {
        "height": 140 + 30 * len(shown),
        "xaxis": {"tickformat": "+.0%", "zeroline": True, "zerolinewidth": 2, "nticks": 4, "tickangle": 0},
        "yaxis": {"categoryorder": "array", "categoryarray": [label_of(point) for point in shown], "autorange": "reversed"},
        "legend": {"y": 1, "yanchor": "bottom"},
    }
    rows = [[point.label, *show_ends(point)] for point in shown]
    table = Table("", ["What", "Verdict", "Change", "From", "To"], rows, numeric=frozenset({2, 3, 4}))
    without = len(actions) - sum(has_interval(action) for action in actions)
    said = (
        "Each point is the relative change of what an action is measured by, against what it is compared with; the line is its "
        "95 % interval."
    )
    if without:
        said += f" Not drawn: {without} of {len(actions)}, without an interval of two ends."
    if len(points) > len(shown):
        said += f" The first {MOST_POINTS} of {len(points)} are drawn."
    return Chart("verdicts", "What the actions changed", said, to_json(figure_of(traces, layout)), table)


def has_interval(action: CorrectiveAction) -> bool:
    """Whether its effect has an estimate between two ends."""
    return all((action.effect or {}).get(end) is not None for end in ("estimate", "low", "high"))


def point_of(action: CorrectiveAction) -> Point:
    """One action."""
    effect = action.effect or {}
    label = f"{Truncator(action.partner.name).chars(LONGEST_LABEL)}, no. {action.pk}"
    return Point(label, action.verdict, effect["estimate"], effect["low"], effect["high"])


def label_of(point: Point) -> str:
    """What stands at the axis, in two lines where it is long; plotly takes a few tags, so that names are escaped."""
    return str(escape(point.label)).replace(": ", "<br>", 1)


def mark_points(points: Sequence[Point], name: str, symbol: str, tone: str) -> dict[str, Any]:
    """The points of one verdict with their intervals."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [point.estimate for point in points],
        "y": [label_of(point) for point in points],
        "error_x": {
            "type": "data",
            "array": [point.high - point.estimate for point in points],
            "arrayminus": [point.estimate - point.low for point in points],
            "thickness": 3 if name == TOGETHER else 1.5,
        },
        "hovertemplate": "%{y}<br>%{x:+.1%}<extra></extra>",
        "marker": {"symbol": symbol, "size": 12 if name == TOGETHER else 9},
        "meta": {"tone": tone},
    }


def show_ends(point: Point) -> list[Any]:
    """What a point says, as a table has it."""
    verdict = point.verdict if point.verdict == TOGETHER else Verdict(point.verdict).label
    return [verdict, say_change(point.estimate), say_change(point.low), say_change(point.high)]


def show_changes(estimate: float | None, low: float | None, high: float | None) -> SafeString | str:
    """A relative change and its interval; an interval may have no upper end."""
    if estimate is None or low is None:
        return NO_DATA
    return unbroken(f"{say_change(estimate)} ({say_change(low)} to {'no upper end' if high is None else say_change(high)})")
