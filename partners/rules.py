"""What a partner row must look like, and which contract terms may stand beside each other. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.periods import parse_month

PARTNER_COLUMNS = ("external_id", "name", "category", "country")
SEASONAL_COLUMNS = ("category", "month", "expected_index")
COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True)
class PartnerRow:
    """One partner as a file, the API or a form names it. `country` is ISO 3166-1 alpha-2 or empty."""

    external_id: str
    name: str
    category: str
    country: str = ""


@dataclass(frozen=True)
class SeasonalRow:
    """How much of its usual volume a category is expected to have in one month (1 = as usual)."""

    category: str
    month_start_date: date
    expected_index: Decimal


@dataclass(frozen=True)
class RowFault:
    """Why one row was left out: its index in the list that was given, and the error."""

    index: int
    error: DomainError


@dataclass(frozen=True)
class SavedRows:
    """What became of a list of rows. Every row is exactly one of the four."""

    created: int
    changed: int
    unchanged: int
    faults: tuple[RowFault, ...] = ()


def field_error(code: str, field: str, sentence: str) -> InvalidInput:
    """An error of one field, its sentence both as the text and beside the field."""
    return InvalidInput(code, f"{field}: {sentence}", {field: sentence})


def check_text(field: str, value: str, longest: int, *, required: bool = False) -> None:
    """
    Refuse text that the table cannot hold.

    Raises: InvalidInput, code "required", "too_long" or "invalid_text".
    """
    if required and not value.strip():
        raise field_error("required", field, "This may not be empty.")
    if len(value) > longest:
        raise field_error("too_long", field, f"{len(value)} characters are too many: at most {longest}.")
    if "\x00" in value:
        raise field_error("invalid_text", field, "A NUL character cannot be stored.")


def check_country(field: str, value: str) -> None:
    """
    Refuse what is not two capital letters.

    Raises: InvalidInput, code "invalid_country".
    """
    if not COUNTRY.fullmatch(value):
        raise field_error("invalid_country", field, f"{value!r} is not a country. Write two capital letters, such as DE.")


def check_partner(row: PartnerRow) -> None:
    """
    Refuse a partner row that cannot be stored.

    Raises: InvalidInput, with the field at fault.
    """
    check_text("external_id", row.external_id, 200, required=True)
    check_text("name", row.name, 300, required=True)
    check_text("category", row.category, 100)
    if row.country:
        check_country("country", row.country)


def parse_partner(fields: Mapping[str, str | None]) -> PartnerRow:
    """
    A row of partners.csv (canonical columns, text) as a PartnerRow; blanks around values are dropped.

    Raises: InvalidInput, with the column at fault.
    """
    values = {name: (fields.get(name) or "").strip() for name in PARTNER_COLUMNS}
    row = PartnerRow(**values)
    check_partner(row)
    return row


def parse_seasonal_index(fields: Mapping[str, str | None]) -> SeasonalRow:
    """
    A row of seasonal_index.csv as a SeasonalRow.

    Raises: InvalidInput, code "invalid_month" or "invalid_index".
    """
    text = (fields.get("expected_index") or "").strip()
    try:
        index = Decimal(text)
    except InvalidOperation:
        raise field_error("invalid_index", "expected_index", f"{text!r} is not a number.") from None
    row = SeasonalRow((fields.get("category") or "").strip(), parse_month((fields.get("month") or "").strip()), index)
    check_seasonal_index(row)
    return row


def check_seasonal_index(row: SeasonalRow) -> None:
    """
    Refuse an index that is not above 0, or too large or too fine for the table.

    Raises: InvalidInput, code "invalid_index".
    """
    index = row.expected_index
    if not index.is_finite() or not 0 < index < 1000 or index != round(index, 6):
        raise field_error("invalid_index", "expected_index", "Write a number above 0 and below 1000, with at most 6 decimals.")


def find_overlap(period: tuple[date, date | None], others: Iterable[tuple[date, date | None]]) -> tuple[date, date | None] | None:
    """The first of `others` that shares a day with `period`, or None. Both days are included; an end of None is open."""
    starts, ends = period
    for other in others:
        other_starts, other_ends = other
        if (ends is None or other_starts <= ends) and (other_ends is None or starts <= other_ends):
            return other
    return None
