"""Figures as the dashboard's page and its CSV have them, taken apart again for comparing."""

import csv
import json
from html.parser import HTMLParser
from io import StringIO
from typing import Any

from activity.metrics import METRICS, Unit

Figures = dict[str, Any]


class FigureFinder(HTMLParser):
    """Collects the figures of a page: those of the period, those compared with, and the rows of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.totals: Figures = {}
        self.before: Figures = {}
        self.rows: dict[str, Figures] = {}
        self.states: dict[str, str] = {}
        self._row: str | None = None
        self._side = "now"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "tr":
            self._row = values.get("data-key")
        self._side = values.get("data-of") or self._side
        key = values.get("data-metric")
        if key is None:
            return
        figure = json.loads(values["data-value"] or "null")
        if self._row is not None:
            self.rows.setdefault(self._row, {})[key] = figure
            return
        place = self.totals if self._side == "now" else self.before
        assert place.setdefault(key, figure) == figure, f"{key} stands twice on the page and differs"
        if self._side == "now":
            self.states[key] = values.get("data-state") or ""


def read_page(text: str) -> FigureFinder:
    """Every figure on a page of the dashboard."""
    finder = FigureFinder()
    finder.feed(text)
    return finder


def read_totals(text: str) -> Figures:
    """The figures of the CSV of totals."""
    figures: Figures = {}
    for line in csv.DictReader(StringIO(text)):
        key = line["metric"]
        if METRICS[key].unit in (Unit.MONEY, Unit.RATIO_BY_CURRENCY):
            money = figures.setdefault(key, {})
            if line["value"]:
                money[line["currency"]] = read_cell(key, line["value"])
        else:
            figures[key] = read_cell(key, line["value"])
    return figures


def read_rows(text: str, by: str) -> dict[str, Figures]:
    """The rows of the CSV of the table, by their key; money is an object by currency again."""
    rows = {}
    for line in csv.DictReader(StringIO(text)):
        figures: Figures = {"suppressed": line["suppressed"] == "true"}
        for column, cell in line.items():
            key, _, currency = column.partition(" ")
            if key not in METRICS:
                continue
            if currency:
                figures.setdefault(key, {}).update({currency: read_cell(key, cell)} if cell else {})
            else:
                figures[key] = read_cell(key, cell)
        rows[line[by]] = figures
    return rows


def read_cell(key: str, cell: str) -> Any:
    """One cell in the unit of its metric."""
    if not cell:
        return None
    unit = METRICS[key].unit
    return cell if unit is Unit.MONEY else int(cell) if unit in (Unit.COUNT, Unit.MEMBERS) else float(cell)
