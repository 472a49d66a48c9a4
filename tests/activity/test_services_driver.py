"""The driver behind Django's back does what Django does, and what it says is said in Django's words: 503 is answered, not 500."""

from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction

from activity.services.driver import raw_cursor, refresh
from activity.services.ingest import NEEDED
from partners.models import Program
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db

FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{}'; END $$"


@pytest.mark.postgres
@pytest.mark.parametrize("code", ["53100", "40001", "40P01", "55P03", "57P01"], ids=["disk", "serial", "deadlock", "lock", "end"])
def test_a_refusal_of_the_database_is_one_of_operation(code: str) -> None:
    with pytest.raises(OperationalError), transaction.atomic(), raw_cursor() as cursor:
        cursor.execute(FULL.format(code))

    assert connection.is_usable()


ANYTHING = {
    "uuid": uuid4(),
    "time_zone": "Asia/Kolkata",
    "catalog_revision": 41,
    "people_revision": 43,
    "creates_unknown_members": False,
    "refuses_withdrawn_unlocks": True,
    "recorded_stages": ["viewed", "redeemed"],
    "reporting_attributes": ["region"],
}


@pytest.mark.both_engines
def test_a_row_is_refreshed_as_django_does_it() -> None:
    make_program()
    before, here, there = Program.objects.get(), Program.objects.get(), Program.objects.get()
    assert all(getattr(before, name) != value for name, value in ANYTHING.items()), "each is another value than before"
    Program.objects.update(**ANYTHING, name="Another")
    for _ in range(2):
        refresh(here, NEEDED)
    there.refresh_from_db(fields=NEEDED)
    assert {name: getattr(here, name) for name in NEEDED} == {name: getattr(there, name) for name in NEEDED} == ANYTHING
    assert here.name == before.name


@pytest.mark.both_engines
def test_a_row_that_is_gone_says_so() -> None:
    with pytest.raises(Program.DoesNotExist):
        refresh(Program(pk=0), NEEDED)
