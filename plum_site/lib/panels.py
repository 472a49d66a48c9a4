"""
Panels, columns and filters: what an app higher up adds to the page of a row, or to a list, that it does not own.

Reviews registers one for "partners.Partner"; the partner's page renders whatever is registered, and imports nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
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


def _layer(function: Callable[..., Any]) -> int:
    """Apps lower down stand first in every row of additions, whichever of their modules happened to be imported first."""
    app = apps.get_containing_app_config(function.__module__)
    return -[*apps.get_app_configs(), None].index(app)


def panel(model_label: str, *, title: str, template: str, operation: str) -> Callable[[Contents], Contents]:
    """Register a function that fills a panel on the page of every row of `model_label` ("app.Model")."""

    def register(function: Contents) -> Contents:
        PANELS.setdefault(model_label, []).append(Panel(title, template, operation, function))
        return function

    return register


def panels_for(request: HttpRequest, row: models.Model, program_id: int) -> list[FilledPanel]:
    """The panels of one row that this person may see, those of lower apps first."""
    filled = []
    for entry in sorted(PANELS.get(row._meta.label, []), key=lambda entry: _layer(entry.contents)):
        if may(actor_of(request), entry.operation, program_id):
            contents = entry.contents(request, row)
            if contents is not None:
                filled.append(FilledPanel(entry.title, entry.template, contents))
    return filled


def column(model_label: str, *, title: str, operation: str, place: int = 0) -> Callable[[Values], Values]:
    """
    Register a function that works out one column of the list of `model_label`, for all rows of a page at once.

    place: columns stand in the order of their places; of one place, those of lower apps first.
    """

    def register(function: Values) -> Values:
        COLUMNS.setdefault(model_label, []).append(Column(title, operation, function, place))
        return function

    return register


def columns_for(request: HttpRequest, model_label: str, program_id: int) -> list[Column]:
    """The added columns of one list that this person may see, by place."""
    added = sorted(COLUMNS.get(model_label, []), key=lambda entry: (entry.place, _layer(entry.values)))
    return [entry for entry in added if may(actor_of(request), entry.operation, program_id)]


def list_filter(*model_labels: str, operation: str) -> Callable[[type[Any]], type[Any]]:
    """Register a class, as Django's list_filter takes it, for the lists of these models."""

    def register(cls: type[Any]) -> type[Any]:
        for model_label in model_labels:
            FILTERS.setdefault(model_label, []).append((operation, cls))
        return cls

    return register


def filters_for(request: HttpRequest, model_label: str, program_id: int) -> list[type[Any]]:
    """The added filters of one list that this person may use, those of lower apps first."""
    added = sorted(FILTERS.get(model_label, []), key=lambda entry: _layer(entry[1]))
    return [cls for operation, cls in added if may(actor_of(request), operation, program_id)]
