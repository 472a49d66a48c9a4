"""What happened with the made-up partners: people there, contracts, and how they came to where they stand."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from partners.choices import ContactRole
from partners.models import Partner, Program
from partners.selectors import list_partners
from partners.services import change_partner_state, save_contact, save_contract_terms
from plum_site.demo import profiles
from plum_site.demo.catalog import partner_id
from plum_site.demo.profiles import PartnerProfile
from plum_site.lib.models import User


def tell_partner_stories(*, program: Program, rng: Random, first_day: date, now: datetime, manager: User) -> None:
    """
    Give every partner its contacts, terms and state; what is there already is left alone.

    Raises: nothing of its own.
    Writes: partners, plum_auditevent.
    """
    partners = {partner.external_id: partner for partner in list_partners(program.pk)}
    start = datetime.combine(first_day, time(9), UTC)
    for number, profile in enumerate(profiles.PARTNERS, 1):
        partner = partners[partner_id(number)]
        add_contacts(rng, partner, manager, start)
        if profile.weight:
            agree_on_terms(rng, partner, number, first_day, manager, start)
        lead_to_state(partner, profile, manager, now)


def add_contacts(rng: Random, partner: Partner, manager: User, at: datetime) -> None:
    """An account manager for every partner, and somebody for the money at every other one."""
    names = rng.sample(profiles.CONTACT_NAMES, 2)
    roles = [ContactRole.ACCOUNT, ContactRole.FINANCE] if rng.random() < 0.5 else [ContactRole.ACCOUNT]
    if partner.contacts.exists():
        return
    for name, role in zip(names, roles, strict=False):
        email = f"{role}.{partner.external_id.lower()}@example.org"
        save_contact(partner_id=partner.pk, name=name, email=email, role=role, actor=manager, at=at)


def agree_on_terms(rng: Random, partner: Partner, number: int, first_day: date, manager: User, at: datetime) -> None:
    """A contract since two years before; every fourth partner got better terms later."""
    percent = Decimal(rng.randint(4, 14))
    if partner.contract_terms.exists():
        return
    starts = first_day - timedelta(days=700)
    renewed = first_day + timedelta(days=120) if number % 4 == 0 else None
    bound: dict[str, Any] = {"partner_id": partner.pk, "actor": manager}
    save_contract_terms(
        starts_date=starts,
        ends_date=renewed - timedelta(days=1) if renewed else None,
        summary="Frame contract: offers are agreed on quarter by quarter, codes are delivered within a second.",
        commission_percent=percent,
        at=at,
        **bound,
    )
    if renewed:
        save_contract_terms(
            starts_date=renewed,
            summary="Renewed with a lower commission for more exclusive offers.",
            commission_percent=percent - 2,
            notice_days=60,
            at=at + timedelta(days=110),
            **bound,
        )


def lead_to_state(partner: Partner, profile: PartnerProfile, manager: User, now: datetime) -> None:
    """Take the transitions that the profile's state needs and the partner has not taken, the last one `days_ago`."""
    taken = set(partner.transitions.values_list("name", flat=True))
    names = profiles.WAYS[profile.state]
    for index, name in enumerate(names):
        if name not in taken:
            at = now - timedelta(days=profile.days_ago + 30 * (len(names) - 1 - index))
            comment = profiles.COMMENTS.get(name, "")
            change_partner_state(partner_id=partner.pk, name=name, actor=manager, at=at, comment=comment)
