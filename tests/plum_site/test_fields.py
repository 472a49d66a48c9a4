"""What a currency, a country and a whole row must look like before it is stored, said field by field."""

import pytest
from django.core.exceptions import ValidationError

from partners.models import Partner
from plum_site.lib.errors import InvalidInput
from plum_site.lib.fields import CountryField, CurrencyField, check_row
from plum_site.lib.models import User
from tests.factories.partners import make_partner
from tests.factories.programs import make_program


@pytest.mark.parametrize("code", ["EUR", "JPY", "KWD"])
def test_currencies_of_the_standard_pass(code: str) -> None:
    assert CurrencyField().clean(code, None) == code


@pytest.mark.parametrize("code", ["eur", "EURO", "XXX", "E"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(ValidationError):
        CurrencyField().clean(code, None)


@pytest.mark.parametrize("code", ["de", "DEU", "D", "D1", "ÄÖ"])
def test_what_is_no_country_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match=r"two capital letters|at most 2"):
        CountryField().clean(code, None)


@pytest.mark.django_db
def test_a_row_is_refused_with_a_sentence_for_each_field() -> None:
    partner = make_partner(make_program())
    partner.name, partner.country = "", "Germany"

    with pytest.raises(InvalidInput) as refusal:
        check_row(partner)

    assert (refusal.value.code, set(refusal.value.fields)) == ("invalid_fields", {"name", "country"})
    assert refusal.value.detail.startswith("The partner was not saved: ")
    assert Partner.objects.get().name == "Partner P1"


@pytest.mark.django_db
def test_a_name_that_is_taken_is_said_and_not_stored() -> None:
    User.objects.create_user(username="ada")

    with pytest.raises(InvalidInput) as refusal:
        check_row(User(username="ada", password="x"))

    assert set(refusal.value.fields) == {"username"}
