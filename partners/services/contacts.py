"""What is known about a partner beside its offers: the people there, and what was agreed with them."""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from partners.choices import ContactRole
from partners.models import Contact, ContractTerms, Partner
from partners.rules import field_error, find_overlap
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, NotFound
from plum_site.lib.fields import check_row
from plum_site.lib.models import User


@transaction.atomic
def save_contact(
    *,
    partner_id: int,
    name: str,
    email: str,
    role: str = ContactRole.ACCOUNT,
    language: str = "en",
    contact_id: int | None = None,
    actor: User | str,
    at: datetime,
) -> Contact:
    """
    Add a person at a partner, or change one (contact_id).

    Raises: NotFound, InvalidInput.
    Writes: partners_contact, plum_auditevent (which fields changed, never their values).
    """
    partner = lock_partner(partner_id)
    contact = Contact(partner=partner) if contact_id is None else partner.contacts.filter(pk=contact_id).first()
    if contact is None:
        raise NotFound("contact", contact_id)
    values = {"name": name, "email": email, "role": role, "language": language}
    differing = sorted(field for field, value in values.items() if getattr(contact, field) != value)
    if contact.pk and not differing:
        return contact
    for field, value in values.items():
        setattr(contact, field, value)
    check_row(contact)
    contact.save()
    audit.record(
        program_id=partner.program_id,
        actor=actor,
        action="partners.save_contact",
        row=contact,
        at=at,
        after={"partner": partner.external_id, "fields": differing},
    )
    return contact


@transaction.atomic
def delete_contact(*, contact_id: int, actor: User | str, at: datetime) -> None:
    """
    Forget a person at a partner.

    Raises: NotFound.
    Writes: removes from partners_contact; plum_auditevent.
    """
    contact = Contact.objects.select_related("partner").filter(pk=contact_id).first()
    if contact is None:
        raise NotFound("contact", contact_id)
    audit.record(
        program_id=contact.partner.program_id,
        actor=actor,
        action="partners.delete_contact",
        row=contact,
        at=at,
        before={"partner": contact.partner.external_id},
    )
    contact.delete()


@transaction.atomic
def save_contract_terms(
    *,
    partner_id: int,
    starts_date: date,
    ends_date: date | None = None,
    summary: str,
    commission_percent: Decimal | None = None,
    notice_days: int = 30,
    terms_id: int | None = None,
    actor: User | str,
    at: datetime,
) -> ContractTerms:
    """
    Add what was agreed with a partner for a period, or change it (terms_id). Both days are included.

    Raises: NotFound, InvalidInput, DomainError (code "terms_overlap").
    Writes: partners_contractterms, plum_auditevent; nothing if it is so already.
    """
    partner = lock_partner(partner_id)
    terms = ContractTerms(partner=partner) if terms_id is None else partner.contract_terms.filter(pk=terms_id).first()
    if terms is None:
        raise NotFound("contract terms", terms_id)
    values = {
        "starts_date": starts_date,
        "ends_date": ends_date,
        "summary": summary,
        "commission_percent": commission_percent,
        "notice_days": notice_days,
    }
    before = {name: getattr(terms, name) for name, value in values.items() if terms.pk and getattr(terms, name) != value}
    if terms.pk and not before:
        return terms
    if ends_date is not None and ends_date < starts_date:
        raise field_error("invalid_period", "ends_date", f"The last day {ends_date} is before the first, {starts_date}.")
    others = partner.contract_terms.exclude(pk=terms.pk).order_by("starts_date", "pk").values_list("starts_date", "ends_date")
    overlap = find_overlap((starts_date, ends_date), others)
    if overlap:
        period = f"{overlap[0]} to {overlap[1] or 'further notice'}"
        sentence = f"{partner} has terms for {period} already. Nothing was changed. End those first, or choose other days."
        raise DomainError("terms_overlap", sentence)
    for name, value in values.items():
        setattr(terms, name, value)
    check_row(terms)
    terms.save()
    changed = before or values
    audit.record(
        program_id=partner.program_id,
        actor=actor,
        action="partners.save_contract_terms",
        row=terms,
        at=at,
        before={name: as_text(value) for name, value in before.items()} or None,
        after={name: as_text(values[name]) for name in changed},
    )
    return terms


def lock_partner(partner_id: int) -> Partner:
    """The partner's row, locked, so that two people cannot save overlapping terms at once."""
    partner = Partner.objects.select_for_update(of=("self",)).filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    return partner


def as_text(value: date | Decimal | str | int | None) -> str | int | None:
    """A value as the audit log writes it."""
    return value if value is None or isinstance(value, str | int) else str(value)
