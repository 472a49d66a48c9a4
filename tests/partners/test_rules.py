"""What a partner row must look like, and which contract terms may stand beside each other."""

from datetime import date
from decimal import Decimal

import pytest

from partners.rules import PartnerRow, find_overlap, parse_partner, parse_seasonal_index
from plum_site.lib.errors import InvalidInput


def test_a_row_is_parsed_and_trimmed() -> None:
    row = parse_partner({"external_id": " P1 ", "name": "Café ", "category": "food", "country": "DE"})

    assert row == PartnerRow("P1", "Café", "food", "DE")


def test_category_and_country_may_be_empty_or_absent() -> None:
    assert parse_partner({"external_id": "P1", "name": "A", "country": None}) == PartnerRow("P1", "A", "", "")


@pytest.mark.parametrize(
    ("fields", "column", "code"),
    [
        ({"external_id": ""}, "external_id", "required"),
        ({"name": "  "}, "name", "required"),
        ({"external_id": "x" * 201}, "external_id", "too_long"),
        ({"name": "x" * 301}, "name", "too_long"),
        ({"category": "x" * 101}, "category", "too_long"),
        ({"name": "a\x00b"}, "name", "invalid_text"),
        ({"country": "DEU"}, "country", "invalid_country"),
        ({"country": "de"}, "country", "invalid_country"),
    ],
)
def test_a_row_that_cannot_be_stored(fields: dict[str, str], column: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_partner({"external_id": "P1", "name": "A", "category": "food", "country": "DE"} | fields)

    assert (refusal.value.code, list(refusal.value.fields)) == (code, [column])


def test_a_seasonal_index_is_parsed() -> None:
    row = parse_seasonal_index({"category": "food", "month": "2026-03", "expected_index": "1.25"})

    assert (row.category, row.month_start_date, row.expected_index) == ("food", date(2026, 3, 1), Decimal("1.25"))


@pytest.mark.parametrize("index", ["", "much", "0", "-1", "1000", "NaN", "Infinity", "0.0000001"])
def test_an_index_that_is_none(index: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_seasonal_index({"category": "food", "month": "2026-03", "expected_index": index})

    assert refusal.value.code == "invalid_index"


def test_a_month_that_is_none() -> None:
    with pytest.raises(InvalidInput, match="2026-13"):
        parse_seasonal_index({"category": "food", "month": "2026-13", "expected_index": "1"})


DAY = {number: date(2026, 1, number) for number in range(1, 32)}


@pytest.mark.parametrize(
    ("period", "other", "overlaps"),
    [
        ((DAY[1], DAY[10]), (DAY[11], DAY[20]), False),
        ((DAY[1], DAY[10]), (DAY[10], DAY[20]), True),
        ((DAY[10], DAY[20]), (DAY[1], DAY[10]), True),
        ((DAY[10], DAY[20]), (DAY[1], DAY[9]), False),
        ((DAY[1], None), (DAY[10], DAY[20]), True),
        ((DAY[21], None), (DAY[10], DAY[20]), False),
        ((DAY[1], DAY[9]), (DAY[10], None), False),
        ((DAY[1], DAY[10]), (DAY[10], None), True),
        ((DAY[1], None), (DAY[20], None), True),
        ((DAY[5], DAY[5]), (DAY[1], DAY[31]), True),
    ],
)
def test_periods_that_share_a_day(period, other, overlaps: bool) -> None:
    assert find_overlap(period, [other]) == (other if overlaps else None)
