"""Offers in and out as a table: CSV, XLSX and the other formats of import-export."""

from collections.abc import Sequence

from import_export.fields import Field

from offers.models import Audience, Listing, Offer
from offers.rules import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, OfferRow, parse_offer
from offers.selectors import find_ranking, list_audiences, list_newest_listings, list_offers, list_terms_in_force, order_of
from offers.services import save_offers
from partners.models import Program
from partners.rules import SavedRows
from plum_site.lib.money import format_minor
from plum_site.lib.periods import local_date
from plum_site.lib.resources import ServiceResource

COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS


class OfferResource(ServiceResource):
    """The columns of offers.csv. `rank` is the place in the ranking of everyone; on import it places new offers only."""

    columns = COLUMNS
    required = ("external_id", "partner_external_id", "title", "offer_type")
    examples = (
        {
            "external_id": "O-1",
            "partner_external_id": "P-1001",
            "title": "Two coffees for one",
            "offer_type": "two_for_one",
            "category": "Hot drinks",
            "face_value": "4.50",
            "currency": "EUR",
            "starts_on": "2026-01-01",
            "ends_on": "2026-12-31",
            "rank": "1",
            "countries": "AT DE",
            "terms": "Once a day.",
            "creative_url": "https://example.org/coffee.jpg",
            "reward_cost": "1.20 EUR",
        },
        {
            "external_id": "O-2",
            "partner_external_id": "P-1002",
            "title": "A tenth off every hut",
            "offer_type": "discount",
            "face_value": "10%",
            "starts_on": "2026-05-01",
        },
    )

    external_id = Field(attribute="external_id", column_name="external_id")
    partner_external_id = Field(attribute="partner__external_id", column_name="partner_external_id")
    title = Field(column_name="title")
    offer_type = Field(attribute="offer_type", column_name="offer_type")
    category = Field(attribute="category", column_name="category")
    face_value = Field(attribute="face_value", column_name="face_value")
    currency = Field(attribute="face_value_currency", column_name="currency")
    starts_on = Field(attribute="starts_date", column_name="starts_on")
    ends_on = Field(attribute="ends_date", column_name="ends_on")
    rank = Field(column_name="rank")
    audience = Field(column_name="audience")
    countries = Field(column_name="countries")
    terms = Field(column_name="terms")
    creative_url = Field(column_name="creative_url")
    reward_cost = Field(column_name="reward_cost")

    class Meta:
        model = Offer
        fields = COLUMNS
        export_order = COLUMNS
        import_id_fields = ("external_id",)

    def parse(self, cells: dict[str, str]) -> OfferRow:
        """One row of offers.csv."""
        return parse_offer(cells)

    def save(self, rows: Sequence[OfferRow]) -> SavedRows:
        """All rows through the service."""
        return save_offers(program_id=self.bound_program_id(), rows=rows, actor=self.actor, at=self.at)

    def stored(self) -> dict[str, dict[str, str]]:
        """Every offer of the program, as its row."""
        program_id = self.bound_program_id()
        time_zone = Program.objects.values_list("time_zone", flat=True).get(pk=program_id)
        listings = {listing.offer_id: listing for listing in list_newest_listings(program_id)}
        today = local_date(self.at, time_zone)
        audiences, terms = list_audiences(program_id, today), list_terms_in_force(program_id, today)
        places = {pk: str(place) for place, pk in enumerate(order_of(find_ranking(program_id)).offers, 1)}
        return {
            offer.external_id: as_row(
                offer, listings.get(offer.pk), terms.get(offer.pk, ""), audiences.get(offer.pk), places.get(offer.pk, "")
            )
            for offer in list_offers(program_id)
        }


def as_row(offer: Offer, listing: Listing | None, terms: str, audience: Audience | None, rank: str) -> dict[str, str]:
    """An offer as a row of offers.csv."""
    cost, currency = offer.reward_cost_minor, offer.reward_cost_currency
    return {
        "external_id": offer.external_id,
        "partner_external_id": offer.partner.external_id,
        "title": listing.title if listing else "",
        "offer_type": offer.offer_type,
        "category": offer.category,
        "face_value": offer.face_value,
        "currency": offer.face_value_currency,
        "starts_on": offer.starts_date.isoformat() if offer.starts_date else "",
        "ends_on": offer.ends_date.isoformat() if offer.ends_date else "",
        "rank": rank,
        "audience": audience.segment.code if audience and audience.segment else "",
        "countries": " ".join(audience.countries) if audience else "",
        "terms": terms,
        "creative_url": listing.creative_url if listing else "",
        "reward_cost": f"{format_minor(cost, currency)} {currency}" if cost is not None else "",
    }
