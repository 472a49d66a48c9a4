"""Contacts, and contract terms that may not overlap."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from partners.models import Contact, ContractTerms, Partner
from partners.selectors import find_contract_terms, list_contacts, list_contract_terms
from partners.services import delete_contact, save_contact, save_contract_terms
from plum_site.lib.errors import DomainError, InvalidInput, NotFound
from plum_site.lib.models import AuditEvent
from tests.factories.partners import make_partner
from tests.factories.programs import make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def partner() -> Partner:
    return make_partner(make_program())


def save_terms(partner: Partner, at: datetime, first: date, last: date | None = None, **values: Any) -> ContractTerms:
    return save_contract_terms(
        partner_id=partner.pk, starts_date=first, ends_date=last, actor="system", at=at, **({"summary": "As agreed."} | values)
    )


def test_a_contact_is_added_changed_and_deleted_without_personal_values_in_the_log(partner: Partner, at: datetime) -> None:
    contact = save_contact(partner_id=partner.pk, name="Ines", email="ines@example.org", actor="system", at=at)
    save_contact(partner_id=partner.pk, name="Ines R", email="ines@example.org", contact_id=contact.pk, actor="system", at=at)
    delete_contact(contact_id=contact.pk, actor="system", at=at)

    assert not list_contacts(partner.pk).exists()
    rows = list(AuditEvent.objects.filter(action__contains="contact").order_by("id"))
    assert [row.action for row in rows] == ["partners.save_contact", "partners.save_contact", "partners.delete_contact"]
    assert rows[1].after == {"partner": "P1", "fields": ["name"]}
    assert "ines" not in " ".join(str([row.before, row.after]) for row in rows).lower()


def test_the_same_contact_again_writes_nothing(partner: Partner, at: datetime) -> None:
    contact = save_contact(partner_id=partner.pk, name="Ines", email="ines@example.org", actor="system", at=at)
    count = AuditEvent.objects.count()

    save_contact(partner_id=partner.pk, name="Ines", email="ines@example.org", contact_id=contact.pk, actor="system", at=at)

    assert AuditEvent.objects.count() == count


@pytest.mark.parametrize("values", [{"email": "ines"}, {"name": ""}, {"role": "friend"}])
def test_a_contact_that_makes_no_sense(partner: Partner, at: datetime, values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        save_contact(
            **({"partner_id": partner.pk, "name": "Ines", "email": "i@example.org", "actor": "system", "at": at} | values)
        )
    assert list(refusal.value.fields) == list(values)
    assert not Contact.objects.exists()


def test_a_contact_stands_once_for_each_role(partner: Partner, at: datetime) -> None:
    for role in ("legal", "finance"):
        save_contact(partner_id=partner.pk, name="Ines", email="i@example.org", role=role, actor="system", at=at)

    with pytest.raises(InvalidInput):
        save_contact(partner_id=partner.pk, name="Ines", email="i@example.org", role="legal", actor="system", at=at)


def test_nothing_is_saved_for_a_partner_or_contact_that_is_not_there(partner: Partner, at: datetime) -> None:
    with pytest.raises(NotFound):
        save_contact(partner_id=partner.pk + 1, name="Ines", email="i@example.org", actor="system", at=at)
    with pytest.raises(NotFound):
        save_contact(partner_id=partner.pk, name="Ines", email="i@example.org", contact_id=9, actor="system", at=at)
    with pytest.raises(NotFound):
        delete_contact(contact_id=9, actor="system", at=at)
    with pytest.raises(NotFound):
        save_terms(partner, at, date(2026, 1, 1), terms_id=9)


def test_terms_follow_each_other(partner: Partner, at: datetime) -> None:
    first = save_terms(partner, at, date(2025, 1, 1), date(2025, 12, 31), commission_percent=Decimal("7.5"))
    second = save_terms(partner, at, date(2026, 1, 1))

    assert list(list_contract_terms(partner.pk)) == [second, first]
    assert find_contract_terms(partner.pk, date(2025, 12, 31)) == first
    assert find_contract_terms(partner.pk, date(2026, 1, 1)) == second
    assert find_contract_terms(partner.pk, date(2024, 12, 31)) is None


def test_no_terms_between_two_periods(partner: Partner, at: datetime) -> None:
    save_terms(partner, at, date(2025, 1, 1), date(2025, 6, 30))
    save_terms(partner, at, date(2026, 1, 1))

    assert find_contract_terms(partner.pk, date(2025, 7, 1)) is None


def test_terms_of_one_partner_may_not_overlap(partner: Partner, at: datetime) -> None:
    save_terms(partner, at, date(2026, 1, 1))

    with pytest.raises(DomainError, match="2026-01-01 to further notice already") as refusal:
        save_terms(partner, at, date(2025, 6, 1), date(2026, 1, 1))
    assert refusal.value.code == "terms_overlap"
    assert ContractTerms.objects.count() == 1


def test_terms_may_be_moved_over_their_own_days(partner: Partner, at: datetime) -> None:
    terms = save_terms(partner, at, date(2026, 1, 1))

    moved = save_terms(partner, at, date(2026, 1, 1), date(2026, 6, 30), terms_id=terms.pk)

    assert moved.ends_date == date(2026, 6, 30)
    row = AuditEvent.objects.filter(action="partners.save_contract_terms").order_by("-id")[0]
    assert (row.before, row.after) == ({"ends_date": None}, {"ends_date": "2026-06-30"})
    save_terms(make_partner(partner.program, "P2"), at, date(2026, 1, 1))


def test_the_same_terms_again_write_nothing(partner: Partner, at: datetime) -> None:
    terms = save_terms(partner, at, date(2026, 1, 1))
    count = AuditEvent.objects.count()

    save_terms(partner, at, date(2026, 1, 1), terms_id=terms.pk)

    assert AuditEvent.objects.count() == count


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"last": date(2025, 12, 31)}, "ends_date"),
        ({"commission_percent": Decimal(101)}, "__all__"),
        ({"summary": ""}, "summary"),
    ],
)
def test_terms_that_make_no_sense(partner: Partner, at: datetime, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        save_terms(partner, at, date(2026, 1, 1), **values)
    assert list(refusal.value.fields) == [field]
    assert not ContractTerms.objects.exists()
