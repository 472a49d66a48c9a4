"""Writes of programs and partners."""

from partners.services.contacts import delete_contact, save_contact, save_contract_terms
from partners.services.partners import save_partner, save_partners, save_seasonal_index, set_partner_owner
from partners.services.programs import (
    bump_catalog_revision,
    bump_people_revision,
    create_program,
    grow_recorded_stages,
    update_program,
)
from partners.services.states import change_partner_state

__all__ = [
    "bump_catalog_revision",
    "bump_people_revision",
    "change_partner_state",
    "create_program",
    "delete_contact",
    "grow_recorded_stages",
    "save_contact",
    "save_contract_terms",
    "save_partner",
    "save_partners",
    "save_seasonal_index",
    "set_partner_owner",
    "update_program",
]
