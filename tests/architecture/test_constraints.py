"""Every constraint of every model is attacked here, on both engines, and holds."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from activity.models import (
    EventIdentity,
    Seal,
    VaultEntry,
)
from exports.models import WebhookDelivery
from plum_site.lib.models import User
from reviews.models import (
    Decision,
    PartnerAnswer,
)
from tests.support.broken_rows import BREAKS_CHECK, BREAKS_UNIQUE
from tests.support.rows import Rows

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

LOCAL_APPS = ("plum", "partners", "offers", "activity", "reviews", "exports")
MODELS = [model for label in LOCAL_APPS for model in apps.get_app_config(label).get_models()]
CONSTRAINTS = {constraint.name: (model, constraint) for model in MODELS for constraint in model._meta.constraints}
UNIQUE_FIELDS = [
    (model, field)
    for model in MODELS
    for field in model._meta.concrete_fields
    if field.unique and not field.primary_key and not isinstance(field, models.OneToOneField)
]


@pytest.fixture
def rows() -> Rows:
    return Rows()


def test_every_constraint_is_attacked() -> None:
    """A new constraint needs a line above: the values of a row that only this constraint refuses."""
    assert set(BREAKS_CHECK) | set(BREAKS_UNIQUE) == set(CONSTRAINTS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_row_that_breaks_nothing_is_stored(model: type[models.Model], rows: Rows) -> None:
    with transaction.atomic():
        assert rows.make(model)._state.adding is False
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", BREAKS_CHECK)
def test_check_constraint_holds(name: str, rows: Rows) -> None:
    model, values = BREAKS_CHECK[name]

    with pytest.raises(IntegrityError, match=rf"\b{name}\b"), transaction.atomic():
        rows.make(model, **values)


@pytest.mark.parametrize("name", BREAKS_UNIQUE)
def test_unique_constraint_holds(name: str, rows: Rows) -> None:
    model, given = BREAKS_UNIQUE[name]

    def values() -> dict[str, Any]:
        return {key: value(rows) if callable(value) else value for key, value in given.items()}

    rows.make(model, **values())
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        rows.make(model, **values())

    _names(refusal, name)


@pytest.mark.parametrize(("model", "field"), UNIQUE_FIELDS, ids=str)
def test_unique_field_holds(model: type[models.Model], field: models.Field, rows: Rows) -> None:
    first = rows.make(model)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(model, **{field.name: getattr(first, field.attname)})


def test_one_event_id_has_one_identity(rows: Rows) -> None:
    rows.make(EventIdentity, program_id=1, key=b"k" * 16)
    rows.make(EventIdentity, program_id=2, key=b"k" * 16)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(EventIdentity, program_id=1, key=b"k" * 16)


@pytest.mark.parametrize(
    ("model", "key"),
    [(Seal, "batch"), (Decision, "scorecard"), (VaultEntry, "member"), (WebhookDelivery, "message"), (PartnerAnswer, "note")],
)
def test_one_to_one_holds(model: type[models.Model], key: str, rows: Rows) -> None:
    first = rows.make(model)

    with pytest.raises(IntegrityError), transaction.atomic():
        rows.make(model, **{key: getattr(first, key)})


def test_user_name_is_taken_once() -> None:
    User.objects.create(username="ada")

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="ada")


def _names(refusal: pytest.ExceptionInfo[IntegrityError], name: str) -> None:
    """PostgreSQL names the constraint, SQLite its columns."""
    model, constraint = CONSTRAINTS[name]
    if connection.vendor == "postgresql":
        assert name in str(refusal.value)
    else:
        columns = [f"{model._meta.db_table}.{model._meta.get_field(field).column}" for field in constraint.fields]
        assert ", ".join(columns) in str(refusal.value)
