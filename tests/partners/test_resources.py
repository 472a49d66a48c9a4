"""Partners in and out as a table, through the service."""

from datetime import datetime

import pytest
from import_export.results import RowResult
from tablib import Dataset

from partners.models import Partner
from partners.resources import PartnerResource
from plum_site.lib.resources import LinedCSV, cell_text, plain_cell, safe_cell
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db

HEADERS = ["external_id", "name", "category", "country"]


@pytest.fixture
def resource(at: datetime) -> PartnerResource:
    return PartnerResource(program_id=make_program().pk, actor="system", at=at)


def test_new_changed_and_same_rows(resource: PartnerResource, at: datetime) -> None:
    resource.import_data(Dataset(["P1", "Alpha", "food", "DE"], ["P2", "Beta", "food", "AT"], headers=HEADERS))

    rows = [["P1", "Alpha", "food", "DE"], ["P2", "Beta", "travel", "AT"], ["P3", "Gamma", "", ""]]
    result = resource.import_data(Dataset(*rows, headers=HEADERS))

    assert [row.import_type for row in result.rows] == [
        RowResult.IMPORT_TYPE_SKIP,
        RowResult.IMPORT_TYPE_UPDATE,
        RowResult.IMPORT_TYPE_NEW,
    ]
    assert result.rows[1].diff == ["P2", "Beta", "<del>food</del> <ins>travel</ins>", "AT"]
    assert [row.object_id for row in result.rows] == list(Partner.objects.order_by("external_id").values_list("id", flat=True))


def test_a_faulty_row_says_why_and_a_dry_run_writes_nothing(resource: PartnerResource) -> None:
    result = resource.import_data(Dataset(["P1", "", "food", "DE"], ["P2", "Beta", "food", "AT"], headers=HEADERS), dry_run=True)

    [row] = result.invalid_rows
    assert (row.number, row.field_specific_errors) == (2, {"name": ["This may not be empty."]})
    assert not Partner.objects.exists()


def test_an_export_and_its_template(resource: PartnerResource) -> None:
    resource.import_data(Dataset(["P1", "+Alpha", "food", "DE"], headers=HEADERS))

    assert resource.export().csv == "external_id,name,category,country\r\nP1,'+Alpha,food,DE\r\n"
    assert PartnerResource.template().headers == HEADERS
    assert len(PartnerResource.template()) == 2


def test_a_table_of_another_program_is_not_touched(resource: PartnerResource) -> None:
    other = make_program("other")
    make_partner(other, "P1", name="Theirs")

    resource.import_data(Dataset(["P1", "Ours", "food", "DE"], headers=HEADERS))

    assert set(Partner.objects.values_list("program__code", "name")) == {("acme", "Ours"), ("other", "Theirs")}


def test_a_fault_is_raised_where_that_is_asked(resource: PartnerResource) -> None:
    with pytest.raises(Exception, match="no column name"):
        resource.import_data(Dataset(["P1"], headers=["external_id"]), raise_errors=True)


@pytest.mark.parametrize("text", ["=1+1", "+49", "-5", "@home", "\tx", "\rx"])
def test_no_cell_is_a_formula_and_none_is_changed_by_a_round_trip(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert plain_cell(safe_cell(text)) == text


@pytest.mark.parametrize("text", ["", "plain", "'quoted'", "1 - 2"])
def test_other_cells_stay(text: str) -> None:
    assert safe_cell(text) == plain_cell(text) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (3.0, "3"), (2.5, "2.5"), (7, "7"), (datetime(2026, 2, 1), "2026-02-01"), (" x ", "x")]
)
def test_cells_of_spreadsheets_become_text(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_a_faulty_row_of_a_csv_is_named_by_its_line(resource: PartnerResource) -> None:
    text = 'external_id,name\n\nP1,"two\nlines"\nP2,\n'
    dataset = LinedCSV(encoding="utf-8-sig").create_dataset(text.encode())

    result = resource.import_data(dataset, dry_run=True)

    assert [row.number for row in result.invalid_rows] == [5]
    assert result.invalid_rows[0].values == ("P2", "", "", "")  # in the order of the table, whatever the file has
