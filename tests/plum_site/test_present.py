"""How figures are shown: rounded half to even, never cut off."""

import pytest

from plum_site.lib.present import amount, amounts, count, rate


@pytest.mark.parametrize(("value", "shown"), [(122.9, "123"), (60.5, "60"), (61.5, "62"), (1234, "1,234"), (0, "0")])
def test_a_count_is_rounded(value, shown):
    assert count(value) == shown


@pytest.mark.parametrize(
    ("value", "places", "shown"), [(51 / 66, 1, "77.3 %"), (2 / 209, 1, "1.0 %"), ("0.018", 0, "2 %"), (1.5, 1, "150.0 %")]
)
def test_a_rate_is_rounded(value, places, shown):
    assert rate(value, places) == shown


def test_a_minus_is_no_hyphen():
    assert rate(-0.1234) == "−12.3 %"
    assert count(-1234) == "−1,234"
    assert amount(-1250, "EUR") == "−12.50 EUR"
    assert "−12.50 EUR" in amounts({"EUR": "-12.50"})


def test_nothing_is_not_zero():
    assert count(None) == rate(None) != count(0)
