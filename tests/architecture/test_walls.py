"""Nothing points through a program's wall without `verify tenancy` naming it."""

import pytest
from django.apps import apps
from django.db import models, transaction

from plum_site.lib import verify
from plum_site.lib.tenancy import program_path
from tests.support.rows import Rows
from tests.support.tampering import let_through

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

LOCAL_APPS = ("plum", "partners", "offers", "activity", "reviews", "exports")
MODELS = [model for label in LOCAL_APPS for model in apps.get_app_config(label).get_models()]


def crossings() -> list[tuple[type[models.Model], models.ForeignKey]]:
    """Every foreign key between two rows that each know a program in a way of their own."""
    return [
        (model, field)
        for model in MODELS
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.related_model._meta.label != "partners.Program"
        and program_path(field.related_model)
        and not (program_path(model) or field.name).startswith(f"{field.name}")
    ]


def violations() -> list[str]:
    return [line for finding in verify.run("tenancy") for line in finding.violations]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "field"), crossings(), ids=str)
def test_a_row_that_points_through_the_wall_is_named(model: type[models.Model], field: models.ForeignKey) -> None:
    with transaction.atomic():
        Rows().make(model)
        assert violations() == []
        transaction.set_rollback(True)

    let_through()  # some of them the database refuses by itself
    row = Rows().make(model, **{field.name: Rows().the(field.related_model)})

    assert any(f"{model._meta.label}:{row.pk} " in line for line in violations())


def test_there_are_foreign_keys_to_look_at() -> None:
    assert len(crossings()) >= 10
