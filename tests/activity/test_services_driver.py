"""What the driver says to the statements of the ledger is said in Django's words: the API answers 503, not 500."""

import pytest
from django.db import OperationalError, connection, transaction

from activity.services.driver import raw_cursor

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{}'; END $$"


@pytest.mark.parametrize("code", ["53100", "40001", "40P01", "55P03", "57P01"], ids=["disk", "serial", "deadlock", "lock", "end"])
def test_a_refusal_of_the_database_is_one_of_operation(code: str) -> None:
    with pytest.raises(OperationalError), transaction.atomic(), raw_cursor() as cursor:
        cursor.execute(FULL.format(code))

    assert connection.is_usable()
