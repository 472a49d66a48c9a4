"""
The program wall, checked row by row: whatever a row points to lies in the row's own program.

Works for every model from the models themselves: a model's way to its program is its own `program` field, its plain
`program_id`, or its first foreign key that has one.
"""

from collections.abc import Iterator
from typing import Any, cast

from django.apps import apps
from django.db import models
from django.db.models import Exists, F, OuterRef

from plum_site.lib.verify import Finding, check

MOST_NAMED = 20


def program_path(model: type[models.Model], seen: frozenset[type[models.Model]] = frozenset()) -> str | None:
    """The ORM path from a model to its program's id, such as "scorecard__cycle__program_id"; None if it has none."""
    names = {field.attname for field in model._meta.concrete_fields}
    if "program_id" in names:
        return "program_id"
    for field in _foreign_keys(model):
        if field.related_model not in seen | {model}:
            path = program_path(field.related_model, seen | {model})
            if path:
                return f"{field.name}__{path}"
    return None


def _foreign_keys(model: type[models.Model]) -> list[models.ForeignKey]:
    return [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]


def _program_model() -> type[models.Model]:
    return apps.get_model("partners", "Program")


@check("tenancy")
def check_references() -> Iterator[Finding]:
    """Every foreign key between program-bound rows stays inside the program, and leads somewhere."""
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        own_path = program_path(model)
        for field in _foreign_keys(model):
            their_path = program_path(field.related_model)
            if not cast(Any, field).db_constraint:
                yield _dangling(model, field)
            if own_path and their_path and not own_path.startswith(f"{field.name}__"):
                yield _crossing(model, field, own_path, f"{field.name}__{their_path}")
        if own_path == "program_id" and not any(field.name == "program" for field in _foreign_keys(model)):
            yield _homeless(model)


def _dangling(model: type[models.Model], field: models.ForeignKey) -> Finding:
    """Where the database holds no foreign key, the row pointed to must exist all the same."""
    target = field.related_model._default_manager.filter(pk=OuterRef(field.attname))
    rows = model._default_manager.filter(**{f"{field.attname}__isnull": False}).filter(~Exists(target))
    return _finding(
        model, f"{field.name} exists", rows, f"points to a {field.related_model._meta.verbose_name} that does not exist"
    )


def _crossing(model: type[models.Model], field: models.ForeignKey, own_path: str, their_path: str) -> Finding:
    rows = model._default_manager.filter(**{f"{field.name}__isnull": False}).exclude(**{own_path: F(their_path)})
    return _finding(model, f"{field.name} is of the same program", rows, f"points to a {field.name} of another program")


def _homeless(model: type[models.Model]) -> Finding:
    known = _program_model()._default_manager.filter(pk=OuterRef("program_id"))
    rows = model._default_manager.filter(program_id__isnull=False).filter(~Exists(known))
    return _finding(model, "its program exists", rows, "belongs to a program that does not exist")


def _finding(model: type[models.Model], what: str, rows: models.QuerySet, fault: str) -> Finding:
    label = model._meta.label
    wrong = [f"{label}:{pk} {fault}" for pk in rows.order_by("pk").values_list("pk", flat=True)[:MOST_NAMED]]
    return Finding(f"{label}: {what}", model._default_manager.count(), wrong)
