"""The migrations are what the models say, and lead back and up again with every protection in place."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

pytestmark = pytest.mark.both_engines


def triggers() -> set[str]:
    """Table and name of every trigger of ours."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")
        else:
            cursor.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'")
        return {f"{table}.{name}" for table, name in cursor}


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    out = StringIO()

    call_command("makemigrations", check=True, dry_run=True, stdout=out)

    assert "No changes detected" in out.getvalue()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_migrations_lead_back_and_up_again() -> None:
    before, tables = triggers(), set(connection.introspection.table_names())

    for app in ("exports", "reviews", "activity", "offers", "partners"):
        call_command("migrate", app, "zero", verbosity=0)
    left = set(connection.introspection.table_names())
    call_command("migrate", verbosity=0)

    assert "plum_auditevent" in left
    assert not [table for table in left if table.startswith(("partners_", "offers_", "activity_", "reviews_"))]
    assert set(connection.introspection.table_names()) == tables
    assert triggers() == before
    assert len(before) >= 20
