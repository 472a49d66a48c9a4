"""Offers in and out as a table, through the services."""

from datetime import UTC, date, datetime

import pytest
from import_export.results import RowResult
from tablib import Dataset

from offers.models import Audience, Listing, Offer, RankingRevision
from offers.resources import COLUMNS, OfferResource
from offers.selectors import get_offer
from partners.models import Program
from plum_site.lib.models import AuditEvent
from tests.factories.offers import make_offer, make_segment, order_in_force
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HEADERS = ["external_id", "partner_external_id", "title", "offer_type", "starts_on", "reward_cost"]


@pytest.fixture
def program() -> Program:
    program = make_program()
    make_partner(program)
    return program


@pytest.fixture
def resource(program: Program, at: datetime) -> OfferResource:
    return OfferResource(program_id=program.pk, actor="system", at=at)


def as_text(dataset: Dataset) -> list[dict[str, str]]:
    return [dict(zip(dataset.headers, row, strict=True)) for row in dataset]


def test_rows_go_through_the_service(program: Program, resource: OfferResource) -> None:
    make_offer(program, "O1", starts_date=date(2026, 1, 1))
    table = Dataset(
        ["O1", "P1", "Offer O1", "discount", datetime(2026, 1, 1), None],
        ["O2", "P1", "New", "discount", date(2026, 2, 1), "1.50 EUR"],
        headers=HEADERS,
    )

    result = resource.import_data(table)

    assert [row.import_type for row in result.rows] == [RowResult.IMPORT_TYPE_SKIP, RowResult.IMPORT_TYPE_NEW]
    assert not result.has_errors()
    offer = get_offer(program.pk, "O2")
    assert (offer.starts_date, offer.reward_cost_minor, offer.reward_cost_currency) == (date(2026, 2, 1), 150, "EUR")
    assert AuditEvent.objects.filter(action="offers.save_offers").order_by("-id")[0].after == {
        "created": 1,
        "changed": 0,
        "unchanged": 1,
    }


def test_a_changed_cell_shows_both_values_and_escapes_them(program: Program, resource: OfferResource) -> None:
    make_offer(program, "O1")

    result = resource.import_data(Dataset(["O1", "P1", "<b>Better</b>", "discount", "", ""], headers=HEADERS))

    [row] = result.rows
    assert row.import_type == RowResult.IMPORT_TYPE_UPDATE
    assert row.diff[COLUMNS.index("title")] == "<del>Offer O1</del> <ins>&lt;b&gt;Better&lt;/b&gt;</ins>"


def test_a_dry_run_says_the_same_and_writes_nothing(program: Program, resource: OfferResource) -> None:
    make_offer(program, "O1")
    before = (Listing.objects.count(), RankingRevision.objects.count(), AuditEvent.objects.count())
    table = Dataset(["O1", "P1", "Better", "discount", "", ""], ["O2", "P1", "New", "discount", "", ""], headers=HEADERS)

    result = resource.import_data(table, dry_run=True)

    assert [row.import_type for row in result.rows] == [RowResult.IMPORT_TYPE_UPDATE, RowResult.IMPORT_TYPE_NEW]
    assert (Listing.objects.count(), RankingRevision.objects.count(), AuditEvent.objects.count()) == before
    assert Offer.objects.count() == 1


def test_each_faulty_row_says_why(program: Program, resource: OfferResource) -> None:
    make_offer(program, "O1")
    table = Dataset(
        ["O1", "P1", "Other type", "cashback", "", ""],
        ["O2", "P9", "No partner", "discount", "", ""],
        ["O3", "P1", "Bad day", "discount", "01.02.2026", ""],
        ["O4", "P1", "Bad cost", "discount", "", "1.505 EUR"],
        ["O5", "P1", "Sound", "discount", "", ""],
        headers=HEADERS,
    )

    result = resource.import_data(table)

    assert {row.number: list(row.error_dict) for row in result.invalid_rows} == {
        2: ["offer_type"],
        3: ["partner_external_id"],
        4: ["starts_on"],
        5: ["reward_cost"],
    }
    assert result.totals[RowResult.IMPORT_TYPE_INVALID] == 4
    assert sorted(Offer.objects.values_list("external_id", flat=True)) == ["O1", "O5"]


def test_faulty_rows_keep_the_sound_ones_out_if_that_is_asked(resource: OfferResource) -> None:
    table = Dataset(["O1", "P9", "x", "discount", "", ""], ["O2", "P1", "x", "discount", "", ""], headers=HEADERS)

    resource.import_data(table, rollback_on_validation_errors=True)

    assert not Offer.objects.exists()


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (["external_id", "title"], "The file has no column partner_external_id, offer_type."),
        ([*HEADERS[:4], "colour"], "Plum does not know this column: colour."),
        ([*HEADERS[:4], "title"], "Plum does not know this column: one that is there twice."),
    ],
)
def test_a_file_with_wrong_columns_is_refused(resource: OfferResource, headers: list[str], sentence: str) -> None:
    result = resource.import_data(Dataset(["O1"] * len(headers), headers=headers))

    assert str(result.base_errors[0].error).startswith(sentence)
    assert not Offer.objects.exists()


def test_what_is_exported_can_be_imported_again(program: Program, resource: OfferResource) -> None:
    make_segment(program)
    make_offer(
        program,
        "O1",
        title="=HYPERLINK(1)",
        face_value="-10%",
        audience="cards",
        countries=("AT", "DE"),
        terms="@home only",
        reward_cost="3 JPY",
        ends_date=date(2026, 12, 31),
    )

    table = resource.export()

    [row] = as_text(table)
    assert table.headers == list(COLUMNS)
    assert (row["title"], row["face_value"], row["terms"]) == ("'=HYPERLINK(1)", "'-10%", "'@home only")
    assert (row["audience"], row["countries"], row["reward_cost"], row["ends_on"]) == ("cards", "AT DE", "3 JPY", "2026-12-31")
    assert [row.import_type for row in resource.import_data(table).rows] == [RowResult.IMPORT_TYPE_SKIP]
    assert Audience.objects.count() == 1


def test_an_export_holds_its_own_program_only(program: Program, resource: OfferResource) -> None:
    other = make_program("other")
    make_partner(other)
    make_offer(other, "O9")
    make_offer(program, "O1")

    assert [row["external_id"] for row in as_text(resource.export())] == ["O1"]


def test_the_template_can_be_imported(program: Program, at: datetime) -> None:
    for external_id in ("P-1001", "P-1002"):
        make_partner(program, external_id)
    resource = OfferResource(program_id=program.pk, at=at)

    result = resource.import_data(resource.template())

    assert [row.import_type for row in result.rows] == [RowResult.IMPORT_TYPE_NEW] * 2
    assert len(order_in_force(program)) == 2


def test_a_resource_without_a_program_reads_nothing() -> None:
    with pytest.raises(RuntimeError, match="id of its program"):
        OfferResource(at=datetime(2026, 1, 1, tzinfo=UTC)).export()


def test_a_table_that_is_too_long_is_sent_to_the_command(resource: OfferResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plum_site.lib.resources.MOST_ROWS", 1)

    result = resource.import_data(Dataset(*[["O1", "P1", "x", "y", "", ""]] * 2, headers=HEADERS))

    assert "load_program" in str(result.base_errors[0].error)
