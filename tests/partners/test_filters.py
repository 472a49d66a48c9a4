"""How lists of partners are narrowed."""

import pytest
from django.contrib.auth import get_user_model

from partners.filters import PartnerFilter
from partners.selectors import list_partners
from partners.services import set_partner_owner
from tests.factories.partners import make_partner, reach_partner_state
from tests.factories.programs import CREATED_AT, make_program

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["P1", "P2", "P3"]),
        ({"state": "paused"}, ["P3"]),
        ({"category": "travel"}, ["P2"]),
        ({"country": "at"}, ["P2"]),
        ({"owner": "otis"}, ["P1"]),
        ({"search": "alp hut"}, ["P2"]),
        ({"search": "p1"}, ["P1"]),
        ({"search": "nobody"}, []),
        ({"state": "active", "category": "food"}, ["P1"]),
    ],
)
def test_partners_are_narrowed(query: dict[str, str], found: list[str]) -> None:
    program = make_program()
    first = make_partner(program, "P1", name="Bakery")
    make_partner(program, "P2", name="Alpine Huts", category="travel", country="AT")
    reach_partner_state(program, "paused", "P3")
    owner = get_user_model().objects.create(username="otis")
    set_partner_owner(partner_id=first.pk, owner=owner, actor="system", at=CREATED_AT)

    partners = PartnerFilter(query, queryset=list_partners(program.pk)).qs

    assert sorted(partner.external_id for partner in partners) == found


def test_an_unknown_state_is_an_error() -> None:
    narrowed = PartnerFilter({"state": "lost"}, queryset=list_partners(make_program().pk))

    assert not narrowed.is_valid()
    assert list(narrowed.errors) == ["state"]
