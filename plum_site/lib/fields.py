"""Model fields that several apps need."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from plum_site.lib.errors import InvalidInput
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


def check_row(row: models.Model) -> None:
    """
    Refuse a row that breaks a rule of its fields or constraints, with a sentence for each field.

    JSON fields are left to the rules of their app: Django would take an empty list for a missing value.

    Raises: InvalidInput, code "invalid_fields".
    """
    try:
        row.full_clean(exclude={field.name for field in row._meta.fields if isinstance(field, models.JSONField)})
    except ValidationError as error:
        fields = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        sentence = f"The {row._meta.verbose_name} was not saved: " + " ".join(f"{name}: {text}" for name, text in fields.items())
        raise InvalidInput("invalid_fields", sentence, fields) from None
