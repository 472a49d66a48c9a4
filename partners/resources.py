"""Partners in and out as a table: CSV, XLSX and the other formats of import-export."""

from collections.abc import Sequence

from import_export.fields import Field

from partners.models import Partner
from partners.rules import PARTNER_COLUMNS, PartnerRow, SavedRows, parse_partner
from partners.selectors import list_partners
from partners.services import save_partners
from plum_site.lib.resources import ServiceResource


class PartnerResource(ServiceResource):
    """The columns of partners.csv."""

    columns = PARTNER_COLUMNS
    required = PARTNER_COLUMNS[:2]
    examples = (
        {"external_id": "P-1001", "name": "Northwind Coffee", "category": "Food", "country": "DE"},
        {"external_id": "P-1002", "name": "Alpine Trails", "category": "Travel", "country": "AT"},
    )

    external_id = Field(attribute="external_id", column_name="external_id")
    name = Field(attribute="name", column_name="name")
    category = Field(attribute="category__code", column_name="category")
    country = Field(attribute="country", column_name="country")

    class Meta:
        model = Partner
        fields = PARTNER_COLUMNS
        export_order = PARTNER_COLUMNS
        import_id_fields = ("external_id",)

    def parse(self, cells: dict[str, str]) -> PartnerRow:
        """One row of partners.csv."""
        return parse_partner(cells)

    def save(self, rows: Sequence[PartnerRow]) -> SavedRows:
        """All rows through the service."""
        return save_partners(program_id=self.bound_program_id(), rows=rows, actor=self.actor, at=self.at)

    def stored(self) -> dict[str, dict[str, str]]:
        """Every partner of the program, as its row."""
        return {
            partner.external_id: {
                "external_id": partner.external_id,
                "name": partner.name,
                "category": partner.category.code,
                "country": partner.country,
            }
            for partner in list_partners(self.bound_program_id())
        }
