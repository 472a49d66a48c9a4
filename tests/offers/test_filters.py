"""How lists of offers are narrowed."""

from datetime import date, datetime

import pytest

from offers.filters import OfferFilter
from offers.selectors import list_offers
from offers.services import publish_listing
from tests.factories.offers import make_offer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["O1", "O2", "O3"]),
        ({"state": "live"}, ["O1", "O2"]),
        ({"state": "scheduled"}, ["O3"]),
        ({"partner": "P2"}, ["O2"]),
        ({"category": "travel"}, ["O2"]),
        ({"country": "at"}, ["O2"]),
        ({"offer_type": "cashback"}, ["O3"]),
        ({"search": "alpine"}, ["O2"]),
        ({"search": "coffee two"}, ["O1"]),
        ({"search": "fresh"}, ["O1"]),
        ({"search": "o3"}, ["O3"]),
        ({"state": "live", "category": "food"}, ["O1"]),
    ],
)
def test_offers_are_narrowed(query: dict[str, str], found: list[str], at: datetime) -> None:
    program = make_program()
    make_partner(program)
    make_partner(program, "P2", name="Alpine Huts", category="travel", country="AT")
    first = make_offer(program, "O1", title="Two coffees")
    publish_listing(offer_id=first.pk, title="Two fresh coffees", actor="system", at=at)
    make_offer(program, "O2", partner_external_id="P2")
    make_offer(program, "O3", starts_date=date(2026, 8, 1), offer_type="cashback")

    offers = OfferFilter(query, queryset=list_offers(program.pk), on=date(2026, 7, 1)).qs

    assert [offer.external_id for offer in offers] == found


def test_without_a_day_it_is_today() -> None:
    program = make_program()
    make_partner(program)
    make_offer(program, "O1", ends_date=date(2020, 1, 1))

    assert OfferFilter({"state": "expired"}, queryset=list_offers(program.pk)).qs.count() == 1
