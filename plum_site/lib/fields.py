"""Model fields that several apps need."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from plum_site.lib.money import EXPONENTS


def check_currency(code: str) -> None:
    """ValidationError unless `code` is in ISO 4217."""
    if code not in EXPONENTS:
        raise ValidationError(f"{code} is not an ISO 4217 currency code, such as EUR.", code="invalid_currency")


class CurrencyField(models.CharField):
    """An ISO 4217 code, upper case."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 3, "validators": [check_currency], **options})


class CountryField(models.CharField):
    """An ISO 3166-1 alpha-2 code, upper case."""

    def __init__(self, **options: Any) -> None:
        two_letters = RegexValidator(r"^[A-Z]{2}$", "Write the country as two capital letters, such as DE.")
        super().__init__(**{"max_length": 2, "validators": [two_letters], **options})
