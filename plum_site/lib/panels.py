"""
Panels, columns and filters: what an app higher up adds to the page of a row, or to a list, that it does not own.

Reviews registers one for "partners.Partner"; the partner's page renders whatever is registered, and imports nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest

from plum_site.lib.access import actor_of, may

Contents = Callable[[HttpRequest, models.Model], dict[str, Any] | None]


@dataclass(frozen=True)
class Panel:
    """One panel: a template and the function that fills it (None: nothing to show for this row)."""

    title: str
    template: str
    operation: str
    contents: Contents


@dataclass(frozen=True)
class FilledPanel:
    """A panel with its contents, ready for `plum/panels.html`."""

    title: str
    template: str
    contents: dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column that an app higher up adds to a list: `values` works out the cells of a whole page by row id."""

    title: str
    operation: str
    values: Callable[[HttpRequest, Sequence[Any]], dict[Any, Any]]
    place: int = 0


Values = Callable[[HttpRequest, Sequence[Any]], dict[Any, Any]]
PANELS: dict[str, list[Panel]] = {}
COLUMNS: dict[str, list[Column]] = {}
FILTERS: dict[str, list[tuple[str, type[Any]]]] = {}  # (operation, a class as Django's list_filter takes it)


def panel(model_label: str, *, title: str, template: str, operation: str) -> Callable[[Contents], Contents]:
    """Register a function that fills a panel on the page of every row of `model_label` ("app.Model")."""

    def register(function: Contents) -> Contents:
        PANELS.setdefault(model_label, []).append(Panel(title, template, operation, function))
        return function

    return register


def panels_for(request: HttpRequest, row: models.Model, program_id: int) -> list[FilledPanel]:
    """The panels of one row that this person may see, in the order of registration."""
    filled = []
    for entry in PANELS.get(row._meta.label, []):
        if may(actor_of(request), entry.operation, program_id):
            contents = entry.contents(request, row)
            if contents is not None:
                filled.append(FilledPanel(entry.title, entry.template, contents))
    return filled


def column(model_label: str, *, title: str, operation: str, place: int = 0) -> Callable[[Values], Values]:
    """
    Register a function that works out one column of the list of `model_label`, for all rows of a page at once.

    place: columns stand in the order of their places, those of one place as they were registered.
    """

    def register(function: Values) -> Values:
        COLUMNS.setdefault(model_label, []).append(Column(title, operation, function, place))
        return function

    return register


def columns_for(request: HttpRequest, model_label: str, program_id: int) -> list[Column]:
    """The added columns of one list that this person may see, by place."""
    added = sorted(COLUMNS.get(model_label, []), key=lambda entry: entry.place)
    return [entry for entry in added if may(actor_of(request), entry.operation, program_id)]


def list_filter(*model_labels: str, operation: str) -> Callable[[type[Any]], type[Any]]:
    """Register a class, as Django's list_filter takes it, for the lists of these models."""

    def register(cls: type[Any]) -> type[Any]:
        for model_label in model_labels:
            FILTERS.setdefault(model_label, []).append((operation, cls))
        return cls

    return register


def filters_for(request: HttpRequest, model_label: str, program_id: int) -> list[type[Any]]:
    """The added filters of one list that this person may use, in the order of registration."""
    return [cls for operation, cls in FILTERS.get(model_label, []) if may(actor_of(request), operation, program_id)]
