"""Money is exact: minor units in, the same decimal string out, and nothing that a currency cannot hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib import money
from plum_site.lib.errors import InvalidInput

currencies = st.sampled_from(sorted(money.EXPONENTS))
amounts = st.integers(-money.LARGEST_MINOR, money.LARGEST_MINOR)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12", "EUR", 1200),
        ("0", "EUR", 0),
        ("-0.01", "USD", -1),
        ("007", "USD", 700),
        ("1250", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("0.001", "KWD", 1),
        ("1.2345", "CLF", 12345),
        ("0.10", "INR", 10),
    ],
)
def test_amounts_become_minor_units(amount: str, currency: str, minor: int) -> None:
    assert money.parse_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("12.5", "JPY", "too_many_decimals"),
        ("12.0", "JPY", "too_many_decimals"),
        ("12.500", "EUR", "too_many_decimals"),
        ("1.2345", "KWD", "too_many_decimals"),
        ("12,50", "EUR", "invalid_amount"),
        ("1e3", "EUR", "invalid_amount"),
        ("NaN", "EUR", "invalid_amount"),
        ("Infinity", "EUR", "invalid_amount"),
        ("+1", "EUR", "invalid_amount"),
        ("1.", "EUR", "invalid_amount"),
        (".5", "EUR", "invalid_amount"),
        ("1_000", "EUR", "invalid_amount"),
        (" 1", "EUR", "invalid_amount"),
        ("1\n", "EUR", "invalid_amount"),
        ("", "EUR", "invalid_amount"),
        ("١٢", "EUR", "invalid_amount"),
        ("1" * 5000, "EUR", "invalid_amount"),
        ("10000000000.01", "EUR", "invalid_amount"),
        ("-10000000000.01", "EUR", "invalid_amount"),
        ("1", "eur", "invalid_currency"),
        ("1", "EURO", "invalid_currency"),
        ("1", "", "invalid_currency"),
        ("1", "XTS", "invalid_currency"),
    ],
)
def test_what_is_no_amount_of_that_currency_is_refused(amount: str, currency: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        money.parse_minor(amount, currency)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1250, "EUR", "12.50"),
        (5, "EUR", "0.05"),
        (-5, "EUR", "-0.05"),
        (-1250, "EUR", "-12.50"),
        (0, "EUR", "0.00"),
        (1250, "JPY", "1250"),
        (-1, "JPY", "-1"),
        (1, "KWD", "0.001"),
    ],
)
def test_minor_units_are_written_with_the_decimals_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert money.format_minor(minor, currency) == text


@given(minor=amounts, currency=currencies)
def test_what_is_written_reads_back(minor: int, currency: str) -> None:
    assert money.parse_minor(money.format_minor(minor, currency), currency) == minor


def test_exponents_are_those_of_the_standard() -> None:
    assert {code: money.exponent(code) for code in ("EUR", "JPY", "KRW", "KWD", "TND", "ISK", "CLF", "MGA", "MRU", "HUF")} == {
        "EUR": 2,
        "JPY": 0,
        "KRW": 0,
        "KWD": 3,
        "TND": 3,
        "ISK": 0,
        "CLF": 4,
        "MGA": 2,
        "MRU": 2,
        "HUF": 2,
    }
    assert all(len(code) == 3 and code.isupper() for code in money.EXPONENTS)
