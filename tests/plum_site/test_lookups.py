"""Our own look-ups find what Django's would."""

import pytest
from django.db import connection

from partners.models import Partner
from tests.factories.ledger import make_stocked_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.mark.parametrize("names", [[], ["P1"], ["P2", "P1", "P9"], [f"P{number}" for number in range(3000)]])
def test_one_of_finds_what_in_does(names: list[str]) -> None:
    make_stocked_program()
    found = Partner.objects.filter(external_id__one_of=names).order_by("pk")
    assert list(found) == list(Partner.objects.filter(external_id__in=names).order_by("pk"))
    assert list(Partner.objects.filter(program__id__one_of=[partner.program_id for partner in found]).order_by("pk")) == (
        list(Partner.objects.order_by("pk")) if found else []
    )


@pytest.mark.postgres
def test_one_of_is_one_parameter() -> None:
    _sql, parameters = Partner.objects.filter(pk__one_of=range(5000)).query.get_compiler(connection=connection).as_sql()
    assert [len(parameter) for parameter in parameters] == [5000]
