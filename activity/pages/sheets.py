"""What the dashboard shows, as sheets of plain cells: the same figures, every row, nothing rounded or put into words."""

from collections.abc import Callable, Sequence
from typing import Any

from activity.metrics import METRICS, Unit
from activity.pages.answers import TREND, Answer, Row, shown_keys
from activity.pages.choices import say_key
from plum_site.lib.resources import safe_cell

Sheet = list[list[Any]]
NOT_IN_TOTALS = ("eligible_members", "reach_rate", "engagement_rate", "funnel")


def list_totals(answer: Answer) -> Sheet:
    """One line a figure; of money one line a currency."""
    keys = [key for key in METRICS if not key.startswith("settled_") and key not in NOT_IN_TOTALS]
    lines: Sheet = [["metric", "label", "currency", "value", "compared_with"]]
    for key in keys:
        now, before = answer.totals[key], answer.before[key] if answer.before else None
        if METRICS[key].unit in (Unit.MONEY, Unit.RATIO_BY_CURRENCY):
            codes = sorted({*(now or {}), *(before or {})}) or [""]
            lines += [[key, METRICS[key].label, code, (now or {}).get(code, ""), (before or {}).get(code, "")] for code in codes]
        else:
            lines.append([key, METRICS[key].label, "", write(now), write(before)])
    return lines


def list_breakdown(answer: Answer) -> Sheet:
    """The table, with all its rows."""
    question = answer.question
    keys = shown_keys(question.program)
    columns = list_columns(answer.rows, keys)
    lines: Sheet = [[question.by, "name", "suppressed", *(name for name, _key, _code in columns)]]
    for row in answer.rows:
        key = str(row[question.by])
        name = str(say_key(question.choices, question.by, key))
        lines.append([safe_cell(key), safe_cell(name), write(row["suppressed"]), *cells(row, columns)])
    return lines


def list_trend(answer: Answer) -> Sheet:
    """The rows of the charts."""
    grain = answer.question.grain
    keys = [key for key in TREND if METRICS[key].is_recorded(answer.recorded_stages)]
    columns = list_columns(answer.trend, keys)
    head: list[Any] = [grain, "suppressed", *(name for name, _key, _code in columns)]
    return [head, *([row[grain], write(row["suppressed"]), *cells(row, columns)] for row in answer.trend)]


SHEETS: dict[str, Callable[[Answer], Sheet]] = {"totals": list_totals, "trend": list_trend, "breakdown": list_breakdown}


def list_columns(rows: Sequence[Row], keys: Sequence[str]) -> list[tuple[str, str, str]]:
    """(header, metric, currency) of each column: money has one for each currency that occurs."""
    columns = []
    for key in keys:
        if METRICS[key].unit is Unit.MONEY:
            codes = sorted({code for row in rows for code in row[key] or {}})
            columns += [(f"{key} {code}", key, code) for code in codes]
        else:
            columns.append((key, key, ""))
    return columns


def cells(row: Row, columns: Sequence[tuple[str, str, str]]) -> list[Any]:
    """The figures of one row."""
    return [write((row[key] or {}).get(code) if code else row[key]) for _name, key, code in columns]


def write(value: Any) -> Any:
    """A value as a cell; nothing for null."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
